// The other modes of `howdah lint`: --trace, --fix and --diff. Inside module cli.
#pragma once

#include <string>

#include "base/result.hpp"
#include "migrate/lint/lint.hpp"

namespace howdah::cli {

struct TraceOptions {
    std::string database;  // empty: a server of our own
    bool clone = false;    // its schema first, then only what is pending
    bool json = false;
    bool all = false;  // statements that agree too
};
// Exit status.
// With `clone`, input.project says which files are pending.
Result<int> run_trace(const migrate::lint::LintInput& input, const TraceOptions& options);
Result<int> run_fix(const migrate::lint::LintInput& input, bool only_show);

}  // namespace howdah::cli
