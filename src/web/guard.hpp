// Who may ask: checks of a request's headers, and of the addresses that the server listens on.
// Pure.
//
// Loopback alone protects little: a page in a browser on the same machine can have its own name
// resolved to 127.0.0.1 (DNS rebinding). Such a request carries the page's name in Host, so Host
// must be an address, localhost, or a name that the operator gave. No browser leaves it out;
// HTTP/1.0 allows that, and health checks of load balancers do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace howdah::web {

struct ListenAddress {
    std::string host;  // numeric, without brackets
    std::uint16_t port = 0;
    bool loopback = false;
};

// "127.0.0.1:6433", "[::1]:6433", "localhost:6433", "*:6433" (all IPv4 addresses).
[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view text);

// The same; an error where other machines can reach it and there is no token.
[[nodiscard]] Result<ListenAddress> listen_address(std::string_view text, bool has_token);

// `host`: the Host header. `names`: what the operator allows beside addresses and localhost.
[[nodiscard]] bool host_allowed(std::string_view host, const std::vector<std::string>& names);

// `authorization`: "Bearer TOKEN", or "Basic" with the token as password. Takes as long for a wrong
// token as for a right one.
[[nodiscard]] bool token_accepted(std::string_view authorization, std::string_view token);

}  // namespace howdah::web
