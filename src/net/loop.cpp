#include "net/loop.hpp"

#include <algorithm>
#include <cstring>

#include "base/log.hpp"
#include "net/stream.hpp"

namespace howdah::net {

// What starts before run() already has a clock to set deadlines by.
Loop::Loop() : now_(Loop::read_clock()) {}
Loop::~Loop() = default;

std::int64_t Loop::wall_us() const {
    if (now_ - clocks_compared_ >= kCompareClocks) {
        clocks_compared_ = now_;
        const auto wall = std::chrono::duration_cast<std::chrono::microseconds>(
            std::chrono::system_clock::now().time_since_epoch());
        wall_ahead_us_ = (wall - read_clock().time_since_epoch()).count();
    }
    return now_.time_since_epoch().count() + wall_ahead_us_;
}

TimePoint Loop::read_clock() const {
    return TimePoint(
        std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

void Loop::run() {
    now_ = read_clock();
    timers_.advance(now_);
    while (!stopping()) {
        turn(TimePoint::max());
    }
    run_posted();
    run_ready();
    flush_dirty();
    const TimePoint goodbye = read_clock() + kGoodbyeMax;
    wait_and_dispatch(now_);
    while (lingering() && now_ < goodbye) {
        wait_and_dispatch(goodbye);
    }
}

void Loop::turn(TimePoint until_at_most) {
    run_posted();
    run_ready();
    flush_dirty();
    if (on_turn) {
        on_turn();
    }
    TimePoint until = std::min(timers_.next_due(), until_at_most);
    if (has_ready() || has_posted_.load(std::memory_order_acquire) || stopping()) {
        until = now_;
    }
    wait_and_dispatch(until);
    timers_.advance(now_);
    run_ready();
}

void Loop::stop() {
    stopping_.store(true, std::memory_order_relaxed);
    wake();
}

void Loop::post(std::move_only_function<void()> work) {
    // Woken under the lock: the work may be what ends and destroys the loop, and cannot start
    // before we are through with it.
    const std::scoped_lock lock(posted_mutex_);
    posted_.push_back(std::move(work));
    if (!has_posted_.exchange(true, std::memory_order_acq_rel)) {  // else a wake-up is on its way
        wake();
    }
}

void Loop::run_posted() {
    if (!has_posted_.load(std::memory_order_acquire)) {
        return;
    }
    std::vector<std::move_only_function<void()>> work;
    {
        const std::scoped_lock lock(posted_mutex_);
        work.swap(posted_);
        has_posted_.store(false, std::memory_order_release);
    }
    for (auto& item : work) {
        item();
    }
}

void Loop::run_ready() {
    // A coroutine that is made ready by another one runs in the next round, in order. After some
    // rounds the sockets get their turn, lest two coroutines that wake each other starve them.
    constexpr int kRoundsMax = 64;
    for (int round = 0; round < kRoundsMax && !ready_.empty(); ++round) {
        running_.swap(ready_);
        for (const auto& handle : running_) {
            handle.resume();
        }
        running_.clear();
    }
}

void Loop::flush_dirty() {
    // flush() may not add to the list: it only hands bytes to the transport.
    for (Stream* stream : dirty_) {
        if (stream != nullptr) {
            stream->flush_dirty();
        }
    }
    dirty_.clear();
}

void Loop::count_accept_failure(int error) {
    ++accept_failures_;
    constexpr Duration kLogEvery = std::chrono::seconds(5);
    if (accept_failures_ == 1 || now_ - accept_logged_ >= kLogEvery) {
        accept_logged_ = now_;
        log::warning("accept() failed: {}; listening again in {} ms ({} failures so far)",
                     std::strerror(error), kAcceptRest.count() / 1000, accept_failures_);
    }
}

void Loop::forget_dirty(Stream& stream) {
    std::replace(dirty_.begin(), dirty_.end(), &stream, static_cast<Stream*>(nullptr));
}

Task<void> Loop::sleep(Duration duration) {
    Event event(*this);
    Deadline deadline(event);
    deadline.arm(now() + duration);
    while (!deadline.expired()) {
        co_await event.wait();
    }
}

}  // namespace howdah::net
