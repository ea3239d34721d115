#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "config/hba.hpp"

namespace howdah::config {

std::optional<IpAddress> parse_ip(std::string_view text) {
    const std::string terminated(text);
    IpAddress ip;
    if (::inet_pton(AF_INET, terminated.c_str(), ip.bytes.data()) == 1) {
        return ip;
    }
    if (::inet_pton(AF_INET6, terminated.c_str(), ip.bytes.data()) != 1) {
        return std::nullopt;
    }
    constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    ip.v6 = !std::equal(kMapped.begin(), kMapped.end(), ip.bytes.begin());
    if (!ip.v6) {
        std::copy(ip.bytes.begin() + 12, ip.bytes.end(), ip.bytes.begin());
        std::fill(ip.bytes.begin() + 4, ip.bytes.end(), std::uint8_t{0});
    }
    return ip;
}

std::optional<Network> parse_network(std::string_view text) {
    const std::size_t slash = std::min(text.find('/'), text.size());
    const auto address = parse_ip(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    Network network{*address, {}};
    const std::size_t bits_max = address->v6 ? 128 : 32;
    std::size_t bits = bits_max;
    if (slash < text.size()) {
        const char* end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
        if (error != std::errc() || stop != end || bits > bits_max) {
            return std::nullopt;
        }
    }
    for (std::size_t i = 0; i < bits; ++i) {
        network.mask[i / 8] = static_cast<std::uint8_t>(network.mask[i / 8] | 0x80U >> (i % 8));
    }
    return network;
}

// The network's own host bits are not masked away: as in PgBouncer, 192.168.1.1/24 matches nothing
// (and is warned about), rather than more than its author may have thought.
bool Network::contains(const IpAddress& ip) const {
    if (ip.v6 != address.v6) {
        return false;
    }
    const std::size_t size = ip.v6 ? 16 : 4;
    for (std::size_t i = 0; i < size; ++i) {
        if ((ip.bytes[i] & mask[i]) != address.bytes[i]) {
            return false;
        }
    }
    return true;
}

}  // namespace howdah::config
