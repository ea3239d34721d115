#include "wire/proxy_header.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace howdah::wire {
namespace {

using namespace std::string_literals;

Result<std::optional<ProxyHeader>> parse(std::string_view text) {
    return parse_proxy_header({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string version2(char command, char family, std::string_view rest) {
    std::string text = kSignature + command + family;
    text.push_back(static_cast<char>(rest.size() >> 8));
    text.push_back(static_cast<char>(rest.size() & 0xff));
    return text.append(rest);
}

const std::string kV4Addresses = "\xcb\x00\x71\x07\xc0\x00\x02\x01\xc8\x22\x19\x20"s;

TEST(ProxyHeader, LineV4) {
    const auto header = parse("PROXY TCP4 203.0.113.7 192.0.2.1 51234 6432\r\nrest");
    ASSERT_TRUE(header && *header);
    EXPECT_EQ((*header)->bytes, 45U);
    const ProxyEndpoint source = *(*header)->source;
    EXPECT_FALSE(source.v6);
    EXPECT_EQ(source.address[0], 203);
    EXPECT_EQ(source.address[3], 7);
    EXPECT_EQ(source.port, 51234);
    EXPECT_EQ((*header)->destination->port, 6432);
}

TEST(ProxyHeader, LineV6AndUnknown) {
    const auto v6 = parse("PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n");
    ASSERT_TRUE(v6 && *v6);
    EXPECT_TRUE((*v6)->source->v6);
    EXPECT_EQ((*v6)->source->address[15], 7);
    const auto unknown = parse("PROXY UNKNOWN whatever it says\r\n");
    ASSERT_TRUE(unknown && *unknown);
    EXPECT_FALSE((*unknown)->source);
}

TEST(ProxyHeader, Binary) {
    const auto header = parse(version2('\x21', '\x11', kV4Addresses + "\x04\x00\x01X"s) + "more");
    ASSERT_TRUE(header && *header);
    EXPECT_EQ((*header)->bytes, 32U);
    EXPECT_EQ((*header)->source->address[0], 203);
    EXPECT_EQ((*header)->source->port, 0xc822);
    EXPECT_EQ((*header)->destination->port, 6432);
    const auto local = parse(version2('\x20', '\x00', ""));
    ASSERT_TRUE(local && *local);
    EXPECT_FALSE((*local)->source);
    const auto unix_socket = parse(version2('\x21', '\x31', std::string(216, 'x')));
    ASSERT_TRUE(unix_socket && *unix_socket);
    EXPECT_FALSE((*unix_socket)->source);
}

// Every cut of a good header is "not yet", never an error and never a header.
TEST(ProxyHeader, CutAnywhere) {
    const std::vector<std::string> headers = {
        "PROXY TCP4 203.0.113.7 192.0.2.1 51234 6432\r\n", "PROXY UNKNOWN\r\n",
        version2('\x21', '\x11', kV4Addresses), version2('\x20', '\x00', "")};
    for (const std::string& header : headers) {
        for (std::size_t n = 0; n < header.size(); ++n) {
            const auto parsed = parse(std::string_view(header).substr(0, n));
            ASSERT_TRUE(parsed) << n;
            EXPECT_FALSE(*parsed) << n;
        }
        const auto whole = parse(header);
        ASSERT_TRUE(whole && *whole);
        EXPECT_EQ((*whole)->bytes, header.size());
    }
}

TEST(ProxyHeader, Refused) {
    const std::vector<std::string> wrong = {
        "GET / HTTP/1.1\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 51234\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 51234 65536\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 051234 1\r\n",
        "PROXY TCP4 203.0.113.7  192.0.2.1 1 1\r\n",
        "PROXY TCP4 203.0.113 192.0.2.1 1 1\r\n",
        "PROXY TCP6 203.0.113.7 192.0.2.1 1 1\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 1 1 \r\n",
        "PROXY UDP4 203.0.113.7 192.0.2.1 1 1\r\n",
        "PROXY UNKNOWN " + std::string(107, 'x'),
        version2('\x31', '\x11', kV4Addresses),
        version2('\x22', '\x11', kV4Addresses),
        version2('\x21', '\x12', kV4Addresses),
        version2('\x21', '\x11', kV4Addresses.substr(1)),
        version2('\x21', '\x21', kV4Addresses),
        version2('\x21', '\x11', std::string(kProxyHeaderBytesMax, 'x'))};
    for (const std::string& text : wrong) {
        EXPECT_FALSE(parse(text)) << text;
    }
}

}  // namespace
}  // namespace howdah::wire
