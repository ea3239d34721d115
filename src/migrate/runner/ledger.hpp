// Ledger: howdah's own tables, in schema `howdah`. What the host tool's table cannot say: which
// steps of an unfinished migration have run, how far a backfill is, what each run did, and what the
// schema looked like after it.
//
// 1. A step's `done` is written in the step's own transaction where it has one, so it is there
//    exactly when the step's effect is.
// 2. Rows of a migration's steps are gone once it is in the host tool's table (same transaction).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "migrate/runner/steps.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::runner {

inline constexpr const char* kLedgerSchema = "howdah";

// Which migration of which project, up or down.
struct LedgerKey {
    std::string host_table;
    std::string migration;
    bool down = false;
};

struct StepRow {
    std::size_t number = 0;
    std::string hash;
    bool done = false;
    std::string begun_at;
};

struct RunRow {
    std::string id;
    std::string command;
    std::string tool;
    std::string folder;
    std::string plan_hash;
};

class Ledger {
  public:
    static Result<> prepare(pg::Connection& db);
    static Result<bool> exists(pg::Connection& db);

    static Result<std::vector<StepRow>> steps(pg::Connection& db, const LedgerKey& key);
    // Every unfinished migration of the project: its name, and whether it is a down.
    static Result<std::vector<LedgerKey>> unfinished(pg::Connection& db,
                                                     const std::string& host_table);
    static Result<> step_begun(pg::Connection& db, const LedgerKey& key, std::size_t number,
                               const std::string& hash);
    static Result<> step_done(pg::Connection& db, const LedgerKey& key, std::size_t number,
                              const std::string& hash);
    static Result<> forget_steps(pg::Connection& db, const LedgerKey& key);

    static Result<> run_begun(pg::Connection& db, const RunRow& run);
    static Result<> run_finished(pg::Connection& db, const std::string& id,
                                 const std::string& outcome, const std::string& error);

    // A backfill's cursor: the last key done, as text values; nullopt before the first batch.
    static Result<std::optional<std::string>> cursor(pg::Connection& db, const std::string& name);
    static Result<> save_cursor(pg::Connection& db, const std::string& name,
                                const std::string& cursor, std::int64_t rows);
    static Result<> forget_cursor(pg::Connection& db, const std::string& name);
};

}  // namespace howdah::migrate::runner
