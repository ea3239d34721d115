// foreign-key-type-mismatch: see the texts below, and foreign-key-type-mismatch.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    for (const Action& a : file.actions) {
        if (a.kind != ActionKind::kCreateTable && a.kind != ActionKind::kAddColumn &&
            a.kind != ActionKind::kAddConstraint) {
            continue;
        }
        const Table* table = file.schema.find(a.table);
        if (table == nullptr) {
            continue;
        }
        for (const TableConstraint& key : table->constraints) {
            const bool mine = a.kind == ActionKind::kCreateTable ? file.named_in(a, key.name)
                              : a.kind == ActionKind::kAddConstraint
                                  ? key.name == a.name
                                  : key.columns == std::vector<std::string>{a.name};
            const Table* other = file.schema.find(key.other_table);
            if (!mine || key.kind != ConstraintKind::kForeign || other == nullptr) {
                continue;
            }
            const std::vector<std::string> targets = !key.other_columns.empty() ? key.other_columns
                                                     : other->primary_key() != nullptr
                                                         ? other->primary_key()->columns
                                                         : std::vector<std::string>{};
            for (std::size_t i = 0; i < key.columns.size() && i < targets.size(); ++i) {
                const Column* from = table->column(key.columns[i]);
                const Column* to = other->column(targets[i]);
                if (from != nullptr && to != nullptr && from->type.known() && to->type.known() &&
                    from->type.name != to->type.name) {
                    sink.at(a, fmt::format("{}.{} is {}, {}.{} is {}", a.table, from->name,
                                           to_sql(from->type), other->name, to->name,
                                           to_sql(to->type)));
                }
            }
        }
    }
}

}  // namespace

const Rule rule_foreign_key_type_mismatch{
    .name = "foreign-key-type-mismatch",
    .title = "A foreign key's column has another type than the column it references.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "Comparisons need casts (an int4 column runs out before the int8 key it points "
        "to), and some pairs keep indexes from being used.",
    .fix = "The same type on both sides.",
    .flagged =
        "CREATE TABLE order_lines (order_id integer REFERENCES orders (id)); -- orders.id "
        "is bigint",
    .clean = "CREATE TABLE order_lines (order_id bigint REFERENCES orders (id));",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
