// Command: a shell command of the project's, in its own process group, with a deadline.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace howdah::migrate::runner {

using Environment = std::vector<std::pair<std::string, std::string>>;

struct CommandResult {
    int status = 0;      // exit status; 128 + signal; 124 when the deadline passed
    std::string output;  // standard output and error, the last kOutputMax bytes
    double seconds = 0;
    bool timed_out = false;
};

inline constexpr std::size_t kOutputMax = 64 << 10;

struct CommandCall {
    std::string shell;                 // run by /bin/sh -c; or:
    std::vector<std::string> program;  // run without a shell
    Environment environment;           // added to ours
    std::int64_t timeout_s = 1'800;
    std::function<void(std::string_view)> on_output;  // each piece as it comes
};

// kIo where it cannot be started; what it does itself is in the result.
Result<CommandResult> run_command(const CommandCall& call);

}  // namespace howdah::migrate::runner
