// lock-upgrade-may-deadlock: see the texts below, and lock-upgrade-may-deadlock.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Transaction& run, Sink& sink) {
    std::vector<std::pair<std::string, const Action*>> weak;
    for (const Action* a : run.actions) {
        if (a->fresh) {
            continue;
        }
        for (const TableEffect& effect : a->effects) {
            if (effect.fresh) {
                continue;
            }
            const auto earlier = std::ranges::find(weak, effect.table,
                                                   &std::pair<std::string, const Action*>::first);
            if (earlier != weak.end() && blocks_writes(effect.lock) &&
                earlier->second->statement != a->statement) {
                sink.at(*a,
                        fmt::format("{} was locked {} before; strengthening it to {} can deadlock",
                                    effect.table, lock_name(earlier->second->strongest()),
                                    lock_name(effect.lock)));
                weak.erase(earlier);
            } else if (effect.lock == Lock::kRowExclusive) {
                weak.emplace_back(effect.table, a);
            }
        }
    }
}

}  // namespace

const Rule rule_lock_upgrade_may_deadlock{
    .name = "lock-upgrade-may-deadlock",
    .title = "A transaction strengthens a lock it already holds.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "It first takes a weaker lock on the table (by writing or reading rows), then a "
        "stronger one. An application transaction that does the same holds what this one "
        "waits for, and waits for what this one holds: a deadlock.",
    .fix =
        "Take the strongest lock first (LOCK TABLE), or change rows in another "
        "transaction.",
    .flagged = "BEGIN; UPDATE t SET a = 1 WHERE b; ALTER TABLE t ADD COLUMN c int; COMMIT;",
    .clean = "ALTER TABLE t ADD COLUMN c int;",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
