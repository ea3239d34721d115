// Suppressions: comments that take findings back.
//
//   -- howdah-ignore rule, rule -- reason        on the finding's line, or alone on the line before
//   // howdah-ignore-file rule -- reason         for the whole file
//
// The same words in every language's comments. A suppression without a reason works and is
// reported, one that suppresses nothing too.
#pragma once

#include <span>
#include <vector>

#include "insight/source_text.hpp"

namespace howdah::insight {

// Takes the suppressed findings out of `findings` (all of one file) and adds what is to be said
// about the suppressions themselves. Returns how many it took.
std::size_t apply_suppressions(const SourceText& source, std::span<const Range> comments,
                               std::vector<Finding>& findings);

}  // namespace howdah::insight
