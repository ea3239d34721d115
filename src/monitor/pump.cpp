#include "monitor/pump.hpp"

#include "base/thread_name.hpp"

namespace howdah::monitor {

using namespace std::chrono_literals;

namespace {

// At 50,000 statements a second a loop's ring (65,536) lasts for a second: this is often enough.
constexpr auto kPeriod = 50ms;
constexpr auto kBeatPeriod = 1s;
constexpr std::size_t kBatchMax = 4096;

}  // namespace

std::size_t Pump::drain() {
    std::size_t drained = 0;
    for (proxy::Worker* worker : shared_.workers) {
        bool more = true;
        while (more) {
            batch_.clear();
            QueryEvent event;
            while (batch_.size() < kBatchMax && (more = worker->events().pop(event))) {
                batch_.push_back(event);
            }
            if (!batch_.empty()) {
                for (const Observer& observe : observers_) {
                    observe(batch_);
                }
            }
            drained += batch_.size();
        }
    }
    return drained;
}

// Asks each loop for a sign of life, unless it still owes one.
void Pump::beat(Clock::time_point now) {
    bool alive = true;
    for (std::size_t i = 0; i < pulses_.size(); ++i) {
        const std::shared_ptr<Pulse>& pulse = pulses_[i];
        const Clock::time_point answered{Clock::duration(pulse->answered.load())};
        alive = alive && now - answered < kStuckAfter;
        if (!pulse->asked.exchange(true)) {
            shared_.workers[i]->loop().post([pulse] {
                pulse->answered = Clock::now().time_since_epoch().count();
                pulse->asked = false;
            });
        }
    }
    if (on_beat) {
        on_beat(alive);
    }
}

void Pump::run() {
    Clock::time_point next_beat = Clock::now();
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        lock.unlock();
        drain();
        for (const auto& tick : ticks_) {
            tick();
        }
        const Clock::time_point now = Clock::now();
        if (now >= next_beat) {
            beat(now);
            next_beat = now + kBeatPeriod;
        }
        lock.lock();
        changed_.wait_for(lock, kPeriod, [this] { return stopping_; });
    }
}

void Pump::start() {
    for (std::size_t i = 0; i < shared_.workers.size(); ++i) {
        pulses_.push_back(std::make_shared<Pulse>());
        pulses_.back()->answered = Clock::now().time_since_epoch().count();
    }
    thread_ = std::thread([this] {
        name_this_thread("howdah-pump");
        run();
    });
}

void Pump::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
        drain();
    }
}

}  // namespace howdah::monitor
