// Lock ledger: per transaction, each table's strongest lock, where it is taken, what it is held
// across; and the order of locks, held against that of other transactions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "migrate/action.hpp"
#include "migrate/lint/script.hpp"

namespace howdah::migrate::lint {

struct LedgerLock {
    std::string table;
    Lock lock = Lock::kNone;  // strongest
    std::uint32_t line = 0;   // where it is first taken
    const Action* by = nullptr;
    std::size_t held_across = 0;         // statements that follow in the transaction
    std::vector<std::string> work = {};  // "line 4 reads all of t"
};

struct LedgerTransaction {
    std::uint32_t first_line = 0;
    std::uint32_t last_line = 0;
    std::vector<LedgerLock> locks;  // in the order in which they are taken
};

// Locks of SHARE UPDATE EXCLUSIVE and stronger on tables that are in use.
LedgerTransaction read_ledger(const std::vector<const Action*>& actions, const Script& script);

// Which of two tables is locked first, over all transactions seen.
class LockOrder {
  public:
    struct Conflict {
        const Action* at = nullptr;
        std::string first;   // what this transaction has locked already
        std::string second;  // what it locks now
        std::string where;   // the other transaction's place: "0003_x.sql:4"
    };
    std::vector<Conflict> add(const LedgerTransaction& transaction, const std::string& file);

  private:
    std::map<std::pair<std::string, std::string>, std::string> seen_;  // (first, second) -> place
};

}  // namespace howdah::migrate::lint
