// What the tests of this module share: a loop of each real backend with a listening socket.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "net/loop.hpp"
#include "net/stream.hpp"

namespace howdah::net {

using namespace std::chrono_literals;

inline std::string pattern(std::size_t bytes) {
    std::string text(bytes, 'x');
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 23);
    }
    return text;
}

// Takes all buffered input out as text.
inline std::string take_text(Stream& stream) {
    std::string text;
    while (stream.buffered() > 0) {
        const auto front = stream.front();
        text.append(reinterpret_cast<const char*>(front.data()), front.size());
        stream.drop(front.size());
    }
    return text;
}

// Waits until `count` bytes are there or the peer has left; the text so far.
inline Task<std::string> receive(Stream& stream, std::size_t count) {
    Event event(stream.loop());
    stream.set_listener(&event);
    std::string text;
    while (text.size() < count) {
        text += take_text(stream);
        if (text.size() >= count || stream.ended()) {
            break;
        }
        co_await event.wait();
    }
    stream.set_listener(nullptr);
    co_return text;
}

inline Task<void> wait_for_end(Stream& stream) {
    Event event(stream.loop());
    stream.set_listener(&event);
    while (!stream.ended()) {
        co_await event.wait();
    }
    stream.set_listener(nullptr);
}

// A peer of the tests with a mind of its own: a blocking socket, used from a thread of the test.
class Peer {
  public:
    explicit Peer(const Address& address)
        : fd_(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        connected_ = ::connect(fd_, address.data(), address.size()) == 0;
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() { close(); }

    bool connected() const { return connected_; }
    int fd() const { return fd_; }
    bool send(std::string_view text) {
        while (!text.empty()) {
            const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (n <= 0) {
                return false;
            }
            text.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    // Up to `count` bytes; fewer at the end of the stream.
    std::string receive(std::size_t count) {
        std::string text(count, '\0');
        std::size_t got = 0;
        while (got < count) {
            const ssize_t n = ::recv(fd_, text.data() + got, count - got, 0);
            if (n <= 0) {
                break;
            }
            got += static_cast<std::size_t>(n);
        }
        text.resize(got);
        return text;
    }
    void finish_sending() { ::shutdown(fd_, SHUT_WR); }
    void reset() {
        const linger now{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close();
    }
    void close() {
        if (fd_ >= 0) {
            ::close(fd_);
            fd_ = -1;
        }
    }

  private:
    int fd_;
    bool connected_ = false;
};

// Every test runs on both real backends. `serve` is given each accepted stream; the loop runs until
// all that was spawned has ended.
class LoopFixture : public testing::TestWithParam<Backend> {
  protected:
    using Session = std::function<Task<void>(std::unique_ptr<Stream>)>;

    void SetUp() override {
        auto made = make_loop(GetParam());
        ASSERT_TRUE(made.has_value()) << made.error().message;
        loop_ = std::move(*made);
        const auto fd = listen_on(*Address::numeric("127.0.0.1", 0), {});
        ASSERT_TRUE(fd.has_value());
        listening_ = *fd;
        address_ = bound_address(*fd);
    }
    void TearDown() override {
        loop_.reset();
        ::close(listening_);
    }

    void serve(Session session) {
        session_ = std::move(session);
        loop_->start_accept(listening_, [this](Accepted accepted) {
            ++accepted_;
            group_.spawn(session_(loop_->adopt(accepted.fd, accepted.peer)));
        });
    }
    // Runs until `accepted` connections have come and everything spawned has ended.
    void run(std::size_t accepted) {
        TaskGroup closer;
        closer.spawn(close_when_done(accepted));
        loop_->run();
        loop_->stop_accept(listening_);
        EXPECT_LE(loop_->blocks().blocks_in_use(), idle_blocks());
    }
    std::size_t idle_blocks() const { return GetParam() == Backend::kUring ? kRingBlocks : 0; }

    static constexpr std::size_t kRingBlocks = 128;
    std::unique_ptr<Loop> loop_;
    int listening_ = -1;
    Address address_;
    TaskGroup group_;
    Session session_;
    std::size_t accepted_ = 0;

  private:
    Task<void> close_when_done(std::size_t accepted) {
        while (accepted_ < accepted) {
            co_await loop_->sleep(1ms);
        }
        co_await group_.close();
        loop_->stop();
    }
};

inline std::string backend_test_name(const testing::TestParamInfo<Backend>& info) {
    return info.param == Backend::kUring ? "io_uring" : "epoll";
}

}  // namespace howdah::net
