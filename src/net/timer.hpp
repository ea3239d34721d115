// Events and deadlines: what a coroutine sleeps on. Owned by coroutines of one loop, used on its
// thread only.
#pragma once

#include <array>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <vector>

namespace howdah::net {

class Loop;

struct LoopClock {
    using duration = std::chrono::microseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<LoopClock>;
    static constexpr bool is_steady = true;
};
using Duration = std::chrono::microseconds;
using TimePoint = LoopClock::time_point;

// Event: lets one coroutine sleep until something it cares about changed. notify() before wait()
// is remembered, so that nothing is lost between looking and sleeping.
class Event {
  public:
    explicit Event(Loop& loop) : loop_(loop) {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    void notify();
    auto wait() {
        struct Awaiter {
            Event& event;
            bool await_ready() const { return event.notified_; }
            void await_suspend(std::coroutine_handle<> waiter) { event.waiter_ = waiter; }
            void await_resume() { event.notified_ = false; }
        };
        return Awaiter{*this};
    }
    Loop& loop() const { return loop_; }

  private:
    Loop& loop_;
    std::coroutine_handle<> waiter_;
    bool notified_ = false;
};

// Deadline: a point in time at which an event is notified. Arming and disarming cost a few
// nanoseconds (a list in a wheel of 10 ms slots), so that every wait can have one.
struct TimerLink {
    TimerLink* previous = nullptr;
    TimerLink* next = nullptr;
};

class Deadline : private TimerLink {
  public:
    explicit Deadline(Event& event) : event_(&event) {}
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;
    ~Deadline() { disarm(); }

    void arm(TimePoint when);
    void disarm();
    bool armed() const { return next != nullptr; }
    // True once the armed time has come; stays so until armed or disarmed again.
    bool expired() const { return expired_; }

  private:
    friend class TimerWheel;
    Event* event_;
    TimePoint when_{};
    bool expired_ = false;
};

class TimerWheel {
  public:
    TimerWheel();
    TimerWheel(const TimerWheel&) = delete;
    TimerWheel& operator=(const TimerWheel&) = delete;

    void insert(Deadline& deadline, TimePoint when);
    void remove(Deadline& deadline);
    // Notifies what is due.
    void advance(TimePoint now);
    // When to look again; TimePoint::max() when nothing is armed. At most one tick late.
    TimePoint next_due() const;
    std::size_t armed() const { return armed_; }

    static constexpr std::int64_t kTickUs = 10'000;

  private:
    // 10.24 s a turn of the wheel; what is due later stays in its slot for another turn.
    static constexpr std::size_t kSlots = 1024;
    void fire_slot(TimerLink& slot, TimePoint now);

    std::vector<TimerLink> slots_;
    std::array<std::uint64_t, kSlots / 64> occupied_{};  // a bit for each slot that is not empty
    std::int64_t tick_ = 0;                              // the next one to look at
    std::size_t armed_ = 0;
};

}  // namespace howdah::net
