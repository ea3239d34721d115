#include "base/ring.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace howdah {
namespace {

TEST(SpscRing, DropsAndCountsWhenFull) {
    SpscRing<int> ring(4);
    for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(ring.push(i), i < 4);
    }
    EXPECT_EQ(ring.dropped(), 2u);
    int value = -1;
    for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(ring.pop(value));
        EXPECT_EQ(value, i);
    }
    EXPECT_FALSE(ring.pop(value));
    EXPECT_TRUE(ring.push(9));
}

TEST(SpscRing, KeepsOrderAcrossThreads) {
    SpscRing<int> ring(64);
    constexpr int kCount = 100'000;
    std::thread consumer([&] {
        int expected = 0;
        int value = 0;
        while (expected < kCount) {
            if (ring.pop(value)) {
                ASSERT_EQ(value, expected);
                ++expected;
            }
        }
    });
    for (int i = 0; i < kCount;) {
        i += ring.push(i) ? 1 : 0;
    }
    consumer.join();
}

}  // namespace
}  // namespace howdah
