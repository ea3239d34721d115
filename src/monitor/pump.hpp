// Pump: the control plane's own thread. Empties the QueryEvent rings of all loops and hands the
// events on, and sees whether the loops are alive.
//
// 1. It is the one consumer of the rings, from start() to stop().
// 2. Stop it before Proxy::stop(): the rings belong to the loops.
// 3. Observers run on its thread, in order; a slow one makes rings fill, which drops events and
//    counts them, and never slows a query down.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/query_event.hpp"
#include "proxy/worker.hpp"

namespace howdah::monitor {

using Observer = std::function<void(std::span<const QueryEvent>)>;

class Pump {
  public:
    using Clock = std::chrono::steady_clock;
    // How long a loop may take to answer before it counts as stuck.
    static constexpr std::chrono::milliseconds kStuckAfter{5000};

    explicit Pump(proxy::Shared& shared) : shared_(shared) {}
    ~Pump() { stop(); }
    Pump(const Pump&) = delete;
    Pump& operator=(const Pump&) = delete;

    // Before start(). Several at most: each event is handed to every one.
    void add_observer(Observer observer) { observers_.push_back(std::move(observer)); }
    // Before start(). Called after each look at the rings, 20 times a second.
    void add_tick(std::function<void()> tick) { ticks_.push_back(std::move(tick)); }
    // Called once a second or so, with whether every loop has answered lately.
    std::function<void(bool alive)> on_beat;

    void start();
    // Empties the rings once more and ends the thread.
    void stop();
    // One look at every ring; how many events there were. For tests, and the thread itself.
    std::size_t drain();

  private:
    struct Pulse {  // kept alive by the task that is posted, not by the pump
        std::atomic<Clock::rep> answered{0};
        std::atomic<bool> asked{false};
    };
    void run();
    void beat(Clock::time_point now);

    proxy::Shared& shared_;
    std::vector<Observer> observers_;
    std::vector<std::function<void()>> ticks_;
    std::vector<QueryEvent> batch_;
    std::vector<std::shared_ptr<Pulse>> pulses_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace howdah::monitor
