// RunRecord: what a run did, step by step; rendered as JSON
// (docs/schemas/howdah.migrate-run-1.json) and Markdown. Holds no literals of statements and no
// passwords.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "base/finding.hpp"
#include "migrate/runner/executor.hpp"

namespace howdah::migrate::runner {

struct StepRecord {
    std::size_t number = 0;
    std::string kind;
    std::size_t statements = 0;
    std::string first;     // its first statement without literals
    bool resumed = false;  // had run before, or its effect was found there
    StepRun run;
};

struct MigrationRecord {
    std::string name;
    std::string file;
    bool down = false;
    std::string outcome = "pending";  // done, failed, pending
    std::vector<StepRecord> steps;
};

struct RunRecord {
    std::string id;
    std::string command;  // "up", "down"
    std::string tool;
    std::string folder;
    std::string host_table;
    std::string server;  // host, database, user, version
    std::string plan_hash;
    std::string started_at;
    std::string finished_at;
    std::string outcome = "running";  // done, failed, planned
    std::string error;
    std::string hint;
    std::vector<MigrationRecord> migrations;
    std::vector<Finding> findings;
};

boost::json::object to_json(const RunRecord& record);
std::string to_markdown(const RunRecord& record);
// A finding as every command shows it ({"rule", "severity", ...}).
boost::json::object finding_json(const Finding& finding);

// Now, UTC, "2026-11-22T18:42:33Z".
std::string utc_now();
// "1.2 s", "340 ms", "2 min 5 s".
std::string duration_text(double seconds);

}  // namespace howdah::migrate::runner
