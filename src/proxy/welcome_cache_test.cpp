#include "proxy/welcome_cache.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace howdah::proxy {
namespace {

using server::ParameterInterner;
using server::ParameterSetPtr;

std::shared_ptr<const pool::Greeting> greeting_of(std::string time_zone) {
    return std::make_shared<const pool::Greeting>(
        pool::Greeting{{"server_version", "15.8"},
                       {"TimeZone", std::move(time_zone)},
                       {"client_encoding", "UTF8"},
                       {"standard_conforming_strings", "on"}});
}

std::string value_of(const Welcome& welcome, std::string_view name) {
    for (const auto& [one, value] : welcome.view->values) {
        if (one == name) {
            return value;
        }
    }
    return "(none)";
}

TEST(WelcomeCache, SaysWhatTheServerWillReport) {
    ParameterInterner parameters;
    WelcomeCache cache;
    const Welcome& welcome = cache.find(
        greeting_of("UTC"), parameters.intern({{"timezone", "Asia/Tokyo"}, {"work_mem", "8MB"}}),
        parameters);
    EXPECT_EQ(value_of(welcome, "TimeZone"), "Asia/Tokyo");
    EXPECT_EQ(value_of(welcome, "server_version"), "15.8");
    EXPECT_EQ(value_of(welcome, "work_mem"), "(none)") << "no server reports it";
    const std::string first(
        "S\0\0\0\x18server_version\0"
        "15.8\0",
        25);
    EXPECT_EQ(welcome.statuses.substr(0, first.size()), first) << "in the server's order";
    EXPECT_TRUE(welcome.rules.standard_conforming_strings);
}

TEST(WelcomeCache, TextsAreReadAsTheClientWantsThem) {
    ParameterInterner parameters;
    WelcomeCache cache;
    const auto greeting = greeting_of("UTC");
    const Welcome& off = cache.find(
        greeting, parameters.intern({{"standard_conforming_strings", "off"}}), parameters);
    EXPECT_FALSE(off.rules.standard_conforming_strings);
    const Welcome& on = cache.find(greeting, parameters.empty(), parameters);
    EXPECT_TRUE(on.rules.standard_conforming_strings);
}

TEST(WelcomeCache, AnotherGreetingIsAnotherWelcome) {
    ParameterInterner parameters;
    WelcomeCache cache;
    EXPECT_EQ(value_of(cache.find(greeting_of("UTC"), parameters.empty(), parameters), "TimeZone"),
              "UTC");
    EXPECT_EQ(
        value_of(cache.find(greeting_of("Asia/Tokyo"), parameters.empty(), parameters), "TimeZone"),
        "Asia/Tokyo");
}

// More kinds of clients than there is room for: each still hears its own.
TEST(WelcomeCache, WhatFellOutIsMadeAgain) {
    ParameterInterner parameters;
    WelcomeCache cache;
    const auto greeting = greeting_of("UTC");
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < 2 * WelcomeCache::kSize + 1; ++i) {
            const std::string zone = "Etc/GMT-" + std::to_string(i);
            const ParameterSetPtr wanted = parameters.intern({{"TimeZone", zone}});
            EXPECT_EQ(value_of(cache.find(greeting, wanted, parameters), "TimeZone"), zone);
        }
    }
}

}  // namespace
}  // namespace howdah::proxy
