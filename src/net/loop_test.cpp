#include "net/loop.hpp"

#include <netinet/tcp.h>
#include <sys/resource.h>

#include <algorithm>
#include <optional>

#include "base/prng.hpp"
#include "net/loop_fixture.hpp"
#include "net/tcp_options.hpp"

namespace howdah::net {
namespace {

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

Address address_of_test() {
    return Address::unix_path("@howdah-net-test-" + std::to_string(::getpid()));
}

const ListenOptions kNoQueue = [] {
    ListenOptions options;
    options.backlog = 0;
    return options;
}();

class LoopTest : public LoopFixture {
  protected:
    void run_echo(std::size_t bytes) {
        bool ok = false;
        serve([this](std::unique_ptr<Stream> stream) { return echo(*loop_, std::move(stream)); });
        group_.spawn(send_and_check(*loop_, address_, bytes, ok));
        run(1);
        EXPECT_TRUE(ok) << bytes;
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

TEST_P(LoopTest, AcceptWithoutDescriptorsRestsAndComesBack) {
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    std::size_t turns = 0;
    loop_->on_turn = [&] { ++turns; };
    serve([](std::unique_ptr<Stream> stream) -> Task<void> {
        stream->write("served");
        co_return;
    });
    // Connects first, then takes the descriptors away from both: the limit is the process's.
    Peer client(address_);
    const int next = ::dup(0);
    ::close(next);
    const rlimit low{static_cast<rlim_t>(next), before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &low);
    std::size_t turns_while_resting = 0;
    group_.spawn([](Loop& loop, const rlimit& restored, std::size_t& count,
                    std::size_t& counted) -> Task<void> {
        co_await loop.sleep(250ms);
        counted = count;
        ::setrlimit(RLIMIT_NOFILE, &restored);
    }(*loop_, before, turns, turns_while_resting));
    run(1);
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(client.receive(100), "served");
    EXPECT_GE(loop_->accept_failures(), 2u);
    EXPECT_LE(loop_->accept_failures(), 5u);
    // run() itself wakes every tick to look whether it is done.
    EXPECT_LE(turns_while_resting, 100u) << "the loop spun";
}

TEST_P(LoopTest, HandlerMayStopAccepting) {
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < 5; ++i) {
        peers.push_back(std::make_unique<Peer>(address_));
    }
    std::size_t handled = 0;
    loop_->start_accept(listening_, [&](Accepted accepted) {
        ::close(accepted.fd);
        if (++handled == 2) {
            loop_->stop_accept(listening_);
        }
    });
    group_.spawn([](Loop& loop) -> Task<void> {
        co_await loop.sleep(30ms);
        loop.stop();
    }(*loop_));
    loop_->run();
    EXPECT_EQ(handled, 2u);
}

// A connection has its options from the listening socket, and knows both its ends, though neither
// is asked for it.
TEST_P(LoopTest, AcceptedKnowsItsEndsAndHasTheListenersOptions) {
    const auto is_set = [](int fd, int level, int option) {
        int value = 0;
        socklen_t length = sizeof value;
        ::getsockopt(fd, level, option, &value, &length);
        return value != 0;
    };
    for (const char* host : {"127.0.0.1", "0.0.0.0", "::1", "::"}) {
        const auto listening = listen_on(*Address::numeric(host, 0), {});
        if (!listening && std::string_view(host).contains(':')) {
            continue;  // a machine without IPv6
        }
        ASSERT_TRUE(listening.has_value());
        apply_tcp_options(*listening, {.keepalive = true, .keepalive_idle_s = 77});
        Address address = bound_address(*listening);
        const bool v6 = address.family() == AF_INET6;
        if (address.is_any()) {
            address = *Address::numeric(v6 ? "::1" : "127.0.0.1", address.port());
        }
        std::optional<Accepted> got;
        auto loop = *make_loop(GetParam());
        loop->start_accept(*listening, [&](Accepted accepted) {
            got = accepted;
            loop->stop();
        });
        const Peer client(address);
        loop->run();
        loop->stop_accept(*listening);
        ASSERT_TRUE(got.has_value()) << host;
        EXPECT_EQ(got->peer.local, address) << got->peer.local.to_string();
        EXPECT_EQ(got->peer.address, bound_address(client.fd()));
        EXPECT_TRUE(is_set(got->fd, IPPROTO_TCP, TCP_NODELAY));
        EXPECT_TRUE(is_set(got->fd, SOL_SOCKET, SO_KEEPALIVE));
        ::close(got->fd);
        apply_tcp_options(*listening, {.keepalive = false});
        EXPECT_FALSE(is_set(*listening, SOL_SOCKET, SO_KEEPALIVE));
        ::close(*listening);
    }
}

// More than one at a time: each is accepted though nothing else happens.
TEST_P(LoopTest, AcceptsAllThatWait) {
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < 200; ++i) {
        peers.push_back(std::make_unique<Peer>(address_));
    }
    std::size_t handled = 0;
    loop_->start_accept(listening_, [&](Accepted accepted) {
        ::close(accepted.fd);
        if (++handled == peers.size()) {
            loop_->stop();
        }
    });
    loop_->run();
    EXPECT_EQ(handled, peers.size());
}

TEST_P(LoopTest, ConnectSaysThatNobodyListens) {
    const auto fd = listen_on(*Address::numeric("127.0.0.1", 0), {});
    const Address nobody = bound_address(*fd);
    ::close(*fd);
    std::string message;
    group_.spawn([](Loop& loop, Address address, std::string& out) -> Task<void> {
        auto connected = co_await loop.connect(address, loop.now() + 5s);
        out = connected ? "connected" : connected.error().message;
    }(*loop_, nobody, message));
    run(0);
    EXPECT_EQ(message, "could not connect to " + nobody.to_string() + ": Connection refused");
}

TEST_P(LoopTest, ConnectGivesUpAtItsDeadline) {
    // A TCP listener whose queue is full drops what comes.
    const auto fd = listen_on(*Address::numeric("127.0.0.1", 0), kNoQueue);
    const Address address = bound_address(*fd);
    std::vector<int> fillers;
    for (int i = 0; i < 4; ++i) {
        const int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ::connect(filler, address.data(), address.size());
        fillers.push_back(filler);
    }
    ErrorCode code = ErrorCode::kInternal;
    group_.spawn([](Loop& loop, Address to, ErrorCode& out) -> Task<void> {
        auto connected = co_await loop.connect(to, loop.now() + 50ms);
        out = connected ? ErrorCode::kInternal : connected.error().code;
    }(*loop_, address, code));
    run(0);
    EXPECT_EQ(code, ErrorCode::kTimeout);
    for (const int filler : fillers) {
        ::close(filler);
    }
    ::close(*fd);
}

TEST_P(LoopTest, ConnectToAUnixSocketWaitsForRoomInItsQueue) {
    const auto fd = listen_on(address_of_test(), kNoQueue);
    ASSERT_TRUE(fd.has_value()) << fd.error().message;
    std::size_t connected = 0;
    for (int i = 0; i < 5; ++i) {
        group_.spawn([](Loop& loop, Address to, std::size_t& out) -> Task<void> {
            auto made = co_await loop.connect(to, loop.now() + 5s);
            out += made ? 1 : 0;
        }(*loop_, address_of_test(), connected));
    }
    group_.spawn([](Loop& loop, int listening) -> Task<void> {
        co_await loop.sleep(20ms);
        loop.start_accept(listening, [](Accepted accepted) { ::close(accepted.fd); });
    }(*loop_, *fd));
    run(0);
    loop_->stop_accept(*fd);
    ::close(*fd);
    EXPECT_EQ(connected, 5u);
}

TEST_P(LoopTest, NeverIsADeadlineToo) {
    bool fired = true;
    group_.spawn([](Loop& loop, bool& out) -> Task<void> {
        Event event(loop);
        Deadline never(event);
        never.arm(TimePoint::max());
        Deadline far(event);
        far.arm(TimePoint::max() - 1us);
        co_await loop.sleep(30ms);
        out = never.expired() || far.expired();
    }(*loop_, fired));
    run(0);
    EXPECT_FALSE(fired);
}

TEST_P(LoopTest, CoroutinesThatWakeEachOtherDoNotStarveSockets) {
    bool done = false;
    Event ping(*loop_);
    Event pong(*loop_);
    const auto play = [](Event& mine, Event& other, const bool& stop) -> Task<void> {
        while (!stop) {
            other.notify();
            co_await mine.wait();
        }
        other.notify();
    };
    group_.spawn(play(ping, pong, done));
    group_.spawn(play(pong, ping, done));
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        co_await receive(*stream, 5);
        done = true;
    });
    std::thread peer([&] { Peer(address_).send("hello"); });
    run(1);
    peer.join();
    EXPECT_TRUE(done);
}

TEST_P(LoopTest, WorkPostedFromOtherThreadsRunsInOrder) {
    constexpr int kThreads = 4;
    constexpr int kPosts = 2000;
    std::vector<std::vector<int>> seen(kThreads);
    int total = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < kPosts; ++i) {
                loop_->post([&, t, i] {
                    seen[static_cast<std::size_t>(t)].push_back(i);
                    if (++total == kThreads * kPosts) {
                        loop_->stop();
                    }
                });
            }
        });
    }
    loop_->run();
    for (auto& thread : threads) {
        thread.join();
    }
    for (const auto& order : seen) {
        EXPECT_EQ(order.size(), static_cast<std::size_t>(kPosts));
        EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    }
}

TEST_P(LoopTest, StoppedListenerFreesItsAddressAtOnce) {
    for (int i = 0; i < 3; ++i) {
        const auto fd = listen_on(address_of_test(), {});
        ASSERT_TRUE(fd.has_value()) << fd.error().message;
        loop_->start_accept(*fd, [](Accepted accepted) { ::close(accepted.fd); });
        group_.spawn([](Loop& loop) -> Task<void> {
            co_await loop.sleep(5ms);
            loop.stop();
        }(*loop_));
        loop_->run();
        loop_->stop_accept(*fd);
        ::close(*fd);
        loop_ = *make_loop(GetParam());  // a stopped loop stays stopped
    }
}

INSTANTIATE_TEST_SUITE_P(Backends, LoopTest, testing::Values(Backend::kUring, Backend::kEpoll),
                         backend_test_name);

TEST(Address, SaysWhatItWasMadeOf) {
    for (const char* host : {"0.0.0.0", "10.0.200.3", "127.0.0.1", "255.255.255.255", "::1",
                             "fe80::a:200", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}) {
        EXPECT_EQ(Address::numeric(host, 5432)->host(), host);
    }
    EXPECT_EQ(Address::numeric("10.0.200.3", 5432)->to_string(), "10.0.200.3:5432");
    EXPECT_EQ(Address::numeric("::1", 5432)->to_string(), "[::1]:5432");
}

TEST(Listening, OnlyADeadProcessesSocketMakesWay) {
    char folder[] = "/tmp/howdah-net-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string path = std::string(folder) + "/.s.PGSQL.6432";
    const Address address = Address::unix_path(path);
    const auto first = listen_on(address, {});
    ASSERT_TRUE(first.has_value());
    const auto second = listen_on(address, {});
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().message.find("another process"), std::string::npos);
    ::close(*first);
    const auto third = listen_on(address, {});
    EXPECT_TRUE(third.has_value());
    ::close(*third);
    ::unlink(path.c_str());
    ::close(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    EXPECT_FALSE(listen_on(address, {}).has_value());
    EXPECT_EQ(::access(path.c_str(), F_OK), 0) << "the file was removed";
    ::unlink(path.c_str());
    ::rmdir(folder);
    EXPECT_FALSE(listen_on(Address::unix_path(std::string(200, 'x')), {}).has_value());
}

TEST(TimerWheel, KnowsTheNextDeadlineFarAndNear) {
    auto made = make_loop(Backend::kEpoll);
    ASSERT_TRUE(made.has_value());
    Loop& loop = **made;
    Event event(loop);
    TimerWheel& wheel = loop.timers();
    wheel.advance(loop.now());
    EXPECT_EQ(wheel.next_due(), TimePoint::max());
    Prng prng(7);
    for (int i = 0; i < 2000; ++i) {
        Deadline near(event);
        Deadline far(event);
        const Duration a(static_cast<std::int64_t>(prng.below(10'000'000)));
        const Duration b(static_cast<std::int64_t>(prng.below(10'000'000)));
        near.arm(loop.now() + std::min(a, b));
        far.arm(loop.now() + std::max(a, b));
        const TimePoint due = wheel.next_due();
        EXPECT_GE(due, loop.now() + std::min(a, b));
        EXPECT_LE(due, loop.now() + std::min(a, b) + 2 * Duration(TimerWheel::kTickUs));
        near.disarm();
        EXPECT_GE(wheel.next_due(), loop.now() + std::max(a, b));
    }
    EXPECT_EQ(wheel.next_due(), TimePoint::max());
}

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
