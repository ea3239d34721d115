// Which files `howdah lint` looks at. Inside module cli.
#pragma once

#include <string>

#include "base/result.hpp"
#include "migrate/lint/lint.hpp"

namespace howdah::cli {

// Judges only the files that git says changed since `revision` ("" = against the index and HEAD,
// untracked ones included); they count as pending.
Result<> select_changed(migrate::lint::Project& project, const std::string& revision);

// fnmatch() on the path or its last part.
bool matches(const std::string& pattern, const std::string& path);

}  // namespace howdah::cli
