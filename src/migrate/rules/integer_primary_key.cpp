// integer-primary-key: see the texts below, and integer-primary-key.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    for (const Action& a : file.actions) {
        const Table* table = file.schema.find(a.table);
        if (a.kind != ActionKind::kCreateTable || table == nullptr || table->temporary ||
            table->primary_key() == nullptr || table->primary_key()->columns.size() != 1) {
            continue;
        }
        const Column* column = table->column(table->primary_key()->columns.front());
        const bool counted = column != nullptr && (column->has_default || column->identity);
        if (counted && is_narrow_integer(column->type.name)) {
            sink.at(a, fmt::format("{}.{} ends at {}", a.table, column->name,
                                   column->type.name == "int2" ? "32,767" : "2,147,483,647"));
        }
    }
}

}  // namespace

const Rule rule_integer_primary_key{
    .name = "integer-primary-key",
    .title = "A primary key of four bytes or less runs out.",
    .severity = Severity::kWarning,
    .risk = Risk::kLow,
    .why =
        "At 2,147,483,647 every insert fails, and changing the type then rewrites the "
        "table (and every one that references it).",
    .fix = "bigint GENERATED ALWAYS AS IDENTITY, or uuid.",
    .flagged = "CREATE TABLE orders (id serial PRIMARY KEY);",
    .clean = "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
