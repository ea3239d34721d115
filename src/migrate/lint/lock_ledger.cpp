#include "migrate/lint/lock_ledger.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace howdah::migrate::lint {
namespace {

// Bounds: a schema dump as one transaction locks thousands of tables.
constexpr std::size_t kLocksMax = 256;   // of a transaction: the first
constexpr std::size_t kOrderedMax = 32;  // of these, held against other transactions
constexpr std::size_t kWorkMax = 8;      // named for each lock

void add_lock(std::vector<LedgerLock>& locks, const Action& action, const TableEffect& effect,
              std::uint32_t line) {
    const auto known = std::ranges::find(locks, effect.table, &LedgerLock::table);
    if (known == locks.end() && locks.size() >= kLocksMax) {
        return;
    }
    if (known == locks.end()) {
        locks.push_back({.table = effect.table, .lock = effect.lock, .line = line, .by = &action});
    } else {
        known->lock = std::max(known->lock, effect.lock);
    }
}

std::string work_of(const Action& action, std::uint32_t line) {
    for (const TableEffect& effect : action.effects) {
        if (effect.works()) {
            return fmt::format("line {} {} {}", line,
                               effect.rewrite ? "writes anew"
                               : effect.build ? "builds an index of"
                                              : "reads all of",
                               effect.table);
        }
    }
    return {};
}

}  // namespace

LedgerTransaction read_ledger(const std::vector<const Action*>& actions, const Script& script) {
    LedgerTransaction made;
    std::size_t last_statement = static_cast<std::size_t>(-1);
    for (const Action* action : actions) {
        const std::uint32_t line = script.line_of(action->begin);
        made.first_line = made.first_line == 0 ? line : std::min(made.first_line, line);
        made.last_line = std::max(made.last_line, line);
        if (action->statement != last_statement && action->kind != ActionKind::kCommit) {
            for (LedgerLock& held : made.locks) {
                ++held.held_across;
            }
            last_statement = action->statement;
        }
        for (const TableEffect& effect : action->effects) {
            if (!effect.fresh && !action->fresh && effect.lock >= Lock::kShareUpdateExclusive) {
                add_lock(made.locks, *action, effect, line);
            }
        }
        if (const std::string work = work_of(*action, line); !work.empty()) {
            for (LedgerLock& held : made.locks) {
                if (held.work.size() < kWorkMax) {
                    held.work.push_back(work);
                }
            }
        }
    }
    return made;
}

std::vector<LockOrder::Conflict> LockOrder::add(const LedgerTransaction& transaction,
                                                const std::string& file) {
    std::vector<Conflict> conflicts;
    const std::vector<LedgerLock>& locks = transaction.locks;
    for (std::size_t j = 1; j < std::min(locks.size(), kOrderedMax); ++j) {
        for (std::size_t i = 0; i < j; ++i) {
            // One statement's own order is the server's business.
            if (!blocks_writes(locks[i].lock) || !blocks_writes(locks[j].lock) ||
                locks[i].by->statement == locks[j].by->statement) {
                continue;
            }
            const auto other = seen_.find({locks[j].table, locks[i].table});
            if (other != seen_.end()) {
                conflicts.push_back({.at = locks[j].by,
                                     .first = locks[i].table,
                                     .second = locks[j].table,
                                     .where = other->second});
            }
            seen_.emplace(std::pair(locks[i].table, locks[j].table),
                          fmt::format("{}:{}", file, locks[j].line));
        }
    }
    return conflicts;
}

}  // namespace howdah::migrate::lint
