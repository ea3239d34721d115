// fix: one migration split into steps that block nobody: expand, indexes built outside a
// transaction, backfill in batches, validate, contract. In the tool's own naming and journal.
//
// 1. Only migrations that no other follows are split, because the new files must come right after.
// 2. What has no safe form, or whose value nobody but a person knows, stays as it is.
// 3. Nothing is written before the whole plan is known.
#pragma once

#include <string>
#include <vector>

#include "migrate/lint/lint.hpp"

namespace howdah::migrate::lint {

// kKeys: foreign keys whose index has to be there first.
enum class Phase : std::uint8_t { kExpand, kIndex, kKeys, kBackfill, kValidate, kContract };
std::string_view phase_name(Phase phase);

// Phases follow each other within a round; what relies on an earlier round's last phase is in the
// next one.
struct FixStep {
    int round = 0;
    Phase phase = Phase::kExpand;
    std::string sql;
    bool in_block = false;  // the migration had BEGIN ... COMMIT around it
};

struct PlannedFile {
    std::string path;
    std::string before;  // empty: the file is new
    std::string after;
    bool migration = false;      // what the tool runs: not a journal, a down script, ...
    Scope scope = Scope::kAuto;  // of a migration, where a file beside it says so
};

struct FixPlan {
    std::vector<PlannedFile> files;
    std::vector<std::string> left;  // migrations that could not be split, and why
};

// A file as it stands in its history.
struct FixInput {
    const Script& script;
    const std::vector<Action>& actions;
    const Schema& schema;  // before it
    Tool tool = Tool::kPlain;
};
// The steps of one file, in order; empty when nothing in it needs splitting.
std::vector<FixStep> split_steps(const FixInput& input);
// What statement `number` alone would become in its place, without its last semicolon; "" when it
// is safe as it stands or needs files of its own.
std::string split_in_place(const FixInput& input, std::size_t number);
// Reads a script's actions, nodes included where they outlive the reading, into `schema`.
std::vector<Action> read_actions(const Script& script, Schema& schema, std::uint32_t migration);
// What stands between two statements of one file.
std::string_view separator_of(Tool tool);

Result<FixPlan> plan_fixes(const LintInput& input);
// A unified diff of each file.
std::string show_plan(const FixPlan& plan);
// Each file whole or not at all (written beside and renamed).
Result<> write_plan(const FixPlan& plan);

// Names and contents of the files that hold `steps`; "", or why there are none.
std::string place_steps(const Project& project, std::size_t file, const Script& script,
                        std::vector<FixStep> steps, FixPlan& plan);

}  // namespace howdah::migrate::lint
