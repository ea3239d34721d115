// Start-up packets: what a client sends before it is logged in. Pure.
//
//     int32 length (with itself), int32 code, then by code:
//       80877103 SSLRequest, 80877104 GSSENCRequest: nothing
//       80877102 CancelRequest: int32 pid, key of 4 bytes (3.0) or 4..256 bytes (3.2)
//       196608 + minor: name and value pairs, each zero-terminated, and a final zero, the last byte
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace howdah::wire {

// As PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
inline constexpr std::uint32_t kStartupBytesMax = 10'000;
inline constexpr std::uint32_t kProtocolMinorMax = 2;
inline constexpr std::size_t kCancelKeyBytesMax = 256;

struct SslRequest {};
struct GssEncRequest {};
struct CancelRequest {
    std::uint32_t pid = 0;
    std::string key;
};
struct StartupRequest {
    std::uint32_t major = 3;
    std::uint32_t minor = 0;
    std::vector<std::pair<std::string, std::string>> parameters;
    std::vector<std::string> unknown_options;  // _pq_.* that we do not know

    // The last value given for `name`, or null.
    const std::string* find(std::string_view name) const;
};
using StartupPacket = std::variant<SslRequest, GssEncRequest, CancelRequest, StartupRequest>;

// `packet` is a whole packet without its length. Error kProtocol, SQLSTATE 08P01.
Result<StartupPacket> parse_startup(std::span<const std::uint8_t> packet);

// As PostgreSQL reads a boolean: true, false, yes, no, on, off or the beginning of one of them that
// tells which, in any case; 1, 0. None: something else.
std::optional<bool> parse_boolean(std::string_view text);

}  // namespace howdah::wire
