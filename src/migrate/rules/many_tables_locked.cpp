// many-tables-locked: see the texts below, and many-tables-locked.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

// What one statement locks by itself is second-table-lock's.
void check(const Transaction& run, Sink& sink) {
    std::vector<std::string> held;
    for (const Action* a : run.actions) {
        std::vector<std::string> more;
        for (const TableEffect& effect : a->effects) {
            const Table* known = run.schema.find(effect.table);
            const bool child = known != nullptr && !known->parent.empty();
            if (!effect.fresh && !a->fresh && !child && blocks_reads(effect.lock) &&
                std::ranges::find(held, effect.table) == held.end()) {
                more.push_back(effect.table);
            }
        }
        if (!held.empty() && !more.empty()) {
            sink.at(*a, fmt::format("{} is locked while ACCESS EXCLUSIVE on {} is held", more[0],
                                    held[0]));
            return;
        }
        std::ranges::move(more, std::back_inserter(held));
    }
}

}  // namespace

const Rule rule_many_tables_locked{
    .name = "many-tables-locked",
    .title = "One transaction locks several existing tables against reads and writes.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "Each lock is kept while the next is waited for: with each table the chance grows "
        "that one of them is busy, and all stand still until it is free.",
    .fix = "One table per transaction.",
    .flagged = "BEGIN; ALTER TABLE a ADD COLUMN x int; ALTER TABLE b ADD COLUMN x int; COMMIT;",
    .clean = "ALTER TABLE a ADD COLUMN x int;",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
