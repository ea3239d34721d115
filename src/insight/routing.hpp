// add_routing: where howdah would send a text, whether it would cache the answer, and why. Inside
// module insight.
#pragma once

#include <string_view>

#include "insight/verdict.hpp"

namespace howdah::insight {

// From the text alone; views, triggers, policies and functions of users are the catalog's to know.
void add_routing(std::string_view text, Verdict& verdict);

}  // namespace howdah::insight
