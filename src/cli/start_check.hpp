// What a configuration asks of the machine that it is to run on: files that are read at the start,
// a user, addresses. For `howdah config check`, and for `howdah serve` before it begins: what one
// calls good the other starts with, but for what only the moment tells (an address that is taken).
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace howdah::cli {

[[nodiscard]] std::vector<config::Diagnostic> check_start(const config::Config& config);

// The token in http_token_file.
[[nodiscard]] Result<std::string> read_http_token(const std::string& path);

}  // namespace howdah::cli
