#include "proxy/dns_cache.hpp"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

using namespace std::chrono_literals;

constexpr DnsTimes kTimes{15s, 5s};

net::TimePoint at(int seconds) {
    return net::TimePoint(std::chrono::seconds(1000 + seconds));
}

DnsCache::Addresses addresses(std::initializer_list<const char*> texts) {
    DnsCache::Addresses result;
    for (const char* text : texts) {
        result.push_back(*net::Address::numeric(text, 0));
    }
    return result;
}

const auto kFailure = fail(Error(ErrorCode::kUnavailable, "08001", "no such host"));

TEST(DnsCache, AnswersHoldForTheirTime) {
    DnsCache cache;
    EXPECT_FALSE(cache.find("db", at(0), kTimes));
    ASSERT_TRUE(cache.put("db", addresses({"10.0.0.1", "10.0.0.2"}), at(0)));
    const auto kept = cache.find("db", at(14), kTimes);
    ASSERT_TRUE(kept && *kept);
    EXPECT_EQ((*kept)->size(), 2U);
    EXPECT_FALSE(cache.find("db", at(15), kTimes));
}

TEST(DnsCache, FailuresHoldForTheirs) {
    DnsCache cache;
    EXPECT_FALSE(cache.put("gone", kFailure, at(0)));
    const auto kept = cache.find("gone", at(4), kTimes);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->error().message, "no such host");
    EXPECT_FALSE(cache.find("gone", at(5), kTimes));
}

// The resolver is down: the servers are where they were.
TEST(DnsCache, LastGoodAnswerSurvivesAFailure) {
    DnsCache cache;
    ASSERT_TRUE(cache.put("db", addresses({"10.0.0.1"}), at(0)));
    const auto used = cache.put("db", kFailure, at(20));
    ASSERT_TRUE(used);
    EXPECT_EQ(used->front().host(), "10.0.0.1");
    ASSERT_TRUE(cache.find("db", at(24), kTimes));
    EXPECT_FALSE(cache.find("db", at(25), kTimes));
    ASSERT_TRUE(cache.put("db", addresses({"10.0.0.9"}), at(25)));
    EXPECT_EQ(cache.find("db", at(39), kTimes)->value().front().host(), "10.0.0.9");
}

TEST(DnsCache, ExpireAsksAgain) {
    DnsCache cache;
    ASSERT_TRUE(cache.put("db", addresses({"10.0.0.1"}), at(0)));
    cache.expire("db");
    cache.expire("unknown");
    EXPECT_FALSE(cache.find("db", at(1), kTimes));
}

TEST(DnsCache, Bounded) {
    DnsCache cache;
    for (int i = 0; i < 3000; ++i) {
        ASSERT_TRUE(cache.put("h" + std::to_string(i), addresses({"10.0.0.1"}), at(i)));
    }
    EXPECT_EQ(cache.size(), DnsCache::kNamesMax);
    EXPECT_TRUE(cache.find("h2999", at(3000), kTimes));
    EXPECT_FALSE(cache.find("h0", at(1), kTimes));
}

}  // namespace
}  // namespace howdah::proxy
