// judge_file: one file of a project held against what the files before it have left.
//
// A copy of a History is a moment to which one may go back: what a changed text of the same file
// would be told is found out that way (edits.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include "migrate/lint/lint.hpp"

namespace howdah::migrate::lint {

struct History {
    Schema schema;
    LockOrder order;
    std::vector<Action> open;      // of pending files before, in the same transaction
    std::uint32_t migrations = 1;  // numbers given so far; 1 is that of all pending files together
};

// Reads `script` as file `file` of the project; what a judged file gives is added to `result`.
void judge_file(const LintInput& input, History& history, std::size_t file, const Script& script,
                LintResult& result);

}  // namespace howdah::migrate::lint
