// Asks an LDAP server about a password. Blocks; libldap is loaded at the first call.
//
// 1. Nothing takes longer than until the question's deadline but a name that the system's resolver
//    does not answer for.
// 2. An empty password, and an entry without a name, are refused without asking: a bind with
//    either is anonymous and succeeds.
#pragma once

#include "auth/question.hpp"

namespace howdah::auth {

[[nodiscard]] Verdict ask_ldap(const Question& question);

}  // namespace howdah::auth
