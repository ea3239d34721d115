#include "migrate/deploy/checks.hpp"

#include <gtest/gtest.h>

namespace howdah::migrate::runner {
namespace {

// Counters since a moment at which all were 0.
std::string judged(double commits, double rollbacks, double own_commits = 0) {
    const Traffic usual{.commits = 1000, .rollbacks = 10, .own_commits = 0, .statements = {}};
    Traffic now;
    now.commits = commits;
    now.rollbacks = rollbacks;
    now.own_commits = own_commits;
    return judge_traffic(usual, {}, now, {});
}

TEST(Watch, NoticesWhatIsSurelyMoreThanTheRatio) {
    EXPECT_NE(judged(20, 20), "");
    EXPECT_NE(judged(17, 5), "");
    EXPECT_NE(judged(1800, 200), "");
    EXPECT_EQ(judged(960, 40), "");
}

TEST(Watch, AFewErrorsProveNothing) {
    EXPECT_EQ(judged(22, 2), "") << "9 % of two dozen, which 2 % would give as well";
    EXPECT_EQ(judged(5, 5), "") << "fewer than twenty transactions";
}

TEST(Watch, WhatReadingTheCountersTookIsNotTheApplications) {
    EXPECT_EQ(judged(300, 19), "");
    EXPECT_NE(judged(300, 19, 295), "");
    EXPECT_EQ(judged(15, 0, 25), "") << "counted late";
}

TEST(Watch, ShareThatIsLikelyAtLeast) {
    EXPECT_EQ(likely_least(0, 0), 0);
    EXPECT_NEAR(likely_least(0, 50), 0, 1e-9);
    // Wilson (1927): 10 of 20 with z = 2 is 0.296 to 0.704.
    EXPECT_NEAR(likely_least(10, 20), 0.2959, 0.0005);
    EXPECT_GT(likely_least(100, 200), likely_least(10, 20));
}

}  // namespace
}  // namespace howdah::migrate::runner
