#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <atomic>

#include "net/loop_fixture.hpp"
#include "net/stream.hpp"

namespace howdah::net {
namespace {

// A peer that has left says nothing more: its end must be seen behind what it had said, though it
// came before we looked.
class LeftTest : public LoopFixture {
  protected:
    struct Case {
        std::size_t bytes;
        bool paused;  // else the loop is busy with something else meanwhile
        bool resets;  // else it closes in good order
    };
    struct Outcome {
        std::size_t bytes = 0;
        bool ended = false;
    };

    // The peer says what `cases` has and is gone before we look. `kFirst` bytes ahead make room for
    // it in the socket.
    std::vector<Outcome> look_late(const std::vector<Case>& cases) {
        static constexpr std::size_t kFirst = 8'000'000;
        std::vector<Outcome> outcomes;
        std::atomic<std::size_t> left = 0;
        serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
            const std::size_t number = outcomes.size();
            outcomes.emplace_back();
            co_await receive(*stream, kFirst);
            if (cases[number].paused) {
                stream->pause();
            }
            stream->write("go");
            stream->flush();
            co_await stream->loop().sleep(1ms);  // it goes out
            while (left == number) {
                if (cases[number].paused) {
                    co_await stream->loop().sleep(1ms);
                } else {
                    std::this_thread::yield();
                }
            }
            stream->resume();
            outcomes[number] = co_await read_to_the_end(*stream);
        });
        std::thread peer([&] {
            for (const Case& now : cases) {
                Peer client(address_);
                client.send(pattern(kFirst));
                client.receive(2);
                client.send(pattern(now.bytes));
                for (int unsent = 1, tries = 0; unsent > 0 && tries < 1000; ++tries) {
                    ::ioctl(client.fd(), SIOCOUTQ, &unsent);
                    std::this_thread::yield();
                }
                if (now.resets) {
                    client.reset();
                } else {
                    client.close();
                }
                ++left;
            }
        });
        run(cases.size());
        peer.join();
        return outcomes;
    }

    void expect_ends(const std::vector<Case>& cases) {
        const std::vector<Outcome> outcomes = look_late(cases);
        ASSERT_EQ(outcomes.size(), cases.size());
        for (std::size_t i = 0; i < cases.size(); ++i) {
            EXPECT_TRUE(outcomes[i].ended)
                << cases[i].bytes << (cases[i].paused ? " while paused" : " while busy")
                << (cases[i].resets ? ", reset" : ", closed");
            EXPECT_LE(outcomes[i].bytes, cases[i].bytes);
            if (!cases[i].resets) {
                EXPECT_EQ(outcomes[i].bytes, cases[i].bytes);
            }
        }
    }

  private:
    static Task<Outcome> read_to_the_end(Stream& stream) {
        Event event(stream.loop());
        Deadline deadline(event);
        deadline.arm(stream.loop().now() + 5s);
        stream.set_listener(&event);
        Outcome outcome;
        while (!stream.ended() && !deadline.expired()) {
            outcome.bytes += take_text(stream).size();
            co_await event.wait();
        }
        stream.set_listener(nullptr);
        outcome.bytes += take_text(stream).size();
        outcome.ended = stream.ended();
        co_return outcome;
    }
};

TEST_P(LeftTest, IsSeenBehindWhatWasSaid) {
    std::vector<Case> cases;
    for (const bool paused : {true, false}) {
        for (const bool resets : {true, false}) {
            for (const std::size_t blocks : {1U, 2U, 31U, 32U, 33U, 40U, 64U, 65U}) {
                for (const std::size_t bytes : {blocks * kBlockBytes - 1, blocks * kBlockBytes}) {
                    cases.push_back({bytes, paused, resets});
                }
            }
        }
    }
    expect_ends(cases);
}

TEST_P(LeftTest, IsSeenOnAUnixSocket) {
    ::close(listening_);
    const auto fd =
        listen_on(Address::unix_path("@howdah-net-left-" + std::to_string(::getpid())), {});
    ASSERT_TRUE(fd.has_value());
    listening_ = *fd;
    address_ = bound_address(*fd);
    std::vector<Case> cases;
    for (const bool paused : {true, false}) {
        for (const std::size_t blocks : {1U, 2U, 8U, 12U}) {  // what its buffer holds
            for (const std::size_t bytes : {blocks * kBlockBytes - 1, blocks * kBlockBytes}) {
                cases.push_back({bytes, paused, false});
            }
        }
    }
    expect_ends(cases);
}

INSTANTIATE_TEST_SUITE_P(Backends, LeftTest, testing::Values(Backend::kEpoll, Backend::kUring),
                         backend_test_name);

}  // namespace
}  // namespace howdah::net
