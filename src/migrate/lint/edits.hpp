// edits: what --fix would do about a finding, as replacements of text that a machine may make.
//
// 1. A finding has edits only where the files with them, judged in the same place of the history,
//    give it no longer, and give nothing that was not found before.
// 2. Only in files that may still change: the newest, those named or selected, pending ones.
// 3. In place where the statement alone can be made safe; otherwise the whole split that --fix
//    would write. Findings that one split settles have equal edits: they are made once.
#pragma once

#include <span>

#include "migrate/lint/judge_file.hpp"

namespace howdah::migrate::lint {

// Statements that are read and judged again for one file; at 20 us each, 0.4 s. What is found
// behind that has no edits.
inline constexpr std::size_t kTriedStatementsMax = 20'000;

struct EditCall {
    const LintInput& input;
    const History& before;  // the file's own
    std::size_t file = 0;
    const Script& script;
};

// Whether anybody may still edit the file.
bool may_edit(const Project& project, std::size_t file);
// `findings`: those of the file.
void add_edits(const EditCall& call, std::span<Finding> findings);

}  // namespace howdah::migrate::lint
