// judge_project: a folder's migrations in, findings out.
//
// Files are read and parsed ahead on other threads, at most kAheadMax of them; judged one after the
// other on the caller's thread, because each changes the schema that the next is held against.
// Memory: the trees of kAheadMax files, the schema, the findings.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/finding.hpp"
#include "base/result.hpp"
#include "migrate/lint/lock_ledger.hpp"
#include "migrate/lint/rule.hpp"

namespace howdah::migrate::lint {

inline constexpr std::size_t kAheadMax = 64;

// How the tool runs one file.
enum class Scope : std::uint8_t {
    kAuto,        // what the tool does
    kStatement,   // each statement by itself
    kFile,        // one transaction around the file
    kOneQuery,    // the file as one simple query: an implicit transaction around several statements
    kAllPending,  // one transaction around all pending files
    kRunner,      // as howdah migrate: a transaction, and what cannot stand in one by itself
};

struct MigrationFile {
    std::string path;            // to read, and as findings name it
    std::string name;            // the tool's name of the migration
    bool judged = true;          // false: read for the schema only
    bool pending = false;        // known to run in the next deploy
    bool named = false;          // asked for by its path
    Scope scope = Scope::kAuto;  // the file's own wish
};

struct Project {
    Tool tool = Tool::kPlain;
    int tool_major = 0;  // 0 = unknown
    int tool_minor = 0;
    std::string folder;
    std::vector<MigrationFile> files;  // in the order in which the tool runs them
    std::vector<Finding> findings;     // about the history itself
};

struct LintConfig {
    int postgres = 15;
    Scope scope = Scope::kAuto;
    bool require_reason = false;
    bool lock_timeout_by_runner = false;  // something outside the files sets it
    unsigned threads = 0;                 // 0 = as many as the machine has
    std::map<std::string, Severity, std::less<>> severities;
    std::set<std::string, std::less<>> enabled;
    std::set<std::string, std::less<>> disabled;
};

// Each file's verdict.
struct FileVerdict {
    std::string file;
    Risk risk = Risk::kNone;
    DeployOrder order = DeployOrder::kAny;
    std::size_t statements = 0;
    std::size_t findings = 0;
    std::vector<std::string> impacts = {};             // the worst locks, one line each
    std::vector<LedgerTransaction> transactions = {};  // those that lock tables in use
};

// What an action touches, for those who look at the live database or at the trace afterwards.
struct JudgedAction {
    std::size_t file = 0;  // of Project::files
    Action action;         // without nodes
    std::uint32_t line = 0;
    std::string text = {};                     // the statement, or the subcommand
    std::vector<std::string> referenced = {};  // foreign keys: the other table's columns
};

// A suppression of a rule that only a database can find; it counts when its findings come.
struct LiveSuppression {
    std::string file;
    std::string rule;
    std::uint32_t first_line = 0;  // 0: the whole file
    std::uint32_t last_line = 0;
};

struct LintResult {
    std::vector<Finding> findings;
    std::vector<LiveSuppression> live_suppressions;
    std::vector<FileVerdict> files;     // judged ones
    std::vector<JudgedAction> actions;  // of judged files, when asked for
    std::size_t statements = 0;
    std::size_t suppressed = 0;
};

struct LintInput {
    const Project& project;
    const LintConfig& config;
    // Text of a file; any thread.
    std::function<Result<std::string>(const MigrationFile&)> read;
    bool keep_actions = false;
    bool with_edits = false;  // each finding's fix as edits, where there is one
};

Result<LintResult> judge_project(const LintInput& input);

// The scope in which `project`'s tool runs a file, from tool, version and the file's text.
Scope scope_of(const Project& project, const LintConfig& config, const Script& script);
// The same, with what the file itself asks for.
Scope scope_of_file(const LintInput& input, const MigrationFile& file, const Script& script);

// Highest risk first, then file and line.
void sort_findings(std::vector<Finding>& findings);

}  // namespace howdah::migrate::lint
