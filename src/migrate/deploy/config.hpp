// [migrate] and [deploy] of howdah.toml. Unknown keys are errors with their line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "migrate/runner/runner.hpp"

namespace howdah::migrate::runner {

enum class BackupKind : std::uint8_t { kPgDump, kCommand, kRestorePoint, kNone };
enum class BackupScope : std::uint8_t { kTouched, kFull, kSchema };

// What a failed deploy does with migrations that it ran, after the application is back.
enum class SchemaRollback : std::uint8_t {
    kWhenNeeded,  // undoes those that the application before cannot live with
    kAlways,
    kNever,
};

// One smoke test: exactly one of command, url, sql.
struct SmokeTest {
    std::string name;
    std::string command;  // run by /bin/sh; passes when it ends with 0
    std::string url;      // GET; passes with this status, in time, with this text in the body
    long status = 200;
    std::string contains;
    std::string sql;  // passes when the first column of the only row is true
    std::int64_t timeout_ms = 10'000;
    int attempts = 1;  // tried again after a second: an application takes time to come up
};

// Pieces of the gate before anything is changed.
enum class GateLevel : std::uint8_t { kHigh, kMedium, kOff };

struct WatchSettings {
    std::int64_t seconds = 0;       // 0: no watching
    double error_ratio_max = 0.05;  // rolled back to all transactions
    double error_growth_max = 2;    // and this many times the ratio before
    double slow_growth_max = 2;     // mean statement time, this many times the one before
    double slow_ms_min = 5;         // means below this do not count
};

struct DeployConfig {
    BackupKind backup = BackupKind::kPgDump;
    BackupScope backup_scope = BackupScope::kTouched;
    std::string backup_command;  // HOWDAH_BACKUP_FILE names the file that it may write
    std::string backup_verify;   // command that must end with 0 afterwards
    std::filesystem::path backup_folder = "howdah-backups";
    int backup_jobs = 1;
    std::string restore_command;  // for the restore that --restore consents to
    GateLevel gate = GateLevel::kHigh;
    std::string lint_command;          // instead of howdah's own; findings as JSON on its output
    std::string application;           // deploys the application
    std::string application_rollback;  // puts the one before back
    std::vector<SmokeTest> smoke;
    WatchSettings watch;
    bool stop_on_drift = true;
    SchemaRollback roll_back_schema = SchemaRollback::kWhenNeeded;
    std::filesystem::path records = "howdah-deploys";
    std::int64_t command_timeout_s = 1'800;
};

struct ProjectConfig {
    std::filesystem::path file;  // howdah.toml; empty: there is none
    RunnerSettings migrate;
    DeployConfig deploy;
};

// Reads `file` over the defaults. Paths in it are relative to its folder.
Result<> read_project_config(const std::filesystem::path& file, ProjectConfig& config);

// howdah.toml in `from` or the nearest folder above it; empty when there is none.
std::filesystem::path find_project_config(const std::filesystem::path& from);

}  // namespace howdah::migrate::runner
