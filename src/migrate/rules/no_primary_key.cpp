// no-primary-key: see the texts below, and no-primary-key.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    for (const Action& a : file.actions) {
        const Table* table = file.schema.find(a.table);
        const bool made = a.kind == ActionKind::kCreateTable && table != nullptr &&
                          !table->temporary && table->kind != TableKind::kForeign &&
                          table->parent.empty() && table->complete && a.node != nullptr &&
                          a.node->node_case == PG_QUERY__NODE__NODE_CREATE_STMT;
        if (!made || table->primary_key() != nullptr) {
            continue;
        }
        const bool unique =
            std::ranges::any_of(table->constraints, [&](const TableConstraint& constraint) {
                return constraint.kind == ConstraintKind::kUnique &&
                       std::ranges::all_of(constraint.columns, [&](const std::string& name) {
                           return table->never_null(name, false);
                       });
            });
        sink.at(a, unique
                       ? fmt::format("{} has UNIQUE NOT NULL columns but no primary key", a.table)
                       : fmt::format("{} has no primary key", a.table));
    }
}

}  // namespace

const Rule rule_no_primary_key{
    .name = "no-primary-key",
    .title = "A new table has no primary key.",
    .severity = Severity::kWarning,
    .risk = Risk::kLow,
    .why =
        "Rows cannot be told apart, logical replication cannot UPDATE or DELETE, and many "
        "tools refuse the table.",
    .fix = "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, or the natural key.",
    .flagged = "CREATE TABLE events (at timestamptz, what text);",
    .clean =
        "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at "
        "timestamptz, what text);",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
