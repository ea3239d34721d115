// Rules over the schema itself. Inside module insight.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/finding.hpp"
#include "insight/schema.hpp"

namespace howdah::insight {

// Foreign keys that no index serves, each once, in the file where it is to be mended; only those
// defined in `files`.
std::vector<Finding> check_foreign_keys(const Schema& schema,
                                        const std::set<std::string, std::less<>>& files);

}  // namespace howdah::insight
