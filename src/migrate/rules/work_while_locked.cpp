// work-while-locked: see the texts below, and work-while-locked.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Transaction& run, Sink& sink) {
    std::vector<std::pair<std::string, const Action*>> held;
    for (const Action* a : run.actions) {
        if (a->works()) {
            for (const auto& [table, by] : held) {
                const bool own = std::ranges::any_of(
                    a->effects, [&, &held_table = table](const TableEffect& effect) {
                        return effect.table == held_table && effect.lock >= by->strongest();
                    });
                if (!own && by->statement != a->statement) {
                    sink.at(*a, fmt::format("{} on {} (line of {}) is held while this {} {}",
                                            lock_name(by->strongest()), table,
                                            by->table.empty() ? by->name : by->table,
                                            a->rewrites() ? "rewrites"
                                            : a->builds() ? "builds an index on"
                                                          : "reads all of",
                                            a->table));
                    break;
                }
            }
        }
        for (const TableEffect& effect : a->effects) {
            if (!effect.fresh && blocks_writes(effect.lock) && !a->fresh) {
                held.emplace_back(effect.table, a);
            }
        }
    }
}

}  // namespace

const Rule rule_work_while_locked{
    .name = "work-while-locked",
    .title = "Long work runs while an earlier statement's lock is still held.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Locks are kept to the end of the transaction. Whatever reads, builds or rewrites "
        "after a lock was taken makes that lock as long as itself.",
    .fix = "One strong lock per transaction, the long work in another.",
    .flagged = "BEGIN; ALTER TABLE a ADD COLUMN x int; CREATE INDEX i ON b (y); COMMIT;",
    .clean = "ALTER TABLE a ADD COLUMN x int;",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
