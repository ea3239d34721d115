#include "migrate/runner/backoff.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <vector>

namespace howdah::migrate::runner {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirst{1'000};
constexpr milliseconds kMost{60'000};

milliseconds bound_of(int attempt) {
    return std::min(kFirst * (std::int64_t{1} << std::min(attempt - 1, 20)), kMost);
}

TEST(Backoff, DoublesUpToItsLimit) {
    for (int attempt = 1; attempt <= 40; ++attempt) {
        milliseconds least = kMost;
        milliseconds greatest{0};
        Prng prng(static_cast<std::uint64_t>(attempt));
        for (int i = 0; i < 2'000; ++i) {
            const milliseconds wait = backoff(attempt, kFirst, kMost, prng);
            least = std::min(least, wait);
            greatest = std::max(greatest, wait);
        }
        const milliseconds bound = bound_of(attempt);
        EXPECT_GE(least, bound / 2) << attempt;
        EXPECT_LE(greatest, bound) << attempt;
        // All of the upper half is used: 2,000 draws come within a twentieth of both ends.
        EXPECT_LT(least, bound / 2 + bound / 20) << attempt;
        EXPECT_GT(greatest, bound - bound / 20) << attempt;
    }
}

// Ten runners that fail together do not come back together, nor in the same order.
TEST(Backoff, WaitersPart) {
    std::set<std::int64_t> waits;
    std::vector<int> first_to_return;
    for (int attempt = 1; attempt <= 8; ++attempt) {
        int first = 0;
        milliseconds soonest = kMost * 2;
        for (int runner = 0; runner < 10; ++runner) {
            Prng prng(static_cast<std::uint64_t>(runner * 1'000 + attempt));
            const milliseconds wait = backoff(5, kFirst, kMost, prng);
            waits.insert(wait.count());
            first = wait < soonest ? runner : first;
            soonest = std::min(soonest, wait);
        }
        first_to_return.push_back(first);
    }
    EXPECT_GT(waits.size(), 70U);  // of 80, out of 8,001 possible ones
    EXPECT_GT(std::set<int>(first_to_return.begin(), first_to_return.end()).size(), 2U);
}

TEST(Backoff, AnyNumberIsASafeOne) {
    Prng prng(7);
    const milliseconds endless{std::numeric_limits<std::int64_t>::max()};
    EXPECT_EQ(backoff(1, milliseconds(0), kMost, prng), milliseconds(0));
    EXPECT_EQ(backoff(9, milliseconds(-5), kMost, prng), milliseconds(0));
    EXPECT_EQ(backoff(9, milliseconds(1'000), milliseconds(0), prng), milliseconds(0));
    EXPECT_LE(backoff(3, endless, kMost, prng), kMost);
    EXPECT_GE(backoff(1'000'000, endless, endless, prng), endless / 2);
    EXPECT_GE(backoff(100, milliseconds(1), endless, prng), milliseconds(1));
}

}  // namespace
}  // namespace howdah::migrate::runner
