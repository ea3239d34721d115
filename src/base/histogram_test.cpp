#include "base/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "base/prng.hpp"

namespace howdah {
namespace {

TEST(Histogram, EveryBucketEndsWhereTheNextBegins) {
    EXPECT_EQ(Histogram::bucket_of(0), 0U);
    std::uint64_t begin = 0;
    for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
        const std::uint64_t end = Histogram::end_of(i);
        ASSERT_GT(end, begin);
        if (end - 1 <= std::numeric_limits<std::uint32_t>::max()) {
            ASSERT_EQ(Histogram::bucket_of(static_cast<std::uint32_t>(begin)), i);
            ASSERT_EQ(Histogram::bucket_of(static_cast<std::uint32_t>(end - 1)), i);
        }
        begin = end;
    }
    EXPECT_GT(begin, std::numeric_limits<std::uint32_t>::max());
    EXPECT_LT(Histogram::bucket_of(std::numeric_limits<std::uint32_t>::max()), Histogram::kBuckets);
}

TEST(Histogram, CountsBelowRoundLimitsAreExact) {
    Histogram histogram;
    for (const std::uint32_t us :
         {0U, 99U, 100U, 249U, 250U, 999U, 1000U, 2'499'999U, 2'500'000U}) {
        histogram.record(us);
    }
    EXPECT_EQ(histogram.count_below(100), 2U);
    EXPECT_EQ(histogram.count_below(250), 4U);
    EXPECT_EQ(histogram.count_below(1000), 6U);
    EXPECT_EQ(histogram.count_below(2'500'000), 8U);
    EXPECT_EQ(histogram.count_below(10'000'000), 9U);
    EXPECT_EQ(histogram.count(), 9U);
    EXPECT_EQ(histogram.sum_us(), 0U + 99 + 100 + 249 + 250 + 999 + 1000 + 2'499'999 + 2'500'000);
    EXPECT_EQ(histogram.max_us(), 2'500'000U);
}

TEST(Histogram, PercentilesAreAtMostATenthAboveTheTrueOnes) {
    Prng random(7);
    Histogram histogram;
    std::vector<std::uint32_t> values;
    for (int i = 0; i < 10'000; ++i) {
        values.push_back(static_cast<std::uint32_t>(random.next() % (1U << (random.next() % 31))));
        histogram.record(values.back());
    }
    std::sort(values.begin(), values.end());
    for (const double share : {0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
        const auto rank = static_cast<std::size_t>(share * 10'000.0 + 0.5) - 1;
        const double truth = values[rank];
        EXPECT_GE(histogram.percentile(share), values[rank]) << share;
        EXPECT_LE(histogram.percentile(share), truth * 1.1 + 1) << share;
    }
    EXPECT_EQ(Histogram().percentile(0.5), 0U);
}

TEST(Histogram, MergingLosesNothing) {
    Histogram whole;
    Histogram halves[2];
    for (std::uint32_t i = 0; i < 1000; ++i) {
        whole.record(i * i);
        halves[i % 2].record(i * i);
    }
    halves[0].merge(halves[1]);
    EXPECT_EQ(halves[0].count(), whole.count());
    EXPECT_EQ(halves[0].sum_us(), whole.sum_us());
    EXPECT_EQ(halves[0].max_us(), whole.max_us());
    for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
        ASSERT_EQ(halves[0].count_below(Histogram::end_of(i)),
                  whole.count_below(Histogram::end_of(i)));
    }
}

}  // namespace
}  // namespace howdah
