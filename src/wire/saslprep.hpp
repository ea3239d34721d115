// SASLprep (RFC 4013), as PostgreSQL applies it to passwords before SCRAM.
#pragma once

#include <string_view>

#include "wire/secret.hpp"

namespace howdah::wire {

// The prepared password; the bytes unchanged where PostgreSQL takes them unchanged: plain ASCII,
// invalid UTF-8, prohibited or unassigned characters, or nothing left after preparation
// (PostgreSQL manual, 55.3.1: "the raw password is used").
[[nodiscard]] Secret saslprep(std::string_view password);

}  // namespace howdah::wire
