// data-change-in-schema-transaction: see the texts below, and
// data-change-in-schema-transaction.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Transaction& run, Sink& sink) {
    std::vector<std::pair<std::string, Lock>> held;
    for (const Action* a : run.actions) {
        const bool changes = a->kind == ActionKind::kUpdate || a->kind == ActionKind::kDelete ||
                             a->kind == ActionKind::kMerge;
        if (changes && !a->fresh && !held.empty()) {
            sink.at(*a, fmt::format("{} rows are changed while {} on {} is held", a->table,
                                    lock_name(held.front().second), held.front().first));
        }
        for (const TableEffect& effect : a->effects) {
            if (!effect.fresh && blocks_writes(effect.lock)) {
                held.emplace_back(effect.table, effect.lock);
            }
        }
    }
}

}  // namespace

const Rule rule_data_change_in_schema_transaction{
    .name = "data-change-in-schema-transaction",
    .title = "Rows are changed in a transaction that holds a strong lock on a table.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "The lock of the schema change is kept while the rows are written: reads or "
        "writes wait for all of it.",
    .fix = "Schema change and data change in separate migrations; the data in batches.",
    .flagged =
        "BEGIN; ALTER TABLE orders ADD COLUMN region text; UPDATE orders SET region = "
        "'eu' WHERE region IS NULL; COMMIT;",
    .clean = "UPDATE orders SET region = 'eu' WHERE id BETWEEN 1 AND 10000;",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
