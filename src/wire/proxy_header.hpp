// The PROXY protocol's header, versions 1 and 2 (haproxy's proxy-protocol.txt): what a load
// balancer puts in front of a connection to say who is behind it. Pure.
//
//     1:  "PROXY TCP4 203.0.113.7 192.0.2.1 51234 6432\r\n"    at most 107 bytes; or "PROXY UNKNOWN
//     ..." 2:  \r\n\r\n\0\r\nQUIT\n, 0x20 | command, family << 4 | transport, u16 length,
//     addresses, TLVs
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.hpp"

namespace howdah::wire {

struct ProxyEndpoint {
    bool v6 = false;
    std::array<std::uint8_t, 16> address{};  // network order; the first 4 for IPv4
    std::uint16_t port = 0;
    friend bool operator==(const ProxyEndpoint&, const ProxyEndpoint&) = default;
};

struct ProxyHeader {
    std::size_t bytes = 0;  // how long it is
    // None: the balancer speaks for itself (a health check), or cannot say who is behind it.
    std::optional<ProxyEndpoint> source;
    std::optional<ProxyEndpoint> destination;
};

// Longer ones (version 2 with many TLVs) are refused.
inline constexpr std::size_t kProxyHeaderBytesMax = 4096;

// Whether a connection that begins with this byte begins with a header: no start-up packet and no
// TLS handshake does.
[[nodiscard]] bool begins_proxy_header(std::uint8_t first);

// nullopt: more bytes are needed. Error kProtocol: no header, or a broken one.
[[nodiscard]] Result<std::optional<ProxyHeader>> parse_proxy_header(
    std::span<const std::uint8_t> bytes);

}  // namespace howdah::wire
