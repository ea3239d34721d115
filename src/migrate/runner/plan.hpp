// Plan: what a run would do, and what keeps it from doing it.
//
// 1. Made from the files, the host tool's table and the ledger; making it writes nothing.
// 2. Its hash covers everything that would be sent, in order: an approved hash is that plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/finding.hpp"
#include "base/result.hpp"
#include "migrate/history/host_table.hpp"
#include "migrate/history/project.hpp"
#include "migrate/runner/ledger.hpp"
#include "migrate/runner/steps.hpp"

namespace howdah::migrate::runner {

struct PlannedMigration {
    const Script* script = nullptr;  // in the project the plan was made from
    bool down = false;
    bool generated = false;  // down without a down script: the inverse of its steps
    std::vector<Step> steps;
    std::size_t resume_at = 0;  // steps before it have run
    bool begun = false;         // a run was cut in it
};

enum class OnSkipped : std::uint8_t { kStop, kRun, kIgnore };

struct PlanOptions {
    TransactionScope scope = TransactionScope::kFile;
    OnSkipped on_skipped = OnSkipped::kStop;
    std::string to;                 // up: last to run; down: what stays on top ("" = undo `count`)
    std::size_t count = 1;          // down: how many
    std::vector<std::string> only;  // down: these and no others, whatever `to` and `count` say
};

struct Plan {
    std::vector<PlannedMigration> migrations;
    std::vector<Finding> findings;  // errors keep the run from beginning
    std::string hash;

    bool blocked() const;
};

struct PlanInput {
    pg::Connection& db;
    const Project& project;
    const History& history;
    std::string host_table;
};

Result<Plan> plan_up(const PlanInput& input, const PlanOptions& options);
Result<Plan> plan_down(const PlanInput& input, const PlanOptions& options);

// The inverse of steps, last first; an error names the first statement that has none.
Result<std::vector<Step>> inverse_of(const Script& script, const std::vector<Step>& steps);

// What the steps would destroy of what the tables hold now: "table users holds rows".
Result<std::vector<std::string>> data_at_stake(pg::Connection& db, const std::vector<Step>& steps);

}  // namespace howdah::migrate::runner
