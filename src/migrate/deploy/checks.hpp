// What judges a deploy: the lint gate before it, smoke tests and a watched window after it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/finding.hpp"
#include "base/result.hpp"
#include "migrate/deploy/config.hpp"
#include "migrate/runner/narrator.hpp"
#include "migrate/runner/plan.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::runner {

struct GateVerdict {
    Risk risk = Risk::kNone;               // the highest of all
    std::vector<Finding> findings;         // highest risk first
    std::vector<std::string> expand_only;  // migrations that the application before can live with
};

// Lints what the plan runs, as this runner runs it: a transaction per file, lock_timeout set; rules
// as [lint] of `settings_file` has them (empty: the defaults).
struct GateCall {
    const Project& project;
    const Plan& plan;
    std::filesystem::path settings_file;  // [lint] of it counts; empty: none
    TransactionScope scope = TransactionScope::kFile;
    std::string database;  // sizes, traffic and rows are looked up in it
};
Result<GateVerdict> lint_gate(const GateCall& call);

struct SmokeResult {
    std::string name;
    bool passed = false;
    double seconds = 0;
    int attempts = 0;
    std::string detail;  // why not
};
SmokeResult run_smoke(pg::Connection& db, const SmokeTest& test, const Interrupt& interrupt);

// Counters of the database at one moment: of this database alone, and without the deploy's own
// statements where they can be told apart.
struct Traffic {
    struct Statement {
        std::string id;
        double calls = 0;
        double total_ms = 0;
    };
    double commits = 0;
    double rollbacks = 0;
    double own_commits = 0;             // of these, what reading the counters took
    std::vector<Statement> statements;  // empty without pg_stat_statements
};
// Reads them, and has the server count at once what this connection has done so far.
// `reads`: how often that was done on this connection before.
Result<Traffic> read_traffic(pg::Connection& db, int reads);

// What got worse between `before` (since statistics began) and from..to; "" when nothing did.
std::string judge_traffic(const Traffic& before, const Traffic& from, const Traffic& to,
                          const WatchSettings& settings);
// The least share that `some` of `all` leave likely: the lower end of Wilson's interval at two
// standard deviations. One error in twenty is no proof of one in twenty.
double likely_least(double some, double all);

}  // namespace howdah::migrate::runner
