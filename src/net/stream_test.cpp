// Streams against peers that behave and peers that do not, on both real backends.

#include "net/stream.hpp"

#include <sys/resource.h>

#include <atomic>
#include <future>

#include "net/loop_fixture.hpp"

namespace howdah::net {
namespace {

class StreamTest : public LoopFixture {};

// A slice over `size` bytes of a block of its own.
Slice slice_of(Loop& loop, std::string_view text) {
    Block* block = loop.blocks().allocate();
    std::memcpy(block->data(), text.data(), text.size());
    return Slice(block, 0, text.size());
}

TEST_P(StreamTest, EmptyWritesSendNothingAndDoNotSpin) {
    serve([](std::unique_ptr<Stream> stream) -> Task<void> {
        stream->write(Slice());
        stream->write(std::string_view());
        stream->flush();
        co_await stream->loop().sleep(20ms);
        stream->write("after");
        co_await wait_for_end(*stream);
    });
    std::string got;
    std::thread peer([&] {
        Peer client(address_);
        got = client.receive(5);
    });
    run(1);
    peer.join();
    EXPECT_EQ(got, "after");
}

TEST_P(StreamTest, ManySlicesOfOneTurnLeaveInOrder) {
    // More than one gathered send takes, sealed by writes of our own in between.
    std::string expected;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        for (int i = 0; i < 500; ++i) {
            const std::string piece = pattern(static_cast<std::size_t>(i % 700 + 1));
            expected += piece;
            if (i % 3 == 0) {
                stream->write(piece);
            } else {
                stream->write(slice_of(stream->loop(), piece));
            }
        }
        co_return;
    });
    std::string got;
    std::thread peer([&] { got = Peer(address_).receive(1'000'000); });
    run(1);
    peer.join();
    EXPECT_EQ(got, expected);
}

TEST_P(StreamTest, FramesForwardedOneByOneLeaveAsOneSlice) {
    std::size_t slices = 0;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        Event event(stream->loop());
        stream->set_listener(&event);
        while (stream->buffered() < 300) {
            co_await event.wait();
        }
        for (int i = 0; i < 100; ++i) {
            stream->forward(3, *stream);
        }
        slices = stream->transport().unsent_slices();
        stream->set_listener(nullptr);
    });
    std::string got;
    std::thread peer([&] {
        Peer client(address_);
        client.send(pattern(300));
        got = client.receive(300);
    });
    run(1);
    peer.join();
    EXPECT_EQ(slices, 1u);
    EXPECT_EQ(got, pattern(300));
}

TEST_P(StreamTest, TrickledBytesShareABlock) {
    std::size_t in_use = 0;
    std::string got;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        Event event(stream->loop());
        stream->set_listener(&event);
        while (stream->buffered() < 400) {
            co_await event.wait();
        }
        in_use = stream->loop().blocks().blocks_in_use() - idle_blocks();
        got = take_text(*stream);
        stream->set_listener(nullptr);
    });
    std::thread peer([&] {
        Peer client(address_);
        for (const char c : pattern(400)) {
            client.send(std::string(1, c));
            std::this_thread::sleep_for(50us);
        }
        client.receive(1);
    });
    run(1);
    peer.join();
    EXPECT_LE(in_use, 4u) << "a block of 8 KiB for a byte is an amplification that a peer controls";
    EXPECT_EQ(got, pattern(400));
}

TEST_P(StreamTest, HalfClosedPeerGetsItsAnswer) {
    int end_error = -1;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        co_await wait_for_end(*stream);
        end_error = stream->end_error();
        stream->write("answer to ");
        stream->forward(stream->buffered(), *stream);
    });
    std::string got;
    std::thread peer([&] {
        Peer client(address_);
        client.send("question");
        client.finish_sending();
        got = client.receive(100);
    });
    run(1);
    peer.join();
    EXPECT_EQ(end_error, 0);
    EXPECT_EQ(got, "answer to question");
}

TEST_P(StreamTest, ResetIsAnErrorAndOutputGoesNowhereQuietly) {
    int end_error = 0;
    std::size_t unsent = 1;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        stream->write("x");
        co_await wait_for_end(*stream);
        end_error = stream->end_error();
        for (int i = 0; i < 3; ++i) {
            stream->write(pattern(100'000));
            co_await stream->loop().sleep(1ms);
        }
        stream->abort();
        unsent = 0;
    });
    std::thread peer([&] {
        Peer client(address_);
        client.receive(1);
        client.send("y");
        client.reset();
    });
    run(1);
    peer.join();
    EXPECT_EQ(end_error, ECONNRESET);
    EXPECT_EQ(unsent, 0u);
}

TEST_P(StreamTest, WriterToAResetPeerIsToldThatTheOutputIsGone) {
    bool told = false;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        Event event(stream->loop());
        stream->set_listener(&event);
        stream->pause();  // so that only the send side can notice
        for (int i = 0; i < 200; ++i) {
            stream->write(pattern(100'000));
            stream->flush();
            if (stream->congested()) {
                stream->notify_when_drained();
                co_await event.wait();
            }
        }
        told = true;
        stream->set_listener(nullptr);
    });
    std::thread peer([&] {
        Peer client(address_);
        client.receive(300'000);
        client.reset();
    });
    run(1);
    peer.join();
    EXPECT_TRUE(told);
}

TEST_P(StreamTest, ClosedStreamSendsTheRestToASlowReader) {
    serve([](std::unique_ptr<Stream> stream) -> Task<void> {
        stream->write(pattern(6'000'000));
        co_return;
    });
    std::string got;
    std::thread peer([&] {
        Peer client(address_);
        std::this_thread::sleep_for(30ms);
        got = client.receive(7'000'000);
        loop_->stop();
    });
    TaskGroup holder;
    loop_->run();
    peer.join();
    loop_->stop_accept(listening_);
    EXPECT_EQ(got, pattern(6'000'000));
}

TEST_P(StreamTest, ClosingIsSeenByThePeerAtOnceOnAnIdleLoop) {
    serve([](std::unique_ptr<Stream> stream) -> Task<void> {
        stream->write("goodbye");
        co_return;
    });
    Duration took = 10s;
    std::string got;
    std::thread peer([&] {
        Peer client(address_);
        const auto begin = std::chrono::steady_clock::now();
        got = client.receive(100);  // to the end of the stream
        took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begin);
        loop_->stop();
    });
    loop_->run();
    peer.join();
    loop_->stop_accept(listening_);
    EXPECT_EQ(got, "goodbye");
    EXPECT_LT(took, 90ms) << "the close waited for some other event";
}

TEST_P(StreamTest, ATakenAnswerIsTakenWhenItWasSentHoweverLateOneHears) {
    const std::string much = pattern(20'000'000);  // more than a socket holds
    TimePoint written, heard;
    Duration first{}, second{};
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        Loop& loop = stream->loop();
        written = loop.now();
        stream->write("answer");
        co_await receive(*stream, 1);  // nothing else happens until then
        heard = loop.now();
        EXPECT_EQ(stream->unsent(), 0u);
        first = stream->taken_at() - written;
        stream->write(much);
        Event event(loop);
        stream->set_listener(&event);
        stream->notify_when_drained();
        while (stream->congested()) {
            co_await event.wait();
        }
        second = stream->taken_at() - heard;
        stream->set_listener(nullptr);
    });
    std::thread peer([&] {
        Peer client(address_);
        const int small = 65536;
        ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        client.receive(6);
        pollfd more{client.fd(), POLLIN, 0};
        EXPECT_EQ(::poll(&more, 1, 60), 0);
        client.send("x");
        pollfd never{client.fd(), 0, 0};  // much comes, and is left where it is
        EXPECT_EQ(::poll(&never, 1, 60), 0);
        client.receive(much.size());
    });
    run(1);
    peer.join();
    EXPECT_GE(heard - written, 50ms);
    EXPECT_LT(first, 30ms);
    EXPECT_GE(second, 50ms);
}

TEST_P(StreamTest, WhatIsWrittenBeforeStopStillLeaves) {
    serve([this](std::unique_ptr<Stream> stream) -> Task<void> {
        stream->write(pattern(2'000'000));
        loop_->stop();
        co_return;
    });
    std::string got;
    std::thread peer([&] { got = Peer(address_).receive(3'000'000); });
    loop_->run();
    peer.join();
    loop_->stop_accept(listening_);
    EXPECT_EQ(got.size(), 2'000'000u);
}

TEST_P(StreamTest, AbortDropsWhatASlowReaderHasNotTaken) {
    std::promise<void> aborted;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        stream->write(pattern(20'000'000));
        co_await stream->loop().sleep(20ms);
        stream->abort();
        stream.reset();
        co_await loop_->sleep(20ms);
        aborted.set_value();
    });
    std::string got;
    std::thread peer([&] {
        Peer client(address_);
        aborted.get_future().wait();
        got = client.receive(20'000'000);
    });
    run(1);
    peer.join();
    EXPECT_LT(got.size(), 20'000'000u);
}

TEST_P(StreamTest, PausingAndResumingLosesAndReordersNothing) {
    constexpr std::size_t kBytes = 8'000'000;
    std::string got;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        Event event(stream->loop());
        stream->set_listener(&event);
        unsigned round = 0;
        while (!stream->ended() || stream->buffered() > 0) {
            got += take_text(*stream);
            // Every interleaving of a stop, its completion and a start.
            stream->pause();
            if (++round % 2 == 0) {
                stream->resume();
            }
            if (round % 3 == 0) {
                stream->pause();
                co_await stream->loop().sleep(1us);
            }
            stream->resume();
            if (!stream->ended() && stream->buffered() == 0) {
                co_await event.wait();
            }
        }
        stream->set_listener(nullptr);
    });
    std::thread peer([&] { Peer(address_).send(pattern(kBytes)); });
    run(1);
    peer.join();
    EXPECT_TRUE(got == pattern(kBytes)) << got.size();
}

TEST_P(StreamTest, PausedStreamKeepsWhatCameBeforeThePeerLeft) {
    std::string got;
    int end_error = -1;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        stream->pause();
        co_await stream->loop().sleep(50ms);
        stream->resume();
        co_await wait_for_end(*stream);
        end_error = stream->end_error();
        got = take_text(*stream);
    });
    std::thread peer([&] { Peer(address_).send("last words"); });
    run(1);
    peer.join();
    EXPECT_EQ(got, "last words");
    EXPECT_EQ(end_error, 0);
}

// What waits in a socket is taken out of it, however it meets the sizes of blocks and of a turn's
// share, though the peer says nothing more, or no more than that it has finished.
TEST_P(StreamTest, WhatHasComeIsSeenWithoutMoreComing) {
    struct Case {
        std::size_t bytes;
        bool finishes;
    };
    std::vector<Case> cases;
    for (const std::size_t blocks : {1U, 2U, 4U, 5U, 8U, 9U, 12U}) {
        for (const std::size_t bytes :
             {blocks * kBlockBytes - 1, blocks * kBlockBytes, blocks * kBlockBytes + 1}) {
            cases.push_back({bytes, false});
            cases.push_back({bytes, true});
        }
    }
    std::vector<std::string> got;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        const Case now = cases[got.size()];
        stream->pause();
        co_await stream->loop().sleep(2ms);
        stream->resume();
        std::string text = co_await receive(*stream, now.bytes);
        if (now.finishes) {
            co_await wait_for_end(*stream);
        }
        got.push_back(std::move(text));
        stream->write("thanks");
        co_await wait_for_end(*stream);
    });
    std::thread peer([&] {
        for (const Case& now : cases) {
            Peer client(address_);
            client.send(pattern(now.bytes));
            if (now.finishes) {
                client.finish_sending();
            }
            EXPECT_EQ(client.receive(6), "thanks") << now.bytes;
        }
    });
    run(cases.size());
    peer.join();
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_TRUE(got[i] == pattern(cases[i].bytes)) << got[i].size();
    }
}

TEST_P(StreamTest, MoreSendersThanProvidedBlocks) {
    constexpr std::size_t kPeers = 400;
    std::size_t right = 0;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        const std::string text = co_await receive(*stream, 10'000);
        right += text == pattern(10'000) ? 1 : 0;
    });
    std::thread peer([&] {
        std::vector<std::unique_ptr<Peer>> peers;
        for (std::size_t i = 0; i < kPeers; ++i) {
            peers.push_back(std::make_unique<Peer>(address_));
        }
        for (auto& one : peers) {
            one->send(pattern(10'000));
        }
    });
    run(kPeers);
    peer.join();
    EXPECT_EQ(right, kPeers);
}

TEST_P(StreamTest, PeekJoinsWhatStraddlesSlices) {
    std::string seen;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        Event event(stream->loop());
        stream->set_listener(&event);
        const std::uint8_t* whole = nullptr;
        while ((whole = stream->peek(30'000)) == nullptr) {
            EXPECT_FALSE(stream->ended());
            co_await event.wait();
        }
        seen.assign(reinterpret_cast<const char*>(whole), 30'000);
        EXPECT_GE(stream->buffered(), 30'000u);
        stream->set_listener(nullptr);
    });
    std::thread peer([&] {
        Peer client(address_);
        client.send(pattern(30'000));
        client.receive(1);
    });
    run(1);
    peer.join();
    EXPECT_TRUE(seen == pattern(30'000));
}

TEST_P(StreamTest, AStreamThatCouldNotBeDetachedGoesOn) {
    std::promise<void> resumed;
    std::size_t received = 0;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        stream->write(std::string(20'000'000, 'x'));  // more than the peer's socket takes
        EXPECT_FALSE(stream->detach().has_value());
        co_await stream->loop().sleep(50ms);
        EXPECT_FALSE(stream->detach().has_value());
        co_await stream->loop().sleep(50ms);
        stream->resume();
        resumed.set_value();
        for (int i = 0; i < 200 && stream->buffered() < 5; ++i) {
            co_await stream->loop().sleep(10ms);
        }
        received = stream->buffered();
        stream->abort();
    });
    std::thread peer([&] {
        Peer client(address_);
        resumed.get_future().wait();
        client.send("hello");
        client.receive(1);
    });
    run(1);
    peer.join();
    EXPECT_EQ(received, 5U);
}

TEST_P(StreamTest, DetachedConnectionGoesOnAtAnotherLoop) {
    // The other loop has its own thread, as in the server. What was received and not looked at
    // goes along.
    std::atomic<bool> other_ready{false};
    Loop* other = nullptr;
    std::thread second([&] {
        auto made = make_loop(GetParam());
        other = made->get();
        other_ready = true;
        (*made)->run();
    });
    while (!other_ready) {
        std::this_thread::yield();
    }
    TaskGroup theirs;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        Event event(stream->loop());
        stream->set_listener(&event);
        while (stream->buffered() < 5) {
            co_await event.wait();
        }
        stream->write("one ");
        std::optional<Detached> taken;
        while (!(taken = stream->detach())) {
            co_await event.wait();
        }
        EXPECT_TRUE(stream->ended());
        stream->set_listener(nullptr);
        other->post([&theirs, other, connection = std::move(*taken)]() mutable {
            theirs.spawn([](std::unique_ptr<Stream> there) -> Task<void> {
                co_await wait_for_end(*there);
                there->write("two ");
                there->forward(there->buffered(), *there);
                there->loop().stop();
            }(attach(*other, std::move(connection))));
        });
    });
    std::string got;
    std::thread peer([&] {
        Peer client(address_);
        client.send("hello");
        got = client.receive(4);
        client.send(" and more");
        client.finish_sending();
        got += client.receive(100);
    });
    run(1);
    second.join();
    peer.join();
    EXPECT_EQ(got, "one two hello and more");
}

INSTANTIATE_TEST_SUITE_P(Backends, StreamTest, testing::Values(Backend::kUring, Backend::kEpoll),
                         backend_test_name);

}  // namespace
}  // namespace howdah::net
