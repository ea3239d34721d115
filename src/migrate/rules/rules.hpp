// For the rule files: the list of all rules, and what several of them need.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>

#include "migrate/lint/rule.hpp"

namespace howdah::migrate::lint {

#define RULE(name) extern const Rule name;
#include "migrate/rules/engine.inc"
#include "migrate/rules/list.inc"
#undef RULE

// Columns that CREATE TABLE or ADD COLUMN makes; `begin` is the column's place in the file.
void for_each_new_column(
    const Action& action,
    const std::function<void(const PgQuery__ColumnDef&, std::size_t begin)>& see);
void report_column(Sink& sink, const Action& action, const PgQuery__ColumnDef& column,
                   std::size_t begin);
// Names of tables, columns, indexes and types that the action makes, without schema.
void for_each_new_name(const Action& action, const std::function<void(const std::string&)>& see);
bool needs_quotes_for_case(std::string_view name);
bool is_reserved_word(std::string_view name);

}  // namespace howdah::migrate::lint
