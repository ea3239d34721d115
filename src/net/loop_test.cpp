#include "net/loop.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "net/stream.hpp"

namespace howdah::net {
namespace {

using namespace std::chrono_literals;

Task<void> echo(Loop& loop, std::unique_ptr<Stream> stream) {
    Event event(loop);
    stream->set_listener(&event);
    while (!stream->ended() || stream->buffered() > 0) {
        if (stream->congested()) {
            stream->pause();
            stream->notify_when_drained();
        } else {
            stream->resume();
            if (stream->buffered() > 0) {
                stream->forward(stream->buffered(), *stream);
            }
        }
        co_await event.wait();
    }
}

Task<void> send_and_check(Loop& loop, Address address, std::size_t bytes, bool& ok) {
    auto connected = co_await loop.connect(address, loop.now() + 5s);
    if (!connected) {
        co_return;
    }
    Stream& stream = **connected;
    Event event(loop);
    stream.set_listener(&event);
    std::string sent(bytes, 'x');
    for (std::size_t i = 0; i < bytes; ++i) {
        sent[i] = static_cast<char>('a' + i % 23);
    }
    stream.write(sent);
    std::string received;
    while (received.size() < bytes && !stream.ended()) {
        co_await event.wait();
        while (stream.buffered() > 0) {
            const auto front = stream.front();
            received.append(reinterpret_cast<const char*>(front.data()), front.size());
            stream.drop(front.size());
        }
    }
    ok = received == sent;
}

// Every test runs on both real backends.
class LoopTest : public testing::TestWithParam<Backend> {
  protected:
    void run_echo(std::size_t bytes) {
        auto made = make_loop(GetParam());
        ASSERT_TRUE(made.has_value()) << made.error().message;
        Loop& loop = **made;
        const auto fd = listen_on(*Address::numeric("127.0.0.1", 0), {});
        ASSERT_TRUE(fd.has_value());
        sockaddr_storage bound{};
        socklen_t length = sizeof bound;
        ::getsockname(*fd, reinterpret_cast<sockaddr*>(&bound), &length);
        const Address address = Address::from_sockaddr(reinterpret_cast<sockaddr*>(&bound), length);

        TaskGroup group;
        bool ok = false;
        loop.start_accept(*fd, [&](Accepted accepted) {
            group.spawn(echo(loop, loop.adopt(accepted.fd, accepted.peer)));
        });
        group.spawn(send_and_check(loop, address, bytes, ok));
        TaskGroup closer;
        closer.spawn([](Loop& l, TaskGroup& g) -> Task<void> {
            co_await g.close();
            l.stop();
        }(loop, group));
        loop.run();
        EXPECT_TRUE(ok) << bytes;
        EXPECT_EQ(loop.blocks().blocks_in_use(), GetParam() == Backend::kUring ? 128u : 0u)
            << "an idle loop holds no block but those the kernel may fill";
        loop.stop_accept(*fd);
        ::close(*fd);
    }
};

TEST_P(LoopTest, EchoesOneByte) {
    run_echo(1);
}
TEST_P(LoopTest, EchoesABlockAndABit) {
    run_echo(kBlockBytes + 1);
}
TEST_P(LoopTest, EchoesThroughBackpressure) {
    run_echo(20'000'000);
}

INSTANTIATE_TEST_SUITE_P(Backends, LoopTest, testing::Values(Backend::kUring, Backend::kEpoll),
                         [](const auto& param) {
                             return param.param == Backend::kUring ? "io_uring" : "epoll";
                         });

TEST(TimerWheel, FiresInOrderAndOnlyWhatIsDue) {
    auto made = make_loop(Backend::kEpoll);
    ASSERT_TRUE(made.has_value());
    Loop& loop = **made;
    TaskGroup group;
    std::vector<int> order;
    const auto waiter = [](Loop& l, std::vector<int>& out, int ms) -> Task<void> {
        co_await l.sleep(std::chrono::milliseconds(ms));
        out.push_back(ms);
        if (out.size() == 3) {
            l.stop();
        }
    };
    group.spawn(waiter(loop, order, 60));
    group.spawn(waiter(loop, order, 5));
    group.spawn(waiter(loop, order, 30));
    loop.run();
    EXPECT_EQ(order, (std::vector<int>{5, 30, 60}));
}

}  // namespace
}  // namespace howdah::net
