#include "proxy/client_counts.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace howdah::proxy {
namespace {

using Kind = ClientCounts::Kind;

TEST(ClientCounts, CountsByKindAndName) {
    ClientCounts counts;
    ClientCounts::Slot a;
    ClientCounts::Slot b;
    ClientCounts::Slot user;
    EXPECT_EQ(counts.enter(Kind::kDatabase, "shop", a), 1);
    EXPECT_EQ(counts.enter(Kind::kDatabase, "shop", b), 2);
    EXPECT_EQ(counts.enter(Kind::kUser, "shop", user), 1);
    EXPECT_EQ(counts.count(Kind::kDatabase, "shop"), 2);
    EXPECT_EQ(counts.count(Kind::kUser, "nobody"), 0);
}

TEST(ClientCounts, SlotsLeaveWhenTheyGo) {
    ClientCounts counts;
    ClientCounts::Slot kept;
    {
        ClientCounts::Slot slot;
        counts.enter(Kind::kUser, "ann", slot);
        kept = std::move(slot);
        EXPECT_FALSE(slot.held());
    }
    EXPECT_EQ(counts.count(Kind::kUser, "ann"), 1);
    counts.enter(Kind::kUser, "bob", kept);  // a slot counts once: ann is left
    EXPECT_EQ(counts.count(Kind::kUser, "ann"), 0);
    EXPECT_EQ(counts.count(Kind::kUser, "bob"), 1);
    kept.release();
    kept.release();
    EXPECT_EQ(counts.count(Kind::kUser, "bob"), 0);
}

TEST(ClientCounts, ManyThreads) {
    ClientCounts counts;
    ClientCounts::Slot first;
    counts.enter(Kind::kDatabase, "d", first);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) {
                ClientCounts::Slot slot;
                EXPECT_GE(counts.enter(Kind::kDatabase, "d", slot), 2);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(counts.count(Kind::kDatabase, "d"), 1);
}

}  // namespace
}  // namespace howdah::proxy
