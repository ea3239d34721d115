// libldap and its liblber, loaded at the first question (base/shared_library.hpp). Inside `auth`
// only.
#pragma once

#include <ldap.h>

#include "base/result.hpp"

namespace howdah::auth {

struct Libldap {
#define FUNCTION(name) decltype(&::name) name = nullptr;
#include "auth/libldap_functions.inc"
#undef FUNCTION
};

// Loads it at the first call. Error: kUnavailable, when it is not installed.
Result<> load_libldap();
// Only after load_libldap() succeeded.
const Libldap& libldap();

}  // namespace howdah::auth
