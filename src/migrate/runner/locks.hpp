// Locks: the run's own advisory locks, and who stands in the way of a table lock.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "migrate/runner/facts.hpp"
#include "migrate/runner/narrator.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::runner {

// "howdah" in ASCII: taken by every run, whatever the tool.
inline constexpr std::int64_t kHowdahLock = 0x686f77646168;

// A session, as a person can find it.
struct SessionInfo {
    int pid = 0;
    std::string user;
    std::string application;
    std::string client;
    std::string state;   // "idle in transaction", "active"
    std::string lock;    // mode and relation, where one is meant
    double seconds = 0;  // of its transaction
    std::string query;   // without literals

    // "pid 4711 (app, user alice, 10.0.0.7), idle in transaction for 12 s, last: update ..."
    std::string describe() const;
};

// Takes all keys on `db` or none: tries again until the deadline, naming the holder as it waits.
Result<> take_run_locks(pg::Connection& db, const std::vector<std::int64_t>& keys,
                        pg::Milliseconds deadline, Narrator& narrator, const Interrupt& interrupt);
void release_run_locks(pg::Connection& db, const std::vector<std::int64_t>& keys);

// Gives the run locks back at the end of a scope.
class HeldLocks {
  public:
    HeldLocks(pg::Connection& db, std::vector<std::int64_t> keys)
        : db_(db), keys_(std::move(keys)) {}
    ~HeldLocks() {
        if (db_.is_open()) {
            release_run_locks(db_, keys_);
        }
    }
    HeldLocks(const HeldLocks&) = delete;
    HeldLocks& operator=(const HeldLocks&) = delete;

  private:
    pg::Connection& db_;
    std::vector<std::int64_t> keys_;
};

// Sessions whose locks or waits conflict with `wants`, in transactions older than `older_s`.
Result<std::vector<SessionInfo>> lock_queue(pg::Connection& db, const std::vector<LockWant>& wants,
                                            int own_pid, double older_s);

// Sessions that keep `pid` waiting now.
Result<std::vector<SessionInfo>> blockers_of(pg::Connection& db, int pid);

// An error when what answers is a pooler that gives each transaction another server connection: no
// SET, lock or CONCURRENTLY would be safe through it. `again` opens a second connection.
Result<> refuse_transaction_pooler(pg::Connection& db, const pg::Target& target);

}  // namespace howdah::migrate::runner
