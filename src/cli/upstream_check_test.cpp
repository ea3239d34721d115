#include "cli/upstream_check.hpp"

#include <gtest/gtest.h>

namespace howdah::cli {
namespace {

constexpr std::string_view kRefused =
    "connection to server at \"127.0.0.1\", port 5432 failed: Connection refused\n"
    "\tIs the server running on that host and accepting TCP/IP connections?";

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(UpstreamCheck, SaysOnOneLineWhatHappened) {
    const std::string text = explain_failure(kRefused, false);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_TRUE(has(text, "port 5432 failed: Connection refused"));
    EXPECT_FALSE(has(text, "container"));
}

TEST(UpstreamCheck, LocalhostInAContainerIsTheContainer) {
    EXPECT_TRUE(has(explain_failure(kRefused, true), "host.docker.internal"));
    EXPECT_FALSE(has(explain_failure("server at \"10.0.0.1\" failed: Connection refused", true),
                     "host.docker.internal"));
}

TEST(UpstreamCheck, WrongAndMissingPasswords) {
    EXPECT_TRUE(
        has(explain_failure("FATAL:  password authentication failed for user \"app\"", false),
            "--upstream"));
    EXPECT_TRUE(has(explain_failure("fe_sendauth: no password supplied", false), "~/.pgpass"));
}

}  // namespace
}  // namespace howdah::cli
