#include "proxy/resolver.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>

namespace howdah::proxy {
namespace {

using namespace std::chrono_literals;

DnsCache::Addresses one(const char* text) {
    return {*net::Address::numeric(text, 0)};
}

// Runs a coroutine on a loop of its own until it ends.
void run(const std::function<net::Task<void>(net::Loop&)>& body) {
    auto loop = net::make_loop(net::Backend::kEpoll);
    ASSERT_TRUE(loop);
    net::TaskGroup tasks;
    (*loop)->post([&] {
        tasks.spawn([](net::Loop& own, const auto& work) -> net::Task<void> {
            co_await work(own);
            own.stop();
        }(**loop, body));
    });
    (*loop)->run();
}

TEST(Resolver, AsksOnceAndRemembers) {
    std::atomic<int> asked = 0;
    Resolver resolver([&](const std::string& name) -> Result<DnsCache::Addresses> {
        ++asked;
        EXPECT_EQ(name, "db.example");
        return one("10.0.0.1");
    });
    run([&](net::Loop& loop) -> net::Task<void> {
        for (int i = 0; i < 3; ++i) {
            const auto found = co_await resolver.resolve(loop, {"db.example", {15s, 15s}});
            EXPECT_TRUE(found);
            EXPECT_EQ(found->front().host(), "10.0.0.1");
        }
        EXPECT_EQ(asked, 1);
        resolver.expire("db.example");
        EXPECT_TRUE(co_await resolver.resolve(loop, {"db.example", {15s, 15s}}));
        EXPECT_EQ(asked, 2);
    });
}

TEST(Resolver, FailureIsTheCallers) {
    Resolver resolver([](const std::string&) -> Result<DnsCache::Addresses> {
        return fail(Error(ErrorCode::kUnavailable, "08001", "no such host"));
    });
    run([&](net::Loop& loop) -> net::Task<void> {
        const auto found = co_await resolver.resolve(loop, {"gone", {15s, 15s}});
        EXPECT_FALSE(found);
        EXPECT_EQ(found.error().message, "no such host");
    });
}

// The system's resolver hangs: who waits leaves at his deadline, and nothing is called after.
TEST(Resolver, DeadlineWhileTheSystemHangs) {
    const auto release = std::make_shared<std::binary_semaphore>(0);
    const auto finished = std::make_shared<std::binary_semaphore>(0);
    {
        Resolver resolver([=](const std::string&) -> Result<DnsCache::Addresses> {
            release->acquire();
            finished->release();
            return one("10.0.0.1");
        });
        run([&](net::Loop& loop) -> net::Task<void> {
            const auto found =
                co_await resolver.resolve(loop, {"slow", {15s, 15s}, loop.now() + 20ms});
            EXPECT_FALSE(found);
            EXPECT_EQ(found.error().code, ErrorCode::kTimeout);
        });
        release->release();
    }
    finished->acquire();
}

TEST(Resolver, ASlowNameHoldsUpNobodyElse) {
    const auto release = std::make_shared<std::binary_semaphore>(0);
    const auto finished = std::make_shared<std::binary_semaphore>(0);
    {
        Resolver resolver([=](const std::string& name) -> Result<DnsCache::Addresses> {
            if (name == "slow") {
                release->acquire();
                finished->release();
            }
            return one("10.0.0.1");
        });
        run([&](net::Loop& loop) -> net::Task<void> {
            EXPECT_FALSE(co_await resolver.resolve(loop, {"slow", {15s, 15s}, loop.now() + 1ms}));
            EXPECT_TRUE(co_await resolver.resolve(loop, {"fast", {15s, 15s}, loop.now() + 10s}));
        });
        release->release();
    }
    finished->acquire();
}

}  // namespace
}  // namespace howdah::proxy
