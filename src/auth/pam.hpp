// Asks PAM about a password. Blocks for as long as the modules do; libpam is loaded at the first
// call. One call at a time: modules change the process (signal handlers, for one).
#pragma once

#include "auth/question.hpp"

namespace howdah::auth {

[[nodiscard]] Verdict ask_pam(const Question& question);

}  // namespace howdah::auth
