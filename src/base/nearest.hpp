// "Did you mean": the valid name that a misspelled one is nearest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace howdah {

// The name nearest to `wrong` by edit distance, a swap of neighbours counting two; empty when none
// is within a third of its length (two letters at least).
[[nodiscard]] std::string nearest(std::string_view wrong, std::span<const std::string_view> names);

// "; did you mean "NAME"?", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view wrong,
                                       std::span<const std::string_view> names);

}  // namespace howdah
