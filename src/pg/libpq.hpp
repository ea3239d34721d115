// libpq, loaded when a connection is first asked for (base/shared_library.hpp). Inside `pg` only.
#pragma once

#include <libpq-fe.h>

#include "base/result.hpp"

namespace howdah::pg {

struct Libpq {
#define FUNCTION(name) decltype(&::name) name = nullptr;
#include "pg/libpq_functions.inc"
#undef FUNCTION
};

// Loads it at the first call. Error: kUnavailable, when it is not installed.
Result<> load_libpq();
// Only after load_libpq() succeeded.
const Libpq& libpq();

}  // namespace howdah::pg
