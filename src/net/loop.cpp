#include "net/loop.hpp"

#include <algorithm>

#include "net/stream.hpp"

namespace howdah::net {

void Event::notify() {
    notified_ = true;
    if (waiter_) {
        loop_.schedule(std::exchange(waiter_, nullptr));
    }
}

void Deadline::arm(TimePoint when) {
    disarm();
    event_->loop().timers().insert(*this, when);
}

void Deadline::disarm() {
    expired_ = false;
    if (armed()) {
        event_->loop().timers().remove(*this);
    }
}

TimerWheel::TimerWheel() : slots_(kSlots) {
    for (TimerLink& slot : slots_) {
        slot.previous = slot.next = &slot;
    }
}

void TimerWheel::insert(Deadline& deadline, TimePoint when) {
    deadline.when_ = when;
    // Rounded up: never early.
    std::int64_t tick = (when.time_since_epoch().count() + kTickUs - 1) / kTickUs;
    tick = std::max(tick, tick_);
    TimerLink& slot = slots_[static_cast<std::size_t>(tick) % kSlots];
    deadline.previous = slot.previous;
    deadline.next = &slot;
    slot.previous->next = &deadline;
    slot.previous = &deadline;
    ++armed_;
}

void TimerWheel::remove(Deadline& deadline) {
    deadline.previous->next = deadline.next;
    deadline.next->previous = deadline.previous;
    deadline.previous = deadline.next = nullptr;
    --armed_;
}

void TimerWheel::fire_slot(TimerLink& slot, TimePoint now) {
    TimerLink* link = slot.next;
    while (link != &slot) {
        auto& deadline = static_cast<Deadline&>(*link);
        link = link->next;
        if (deadline.when_ <= now) {
            remove(deadline);
            deadline.expired_ = true;
            deadline.event_->notify();
        }
    }
}

void TimerWheel::advance(TimePoint now) {
    const std::int64_t current = now.time_since_epoch().count() / kTickUs;
    if (armed_ == 0) {
        tick_ = current;
        return;
    }
    // After a long sleep one look at each slot is enough.
    tick_ = std::max(tick_, current - static_cast<std::int64_t>(kSlots) + 1);
    for (; tick_ <= current; ++tick_) {
        fire_slot(slots_[static_cast<std::size_t>(tick_) % kSlots], now);
    }
}

TimePoint TimerWheel::next_due() const {
    if (armed_ == 0) {
        return TimePoint::max();
    }
    for (std::int64_t tick = tick_; tick < tick_ + static_cast<std::int64_t>(kSlots); ++tick) {
        const TimerLink& slot = slots_[static_cast<std::size_t>(tick) % kSlots];
        if (slot.next != &slot) {
            return TimePoint(Duration(tick * kTickUs));
        }
    }
    return TimePoint::max();
}

// What starts before run() already has a clock to set deadlines by.
Loop::Loop() : now_(Loop::read_clock()) {}
Loop::~Loop() = default;

std::int64_t Loop::wall_us() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
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
}

void Loop::turn(TimePoint until_at_most) {
    run_posted();
    run_ready();
    if (on_turn) {
        on_turn();
    }
    flush_dirty();
    TimePoint until = std::min(timers_.next_due(), until_at_most);
    if (has_ready() || has_posted_.load(std::memory_order_acquire) || stopping()) {
        until = now_;
    }
    wait_and_dispatch(until);
    now_ = read_clock();
    timers_.advance(now_);
    run_ready();
}

void Loop::stop() {
    stopping_.store(true, std::memory_order_relaxed);
    wake();
}

void Loop::post(std::move_only_function<void()> work) {
    {
        const std::scoped_lock lock(posted_mutex_);
        posted_.push_back(std::move(work));
        has_posted_.store(true, std::memory_order_release);
    }
    wake();
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
    // A coroutine that is made ready by another one runs in the next round, in order.
    while (!ready_.empty()) {
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
            stream->flush();
        }
    }
    dirty_.clear();
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
