// foreign-key-without-index: see the texts below, and foreign-key-without-index.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

// Whether a look-up of the key's columns by `=`, which finds no NULL, can use the index.
bool covers(const Index& index, const std::vector<std::string>& key) {
    const bool holds_all =
        !index.partial ||
        (!index.where_not_null.empty() &&
         std::ranges::all_of(index.where_not_null, [&](const std::string& column) {
             return std::ranges::find(key, column) != key.end();
         }));
    return holds_all && index.columns.size() >= key.size() &&
           std::is_permutation(key.begin(), key.end(), index.columns.begin());
}

void check(const FileView& file, Sink& sink) {
    for (const Action& a : file.actions) {
        std::vector<const TableConstraint*> keys;
        const Table* table = file.schema.find(a.table);
        if (table == nullptr || table->temporary ||
            (a.kind != ActionKind::kCreateTable && a.kind != ActionKind::kAddColumn &&
             a.kind != ActionKind::kAddConstraint)) {
            continue;
        }
        for (const TableConstraint& constraint : table->constraints) {
            const bool mine = a.kind == ActionKind::kCreateTable ||
                              (a.kind == ActionKind::kAddColumn &&
                               constraint.columns == std::vector<std::string>{a.name}) ||
                              (a.kind == ActionKind::kAddConstraint && constraint.name == a.name);
            if (mine && constraint.kind == ConstraintKind::kForeign &&
                (a.kind != ActionKind::kCreateTable || file.named_in(a, constraint.name)) &&
                std::ranges::none_of(keys, [&](const TableConstraint* key) {
                    return key->columns == constraint.columns;
                })) {
                keys.push_back(&constraint);
            }
        }
        for (const TableConstraint* key : keys) {
            const bool covered = std::ranges::any_of(
                table->indexes, [&](const Index& index) { return covers(index, key->columns); });
            if (!covered) {
                const std::string columns = sql_names(key->columns);
                sink.at(a,
                        fmt::format("no index of {} begins with ({}), which references {}", a.table,
                                    columns, key->other_table),
                        fmt::format("CREATE INDEX CONCURRENTLY ON {} ({});", sql_name(a.table),
                                    columns));
            }
        }
    }
}

}  // namespace

const Rule rule_foreign_key_without_index{
    .name = "foreign-key-without-index",
    .title = "A foreign key's columns have no index.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "Each DELETE or key UPDATE on the referenced table reads the whole referencing "
        "table, holding its locks meanwhile; joins along the key do too.",
    .fix = "CREATE INDEX CONCURRENTLY on the columns (first in the index).",
    .flagged =
        "CREATE TABLE order_lines (id bigint PRIMARY KEY, order_id bigint REFERENCES "
        "orders (id));",
    .clean = "CREATE INDEX order_lines_order_idx ON order_lines (order_id);",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
