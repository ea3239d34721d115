// second-table-lock: see the texts below, and second-table-lock.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    const bool spoken_for =
        a.kind == ActionKind::kAttachPartition || a.kind == ActionKind::kDetachPartition ||
        a.kind == ActionKind::kAlterDomain || a.kind == ActionKind::kTruncate ||
        a.kind == ActionKind::kLockTable || a.kind == ActionKind::kDropSchema ||
        a.kind == ActionKind::kDropType || a.kind == ActionKind::kCreateView ||
        (a.kind == ActionKind::kCreateTable && !a.other.empty()) ||
        (a.kind == ActionKind::kAddConstraint && !a.has(kNotValid) && a.works());
    if (spoken_for || step.lock_timeout_set) {
        return;
    }
    for (const bool reads : {true, false}) {
        std::vector<std::string> tables;
        for (const TableEffect& effect : a.effects) {
            const Table* known = step.schema.find(effect.table);
            const bool descendant =
                known != nullptr && !known->parent.empty() && known->parent == a.table;
            if (effect.second && !effect.fresh && !descendant && blocks_writes(effect.lock) &&
                blocks_reads(effect.lock) == reads) {
                tables.push_back(effect.table);
            }
        }
        if (!tables.empty()) {
            sink.at(a, fmt::format("this also locks {} against {}", fmt::join(tables, ", "),
                                   reads ? "reads and writes" : "writes"));
        }
    }
}

}  // namespace

const Rule rule_second_table_lock{
    .name = "second-table-lock",
    .title = "The statement also locks a table that it does not name first.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "Foreign keys tie two tables: dropping one, dropping the child table or its "
        "column, or changing a column's type takes ACCESS EXCLUSIVE on the other table; "
        "CREATE TABLE ... REFERENCES and ADD COLUMN ... REFERENCES block writes to it. On "
        "a busy parent that is the lock that hurts.",
    .fix =
        "A short lock_timeout with retries; drop foreign keys one at a time before the "
        "table.",
    .flagged = "DROP TABLE order_lines; -- also locks orders and products",
    .clean =
        "SET lock_timeout = '2s'; ALTER TABLE order_lines DROP CONSTRAINT "
        "order_lines_order_fkey;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
