// What `howdah lint` looks at: changed files, the baseline. Inside module cli.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/finding.hpp"
#include "base/result.hpp"
#include "migrate/lint/lint.hpp"

namespace howdah::cli {

// Judges only the files that git says changed since `revision` ("" = against the index and HEAD,
// untracked ones included); they count as pending.
Result<> select_changed(migrate::lint::Project& project, const std::string& revision);

// Fingerprints of a baseline file (one a line), and what is left without them.
Result<std::set<std::string>> read_baseline(const std::string& path);
Result<> write_baseline(const std::string& path, const std::vector<Finding>& findings);
std::size_t drop_known(std::vector<Finding>& findings, const std::set<std::string>& baseline);

// fnmatch() on the path or its last part.
bool matches(const std::string& pattern, const std::string& path);

}  // namespace howdah::cli
