#include "web/guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cctype>
#include <charconv>
#include <optional>

#include "wire/crypto.hpp"
#include "wire/secret.hpp"

namespace howdah::web {
namespace {

using boost::asio::ip::make_address;

struct HostPort {
    std::string host;
    std::optional<std::uint16_t> port;
};

// "[::1]:80", "name:80", "name". nullopt: neither.
std::optional<HostPort> split(std::string_view text) {
    HostPort parts;
    std::string_view rest;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) {
            return std::nullopt;
        }
        parts.host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
    } else {
        const std::size_t colon = std::min(text.find(':'), text.size());
        parts.host = text.substr(0, colon);
        rest = text.substr(colon);
    }
    if (!rest.empty()) {
        std::uint16_t port = 0;
        const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
        if (rest[0] != ':' || error != std::errc() || end != rest.data() + rest.size()) {
            return std::nullopt;
        }
        parts.port = port;
    }
    if (parts.host.empty()) {
        return std::nullopt;
    }
    return parts;
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
    const auto parts = split(text);
    if (!parts || !parts->port) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("http_listen: \"{}\" is not ADDRESS:PORT", text));
    }
    ListenAddress address{parts->host, *parts->port};
    if (lower(address.host) == "localhost") {
        address.host = "127.0.0.1";
    } else if (address.host == "*") {
        address.host = "0.0.0.0";
    }
    boost::system::error_code error;
    const auto numeric = make_address(address.host, error);
    if (error) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("http_listen: \"{}\" is not an IP address", address.host));
    }
    address.loopback = numeric.is_loopback();
    return address;
}

Result<ListenAddress> listen_address(std::string_view text, bool has_token) {
    TRY(ListenAddress address, parse_listen_address(text));
    if (!address.loopback && !has_token) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("http_listen: {} can be reached from other machines, so "
                                "http_token_file must be set",
                                text));
    }
    return address;
}

bool host_allowed(std::string_view host, const std::vector<std::string>& names) {
    const auto parts = split(host);
    if (!parts) {
        return false;
    }
    boost::system::error_code error;
    make_address(parts->host, error);
    if (!error) {
        return true;
    }
    const std::string name = lower(parts->host);
    return name == "localhost" || std::ranges::any_of(names, [&](const std::string& allowed) {
               return lower(allowed) == name;
           });
}

bool token_accepted(std::string_view authorization, std::string_view token) {
    const std::size_t space = std::min(authorization.find(' '), authorization.size());
    const std::string scheme = lower(authorization.substr(0, space));
    std::string given(authorization.substr(std::min(space + 1, authorization.size())));
    if (scheme == "basic") {
        given = wire::base64_decode(given).value_or("");
        const std::size_t colon = given.find(':');
        given = colon == std::string::npos ? std::string() : given.substr(colon + 1);
    } else if (scheme != "bearer") {
        return false;
    }
    return !token.empty() && wire::equal_constant_time(given, token);
}

}  // namespace howdah::web
