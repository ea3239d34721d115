// --fail-on, fail_on in howdah.toml: from which finding on a check has failed.
#pragma once

#include <string_view>

#include "base/finding.hpp"

namespace howdah {

inline constexpr std::string_view kFailOnWords = "error, warning, info, high, medium, low or never";

// One of kFailOnWords.
[[nodiscard]] bool is_fail_on(std::string_view word);

// At or above `fail_on`: a severity, or a risk. Unknown words fail for everything.
[[nodiscard]] bool fails(const Finding& finding, std::string_view fail_on);

}  // namespace howdah
