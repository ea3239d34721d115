// Channel binding data for SCRAM-SHA-256-PLUS.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"

namespace howdah::wire {

// tls-server-end-point (RFC 5929, section 4): the hash of the server's certificate (DER bytes) by
// the hash of its own signature, SHA-256 where that is MD5 or SHA-1. Fails for what is not a
// certificate and for signatures without one hash (Ed25519), where PLUS must not be offered.
[[nodiscard]] Result<std::string> tls_server_end_point(std::span<const std::uint8_t> der);

}  // namespace howdah::wire
