#include "wire/proxy_header.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "wire/message.hpp"

namespace howdah::wire {
namespace {

using Parsed = Result<std::optional<ProxyHeader>>;

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::size_t kLineBytesMax = 107;
constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixedBytes2 = 16;

std::unexpected<Error> broken(std::string what) {
    return fail(ErrorCode::kProtocol, "PROXY header: " + what);
}

// Takes the next word of a version 1 line: exactly one space between words.
std::string_view next_word(std::string_view& line) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

std::optional<ProxyEndpoint> endpoint_of(std::string_view address, std::string_view port, bool v6) {
    ProxyEndpoint endpoint;
    endpoint.v6 = v6;
    if (::inet_pton(v6 ? AF_INET6 : AF_INET, std::string(address).c_str(),
                    endpoint.address.data()) != 1) {
        return std::nullopt;
    }
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    const bool canonical = port == "0" || !port.starts_with('0');
    if (error != std::errc() || end != port.data() + port.size() || !canonical) {
        return std::nullopt;
    }
    return endpoint;
}

Parsed parse_line(std::string_view text) {
    const std::size_t end = text.substr(0, kLineBytesMax).find("\r\n");
    if (end == std::string_view::npos) {
        if (text.size() >= kLineBytesMax) {
            return broken("no end of line");
        }
        return std::optional<ProxyHeader>();
    }
    ProxyHeader header;
    header.bytes = end + 2;
    std::string_view line = text.substr(kSignature1.size(), end - kSignature1.size());
    const std::string_view protocol = next_word(line);
    if (protocol == "UNKNOWN") {
        return header;
    }
    const bool v6 = protocol == "TCP6";
    if (!v6 && protocol != "TCP4") {
        return broken("unknown protocol");
    }
    const std::string_view source = next_word(line);
    const std::string_view destination = next_word(line);
    const std::string_view source_port = next_word(line);
    header.source = endpoint_of(source, source_port, v6);
    header.destination = endpoint_of(destination, line, v6);
    if (!header.source || !header.destination) {
        return broken("malformed address or port");
    }
    return header;
}

ProxyEndpoint binary_endpoint(std::string_view address, std::uint16_t port) {
    ProxyEndpoint endpoint;
    endpoint.v6 = address.size() == 16;
    std::memcpy(endpoint.address.data(), address.data(), address.size());
    endpoint.port = port;
    return endpoint;
}

Parsed parse_binary(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < kFixedBytes2) {
        return std::optional<ProxyHeader>();
    }
    Reader reader(bytes);
    reader.bytes(kSignature2.size());
    const std::uint8_t version_command = reader.u8();
    const std::uint8_t family_transport = reader.u8();
    const std::size_t length = reader.u16();
    if (version_command != 0x20 && version_command != 0x21) {
        return broken("unknown version or command");
    }
    ProxyHeader header;
    header.bytes = kFixedBytes2 + length;
    if (header.bytes > kProxyHeaderBytesMax) {
        return broken("too long");
    }
    if (bytes.size() < header.bytes) {
        return std::optional<ProxyHeader>();
    }
    const std::uint8_t family = family_transport >> 4U;
    const bool proxied = version_command == 0x21 && (family == 1 || family == 2);
    if (!proxied) {
        return header;  // LOCAL, AF_UNSPEC or AF_UNIX: nothing that is an address of a client
    }
    if ((family_transport & 0xfU) != 1) {
        return broken("not a stream");
    }
    const std::size_t address_bytes = family == 2 ? 16 : 4;
    if (length < 2 * address_bytes + 4) {
        return broken("too short for its addresses");
    }
    const std::string_view source = reader.bytes(address_bytes);
    const std::string_view destination = reader.bytes(address_bytes);
    const std::uint16_t source_port = reader.u16();
    header.source = binary_endpoint(source, source_port);
    header.destination = binary_endpoint(destination, reader.u16());
    return header;
}

}  // namespace

bool begins_proxy_header(std::uint8_t first) {
    return first == static_cast<std::uint8_t>(kSignature1[0]) ||
           first == static_cast<std::uint8_t>(kSignature2[0]);
}

Parsed parse_proxy_header(std::span<const std::uint8_t> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto matches = [&](std::string_view signature) {
        const std::size_t n = std::min(text.size(), signature.size());
        return text.substr(0, n) == signature.substr(0, n);
    };
    if (text.empty()) {
        return std::optional<ProxyHeader>();
    }
    if (matches(kSignature1)) {
        return text.size() < kSignature1.size() ? Parsed(std::nullopt) : parse_line(text);
    }
    if (matches(kSignature2)) {
        return parse_binary(bytes);
    }
    return broken("not there");
}

}  // namespace howdah::wire
