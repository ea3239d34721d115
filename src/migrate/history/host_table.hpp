// HostTable: the history table of the tool that owns a project, written as that tool writes it, so
// that either can go on where the other stopped.
//
// 1. Nothing here begins or ends a transaction; the caller decides what a row is atomic with.
// 2. read() and compare() never write. prepare() creates what the tool would create.
// Formats: see docs/migrate.md, "What is written where".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "migrate/history/project.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::runner {

// One row of the table, or what it says about one migration.
struct HistoryRow {
    std::string name;  // empty where the tool keeps none (Drizzle 0.x)
    std::string hash;  // empty where the tool keeps none
    std::int64_t when_ms = 0;
    bool failed = false;  // begun and never finished, or marked dirty
    std::string applied_at;
    std::string log;
};

enum class ScriptState : std::uint8_t {
    kApplied,
    kPending,
    kFailed,   // the table says that it was begun and never finished
    kSkipped,  // older than what has run: the tool would never run it
};
std::string_view state_name(ScriptState state);

// One script against the table.
struct Standing {
    ScriptState state = ScriptState::kPending;
    bool edited = false;  // applied with another hash
    std::string applied_at;
    std::string log;
};

struct History {
    std::vector<Standing> standings;   // one per script of the project
    std::vector<std::string> unknown;  // rows that no file on disk explains
    bool table_exists = false;
};

struct HostNames {
    std::string schema;  // empty: the tool's default
    std::string table;   // empty: the tool's default
};

class HostTable {
  public:
    virtual ~HostTable() = default;

    // "drizzle.__drizzle_migrations", for messages.
    virtual std::string name() const = 0;
    virtual Result<> prepare(pg::Connection& db, const Project& project) = 0;
    // The same for a schema that other means have made: baselining.
    virtual Result<> adopt(pg::Connection& db, const Project& project) {
        return prepare(db, project);
    }
    virtual Result<bool> exists(pg::Connection& db) = 0;
    virtual Result<std::vector<HistoryRow>> read(pg::Connection& db) = 0;
    // Which script stands where; pure.
    virtual std::vector<Standing> compare(const Project& project,
                                          const std::vector<HistoryRow>& rows) const;
    // A migration of several steps begins: outside of any transaction, visible at once.
    virtual Result<> begun(pg::Connection& db, const Script& script);
    // It is finished: inside the transaction of its last step.
    virtual Result<> finished(pg::Connection& db, const Script& script) = 0;
    // It stopped half way: the tool must not go on over it.
    virtual Result<> failed(pg::Connection& db, const Script& script, const std::string& log);
    // Its down script ran: inside that transaction. `before` is the newest one left, or nullptr.
    virtual Result<> undone(pg::Connection& db, const Script& script, const Script* before) = 0;
    // What somebody has run by hand counts as run.
    virtual Result<> marked_applied(pg::Connection& db, const Script& script) {
        return finished(db, script);
    }
    // Advisory locks (bigint keys) that the tool itself takes while it migrates.
    virtual std::vector<std::int64_t> lock_keys(const pg::Connection& db) const;
};

std::unique_ptr<HostTable> make_drizzle_table(HostTool tool, const HostNames& names);
std::unique_ptr<HostTable> make_prisma_table(const HostNames& names);
std::unique_ptr<HostTable> make_plain_table(const HostNames& names);
std::unique_ptr<HostTable> make_version_table(HostTool tool, const HostNames& names);

std::unique_ptr<HostTable> make_host_table(HostTool tool, const HostNames& names);

// Reads the table and holds the project against it.
Result<History> read_history(pg::Connection& db, HostTable& table, const Project& project);

// Whether a relation of that name is there; both parts exact, not folded.
Result<bool> relation_exists(pg::Connection& db, const std::string& schema,
                             const std::string& table);

}  // namespace howdah::migrate::runner
