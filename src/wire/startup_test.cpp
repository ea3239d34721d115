#include "wire/startup.hpp"

#include <gtest/gtest.h>

namespace howdah::wire {
namespace {

Result<StartupPacket> parse(std::string_view text) {
    return parse_startup({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::string startup(std::string_view pairs) {
    return std::string("\0\3\0\0", 4).append(pairs);
}

std::string_view with_zeros(const char* text, std::size_t size) {
    return {text, size};
}

#define BYTES(text) with_zeros(text, sizeof(text) - 1)

TEST(Startup, TheTerminatorIsTheLastByte) {
    const auto whole = parse(startup(BYTES("user\0ann\0options\0\0\0")));
    ASSERT_TRUE(whole) << whole.error().message;
    const auto& request = std::get<StartupRequest>(*whole);
    EXPECT_EQ(request.parameters.size(), 2u);
    EXPECT_EQ(*request.find("options"), "");
    for (const std::string_view broken : {
             BYTES("user\0ann\0\0\0"),
             BYTES("user\0ann\0\0Q\0\0\0\4"),
             BYTES("user\0ann\0"),
             BYTES("user\0ann"),
             BYTES("user"),
             BYTES(""),
         }) {
        const auto parsed = parse(startup(broken));
        ASSERT_FALSE(parsed) << broken;
        EXPECT_EQ(parsed.error().message,
                  "invalid startup packet layout: expected terminator as last byte");
        EXPECT_EQ(parsed.error().sqlstate, "08P01");
    }
}

// What parse_bool() of PostgreSQL makes of them.
TEST(Startup, BooleansArePostgresqls) {
    for (const char* yes : {"t", "true", "TRUE", "tr", "y", "YES", "on", "On", "1"}) {
        EXPECT_EQ(parse_boolean(yes), true) << yes;
    }
    for (const char* no : {"f", "false", "fals", "n", "NO", "of", "OFF", "0"}) {
        EXPECT_EQ(parse_boolean(no), false) << no;
    }
    for (const char* neither : {"", "o", "10", "00", "truth", "offf", "database", "2", " on"}) {
        EXPECT_EQ(parse_boolean(neither), std::nullopt) << neither;
    }
}

}  // namespace
}  // namespace howdah::wire
