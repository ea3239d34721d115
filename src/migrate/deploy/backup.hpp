// Backup before a deploy: pg_dump, a command of the project's, or a named restore point; verified.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "migrate/deploy/config.hpp"
#include "migrate/runner/plan.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::runner {

struct BackupResult {
    std::vector<std::string> files;
    std::string lsn;                  // of the moment, for point-in-time recovery
    std::string summary;              // a line for people
    std::vector<std::string> tables;  // whose rows are in it; empty with scope full: all
};

// What a statement takes rows or values from.
struct TouchedTable {
    std::string name;
    std::string search_path = {};  // that the name is looked up in; "": the session's
    bool schema = false;           // it is a schema, and goes with all its tables
    bool rows_go = false;          // and with them what references them ON DELETE CASCADE, SET ...
    bool truncated = false;        // CASCADE takes all that reference it
    bool operator==(const TouchedTable&) const = default;
};

struct BackupCall {
    const DeployConfig& config;
    std::string conninfo;
    std::string id;  // of the deploy; names the files
    std::vector<TouchedTable> touched;
};

// Ends before anything is changed: pg_dump's ACCESS SHARE locks would stand in a migration's way.
Result<BackupResult> take_backup(pg::Connection& db, const BackupCall& call);

// Tables of destructive or rewriting statements in the plan.
std::vector<TouchedTable> touched_tables(const Plan& plan);

// The command that puts the backup back, for people; and doing it, by consent.
std::string restore_text(const DeployConfig& config, const BackupResult& backup);
Result<> restore_backup(const DeployConfig& config, const std::string& conninfo,
                        const BackupResult& backup);

}  // namespace howdah::migrate::runner
