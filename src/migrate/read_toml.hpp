// howdah.toml's text as a table; what is wrong with it with file and line.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "base/toml.hpp"

namespace howdah::migrate {

// Error kInvalidInput: "FILE:LINE: what is wrong".
Result<toml::table> read_toml(std::string_view text, std::string_view file);

}  // namespace howdah::migrate
