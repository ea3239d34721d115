// Session and pool in the simulated world: some seeds (./dev sim runs thousands), the same seed
// twice, planted bugs.

#include "tests/sim/proxy_sim.hpp"

#include <gtest/gtest.h>

#include "base/log.hpp"

namespace howdah::sim {
namespace {

class ProxySim : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        log::Options options;
        options.level = log::Level::kFatal;
        ASSERT_TRUE(log::configure(options).has_value());
    }
};

TEST_F(ProxySim, EveryClientGetsItsAnswersAndEverythingDrains) {
    ModelCounters servers;
    std::uint64_t answers = 0;
    std::uint64_t lost = 0;
    std::uint64_t cancelled = 0;
    for (std::uint64_t seed = 1; seed <= 120; ++seed) {
        const RunResult result = run_simulation(seed);
        ASSERT_TRUE(result.failures.empty()) << describe(seed, result);
        answers += result.answers;
        lost += result.sessions_lost;
        cancelled += result.cancelled;
        servers.errors += result.server.errors;
        servers.cancels_hit += result.server.cancels_hit;
    }
    // It went through what it is there for.
    EXPECT_GT(answers, 100'000u);
    EXPECT_GT(lost, 30u);
    EXPECT_GT(cancelled, 15u);
    EXPECT_GT(servers.errors, 1000u);
    EXPECT_GT(servers.cancels_hit, 15u);
}

TEST_F(ProxySim, TheSameSeedIsTheSameRun) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        const RunResult once = run_simulation(seed);
        const RunResult again = run_simulation(seed);
        EXPECT_EQ(once.hash, again.hash) << "seed " << seed;
        EXPECT_EQ(once.answers, again.answers) << "seed " << seed;
    }
    EXPECT_NE(run_simulation(1).hash, run_simulation(2).hash);
}

class Canary : public testing::TestWithParam<Sabotage> {};

TEST_P(Canary, IsCaught) {
    int caught = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const RunResult result = run_simulation(seed, GetParam());
        caught += result.failures.empty() ? 0 : 1;
    }
    EXPECT_GE(caught, 4);
}

INSTANTIATE_TEST_SUITE_P(ProxySim, Canary,
                         testing::Values(Sabotage::kLeakParameter, Sabotage::kSwapRow,
                                         Sabotage::kTwoBackends, Sabotage::kLoseAnswer,
                                         Sabotage::kSwapStatement, Sabotage::kHideView,
                                         Sabotage::kKeepOpen));

}  // namespace
}  // namespace howdah::sim
