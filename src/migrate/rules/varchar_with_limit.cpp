// varchar-with-limit: see the texts below, and varchar-with-limit.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    for_each_new_column(a, [&](const PgQuery__ColumnDef& column, std::size_t begin) {
        const ColumnType type = type_of(column.type_name);
        if (type.name == "varchar" && !type.modifiers.empty()) {
            report_column(sink, a, column, begin);
        }
    });
}

}  // namespace

const Rule rule_varchar_with_limit{
    .name = "varchar-with-limit",
    .title = "varchar(n): shortening it later rewrites or fails.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "A longer limit is free, a shorter one rewrites the table under ACCESS EXCLUSIVE; "
        "the limit saves no space.",
    .fix = "text with a CHECK, which can be changed with NOT VALID and VALIDATE.",
    .flagged = "CREATE TABLE t (name varchar(50));",
    .clean = "CREATE TABLE t (name text CHECK (length(name) <= 50));",
    .on = false,
    .step = check,
};

}  // namespace howdah::migrate::lint
