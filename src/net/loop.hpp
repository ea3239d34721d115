// Loop: one thread's event loop. Three backends behind this one interface: io_uring, epoll and
// simulated (in-memory streams on a clock of our own). Owned by its thread; everything here but
// post() and stop() is called on that thread only.
//
// 1. A coroutine is resumed from run(), never from within another one's call: notify() and timers
//    put it on the ready list.
// 2. What is written to streams in one turn is sent at the end of that turn, in one call a stream.
// 3. now() is read once a turn.
#pragma once

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/address.hpp"
#include "net/block.hpp"
#include "net/task.hpp"
#include "net/tcp_options.hpp"
#include "net/timer.hpp"

namespace howdah::net {

enum class Backend : std::uint8_t { kAuto, kUring, kEpoll };

class Stream;
class Transport;

// What accept gives: a connected descriptor, not yet watched by any loop.
struct Accepted {
    int fd = -1;
    PeerInfo peer;
};
using AcceptHandler = std::function<void(Accepted)>;

class Loop {
  public:
    Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    virtual ~Loop();

    // Runs until stop(); the thread that calls it is the loop's thread, and with io_uring the one
    // that made it. What closed streams still have to say is given kGoodbyeMax after stop().
    void run();
    static constexpr Duration kGoodbyeMax = std::chrono::seconds(1);
    // Any thread.
    void stop();
    // Any thread: `work` runs on the loop, in order of posting.
    void post(std::move_only_function<void()> work);

    TimePoint now() const { return now_; }
    // Wall clock in microseconds since 1970, for what people read: now(), and how far the two
    // clocks were apart when last compared, kCompareClocks ago at most.
    virtual std::int64_t wall_us() const;
    static constexpr Duration kCompareClocks = std::chrono::seconds(1);
    void schedule(std::coroutine_handle<> ready) { ready_.push_back(ready); }
    BlockPool& blocks() { return blocks_; }
    TimerWheel& timers() { return timers_; }
    virtual std::string_view backend_name() const = 0;

    // A stream over a connected descriptor; takes ownership of it.
    virtual std::unique_ptr<Stream> adopt(int fd, PeerInfo peer) = 0;
    // What sockets of connect() get, before they connect: a receive buffer made smaller later can
    // be too small for what the peer was told, and the connection stalls.
    void set_tcp_options(const TcpOptions& options) { tcp_options_ = options; }
    const TcpOptions& tcp_options() const { return tcp_options_; }
    // Connects to one resolved address. Errors: kUnavailable, kTimeout.
    virtual Task<Result<std::unique_ptr<Stream>>> connect(Address address, TimePoint deadline) = 0;
    // Accepts on a listening descriptor (not owned) until stop_accept(fd).
    virtual void start_accept(int fd, AcceptHandler handler) = 0;
    virtual void stop_accept(int fd) = 0;
    // Accepts that failed for want of descriptors or memory. Each rests its listener for
    // kAcceptRest.
    std::uint64_t accept_failures() const { return accept_failures_; }
    static constexpr Duration kAcceptRest = std::chrono::milliseconds(100);

    // Suspends for at least `duration`.
    Task<void> sleep(Duration duration);

    // For streams: asks for a flush at the end of this turn.
    void mark_dirty(Stream& stream) { dirty_.push_back(&stream); }
    void forget_dirty(Stream& stream);

    // Called once a turn, when what the turn wrote has been handed out and before sleeping; for
    // publishing counters. May be empty.
    std::function<void()> on_turn;

  protected:
    // Waits for events up to `until` and handles them. Streams' callbacks run inside.
    virtual void wait_and_dispatch(TimePoint until) = 0;
    // Wakes wait_and_dispatch from another thread.
    virtual void wake() = 0;
    virtual TimePoint read_clock() const;
    void set_now(TimePoint now) { now_ = now; }
    void run_posted();
    void run_ready();
    void flush_dirty();
    // Closed streams whose output is still under way.
    virtual bool lingering() const { return false; }
    void count_accept_failure(int error);
    bool has_ready() const { return !ready_.empty(); }
    bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

    void turn(TimePoint until_at_most);

  private:
    // Declared before what may hold slices, so that it dies last.
    BlockPool blocks_;
    TimerWheel timers_;
    TimePoint now_{};
    mutable TimePoint clocks_compared_{};
    mutable std::int64_t wall_ahead_us_ = 0;
    std::vector<std::coroutine_handle<>> ready_;
    std::vector<std::coroutine_handle<>> running_;
    std::vector<Stream*> dirty_;
    TcpOptions tcp_options_;
    std::uint64_t accept_failures_ = 0;
    TimePoint accept_logged_{};
    std::mutex posted_mutex_;
    std::vector<std::move_only_function<void()>> posted_;
    std::atomic<bool> has_posted_{false};
    std::atomic<bool> stopping_{false};
};

// Creates a loop of the asked backend on this thread. kAuto takes io_uring where the kernel and
// the container allow it, else epoll.
Result<std::unique_ptr<Loop>> make_loop(Backend backend);
// Why io_uring cannot be used here, or an empty string.
std::string uring_unavailable_reason();

}  // namespace howdah::net
