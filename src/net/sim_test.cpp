// The simulated loop: same seed, same world; faults that streams must live with.

#include <gtest/gtest.h>

#include <set>

#include "net/certificates_fixture.hpp"
#include "net/loop_fixture.hpp"
#include "net/sim_loop.hpp"

namespace howdah::net {
namespace {

Address server_address() {
    return *Address::numeric("10.0.0.1", 5432);
}

Task<void> echo(std::unique_ptr<Stream> stream) {
    Event event(stream->loop());
    stream->set_listener(&event);
    while (!stream->ended() || stream->buffered() > 0) {
        if (stream->congested()) {
            stream->pause();
            stream->notify_when_drained();
        } else {
            stream->resume();
            stream->forward(stream->buffered(), *stream);
        }
        if (stream->end_error() != 0) {
            break;
        }
        if (!stream->ended() || stream->congested()) {
            co_await event.wait();
        }
    }
    stream->set_listener(nullptr);
}

struct Tally {
    std::size_t right = 0;
    std::size_t wrong = 0;
    std::size_t broken = 0;
    std::size_t refused = 0;
    std::size_t total() const { return right + wrong + broken + refused; }
};

Task<void> client(SimLoop& loop, std::size_t bytes, Tally& tally) {
    auto stream = co_await loop.connect(server_address(), loop.now() + 30s);
    if (!stream) {
        ++tally.refused;
        co_return;
    }
    const std::string sent = pattern(bytes);
    (*stream)->write(sent);
    const std::string got = co_await receive(**stream, bytes);
    if (got == sent) {
        ++tally.right;
    } else {
        // Broken off, but never bytes that were not sent or in another order.
        ++(sent.starts_with(got) ? tally.broken : tally.wrong);
    }
}

struct World {
    explicit World(std::uint64_t seed, const SimFaults& faults = {}) : loop(seed, faults) {
        listening = loop.listen(server_address());
        loop.start_accept(listening, [this](Accepted accepted) {
            group.spawn(echo(loop.adopt(accepted.fd, accepted.peer)));
        });
    }
    // `count` clients that each send up to `bytes_max` and want them back.
    bool run_clients(std::size_t count, std::size_t bytes_max) {
        for (std::size_t i = 0; i < count; ++i) {
            group.spawn(client(loop, 1 + loop.prng().below(bytes_max), tally));
        }
        return loop.run_until([&] { return tally.total() == count && group.running() == 0; }, 1h);
    }

    SimLoop loop;
    TaskGroup group;
    Tally tally;
    int listening = 0;
};

SimFaults hard_times() {
    SimFaults faults;
    faults.piece_max = 700;
    faults.delay_max = 5ms;
    faults.reset = 0.002;
    faults.stall = 0.02;
    faults.refuse = 0.1;
    faults.slow = 0.2;
    return faults;
}

TEST(SimLoop, SameSeedSameTrace) {
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World first(seed, hard_times());
        World second(seed, hard_times());
        EXPECT_TRUE(first.run_clients(10, 20'000));
        EXPECT_TRUE(second.run_clients(10, 20'000));
        EXPECT_EQ(first.loop.trace_hash(), second.loop.trace_hash()) << "seed " << seed;
        EXPECT_EQ(first.loop.now(), second.loop.now());
        hashes.insert(first.loop.trace_hash());
    }
    EXPECT_EQ(hashes.size(), 20u) << "different seeds, different worlds";
}

TEST(SimLoop, BytesArriveWholeOrNotAtAll) {
    Tally sum;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        World world(seed, hard_times());
        ASSERT_TRUE(world.run_clients(8, 200'000)) << "stuck: seed " << seed;
        EXPECT_EQ(world.tally.wrong, 0u) << "seed " << seed;
        EXPECT_EQ(world.loop.blocks().blocks_in_use(), 0u) << "seed " << seed;
        sum.right += world.tally.right;
        sum.broken += world.tally.broken;
        sum.refused += world.tally.refused;
    }
    // The faults happened, and did not happen always.
    EXPECT_GT(sum.right, 150u);
    EXPECT_GT(sum.broken, 50u);
    EXPECT_GT(sum.refused, 25u);
}

TEST(SimLoop, WithoutFaultsEverythingArrivesAndCloses) {
    World world(1);
    EXPECT_TRUE(world.run_clients(50, 300'000));
    EXPECT_EQ(world.tally.right, 50u);
    EXPECT_TRUE(world.loop.run_until([&] { return world.loop.open_connections() == 0; }, 10s));
}

TEST(SimLoop, ClockJumpsToWhatIsDue) {
    SimLoop loop(1);
    TaskGroup group;
    const TimePoint begin = loop.now();
    bool woken = false;
    group.spawn([](SimLoop& l, bool& out) -> Task<void> {
        co_await l.sleep(24h);
        out = true;
    }(loop, woken));
    EXPECT_FALSE(loop.run_until([&] { return woken; }, 23h));
    EXPECT_TRUE(loop.run_until([&] { return woken; }, 2h));
    EXPECT_GE(loop.now() - begin, 24h);
    EXPECT_LT(loop.now() - begin, 24h + 1s);
}

TEST(SimLoop, SaysWhenNothingCanHappenAnyMore) {
    SimLoop loop(1);
    TaskGroup group;
    Event never(loop);
    group.spawn([](Event& event) -> Task<void> { co_await event.wait(); }(never));
    EXPECT_FALSE(loop.run_until([] { return false; }, 1h));
    EXPECT_TRUE(loop.stalled());
    never.notify();
    EXPECT_TRUE(loop.run_until([&] { return group.running() == 0; }, 1h));
}

TEST(SimLoop, ConnectIsRefusedWhereNobodyListens) {
    SimLoop loop(1);
    TaskGroup group;
    Tally tally;
    group.spawn(client(loop, 10, tally));
    EXPECT_TRUE(loop.run_until([&] { return tally.total() == 1; }, 1min));
    EXPECT_EQ(tally.refused, 1u);
}

TEST(SimLoop, ConnectGivesUpAtItsDeadline) {
    SimFaults far;
    far.delay_min = far.delay_max = 1h;
    SimLoop loop(1, far);
    TaskGroup group;
    ErrorCode code = ErrorCode::kInternal;
    const TimePoint begin = loop.now();
    group.spawn([](SimLoop& l, ErrorCode& out) -> Task<void> {
        auto made = co_await l.connect(server_address(), l.now() + 5s);
        out = made ? ErrorCode::kInternal : made.error().code;
    }(loop, code));
    EXPECT_TRUE(loop.run_until([&] { return group.running() == 0; }, 1min));
    EXPECT_EQ(code, ErrorCode::kTimeout);
    EXPECT_LT(loop.now() - begin, 6s);
}

TEST(SimLoop, AcceptedConnectionsWaitUntilSomebodyAccepts) {
    World world(1);
    world.loop.stop_accept(world.listening);
    world.group.spawn(client(world.loop, 100, world.tally));
    EXPECT_FALSE(world.loop.run_until([&] { return world.tally.total() == 1; }, 1min));
    world.loop.start_accept(world.listening, [&](Accepted accepted) {
        world.group.spawn(echo(world.loop.adopt(accepted.fd, accepted.peer)));
    });
    EXPECT_TRUE(world.loop.run_until([&] { return world.group.running() == 0; }, 1min));
    EXPECT_EQ(world.tally.right, 1u);
}

TEST(SimLoop, CrashedServerResetsItsConnections) {
    World world(3);
    int end_error = 0;
    world.group.spawn([](SimLoop& loop, int& out) -> Task<void> {
        auto stream = co_await loop.connect(server_address(), loop.now() + 5s);
        EXPECT_TRUE(stream.has_value());
        co_await wait_for_end(**stream);
        out = (*stream)->end_error();
    }(world.loop, end_error));
    world.loop.run_until([&] { return world.group.running() == 2; }, 1s);
    world.loop.reset_connections(server_address());
    EXPECT_TRUE(world.loop.run_until([&] { return world.group.running() == 0; }, 1min));
    EXPECT_EQ(end_error, ECONNRESET);
}

TEST(SimLoop, WriterWaitsForASlowReader) {
    SimFaults slow;
    slow.slow = 1;
    slow.delay_min = 1ms;
    slow.delay_max = 2ms;
    World world(5, slow);
    const TimePoint begin = world.loop.now();
    world.group.spawn(client(world.loop, 100'000, world.tally));
    EXPECT_TRUE(world.loop.run_until([&] { return world.group.running() == 0; }, 10min));
    EXPECT_EQ(world.tally.right, 1u);
    // 512 bytes a round trip of at least 2 ms.
    EXPECT_GT(world.loop.now() - begin, 390ms);
}

// The other end has closed, orderly, without reading all: who still sends is not left waiting.
TEST(SimLoop, WriterIsNotHeldUpByAPeerThatHasGone) {
    SimFaults slow;
    slow.slow = 1;
    for (const std::size_t read_first : {0U, 300U}) {
        SimLoop loop(7, slow);
        TaskGroup group;
        std::unique_ptr<Stream> writer;
        const int listening = loop.listen(server_address());
        loop.start_accept(listening, [&](Accepted accepted) {
            writer = loop.adopt(accepted.fd, accepted.peer);
            writer->write(pattern(5000));
        });
        group.spawn([](SimLoop& in, std::size_t bytes) -> Task<void> {
            auto stream = co_await in.connect(server_address(), in.now() + 5s);
            EXPECT_TRUE(stream.has_value());
            co_await receive(**stream, bytes);
        }(loop, read_first));
        EXPECT_TRUE(loop.run_until(
            [&] { return group.running() == 0 && writer != nullptr && writer->unsent() == 0; },
            1min));
        writer.reset();
    }
}

TEST(SimLoop, TlsRunsOnItUnchanged) {
    const Certificates certificates;
    TlsOptions for_server;
    for_server.certificate_file = certificates.path("server.crt");
    for_server.key_file = certificates.path("server.key");
    TlsOptions for_client;
    for_client.role = TlsRole::kClient;
    for_client.ca_file = certificates.path("ca.crt");
    for_client.verify = TlsVerify::kFull;
    const auto server_context = *TlsContext::create(for_server);
    const auto client_context = *TlsContext::create(for_client);
    SimFaults faults;
    faults.piece_max = 3;
    SimLoop loop(11, faults);
    TaskGroup group;
    const int listening = loop.listen(server_address());
    loop.start_accept(listening, [&](Accepted accepted) {
        group.spawn([](std::unique_ptr<Stream> stream,
                       std::shared_ptr<const TlsContext> context) -> Task<void> {
            auto secured = co_await stream->start_tls(TlsRole::kServer, context, "",
                                                      stream->loop().now() + 1min);
            EXPECT_TRUE(secured.has_value());
            co_await echo(std::move(stream));
        }(loop.adopt(accepted.fd, accepted.peer), server_context));
    });
    std::string got;
    group.spawn([](SimLoop& l, std::shared_ptr<const TlsContext> context,
                   std::string& out) -> Task<void> {
        auto stream = co_await l.connect(server_address(), l.now() + 5s);
        auto secured =
            co_await (*stream)->start_tls(TlsRole::kClient, context, "server.test", l.now() + 1min);
        EXPECT_TRUE(secured.has_value());
        (*stream)->write(pattern(5000));
        out = co_await receive(**stream, 5000);
    }(loop, client_context, got));
    EXPECT_TRUE(loop.run_until([&] { return group.running() == 0; }, 10min));
    EXPECT_EQ(got, pattern(5000));
}

}  // namespace
}  // namespace howdah::net
