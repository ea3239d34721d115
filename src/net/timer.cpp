#include "net/timer.hpp"

#include <algorithm>
#include <bit>

#include "net/loop.hpp"

namespace howdah::net {

void Event::notify() {
    notified_ = true;
    if (waiter_) {
        loop_.schedule(std::exchange(waiter_, nullptr));
    }
}

void Deadline::arm(TimePoint when) {
    disarm();
    if (when != TimePoint::max()) {  // max: never
        event_->loop().timers().insert(*this, when);
    }
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
    const std::int64_t us = when.time_since_epoch().count();
    const std::int64_t tick = std::max(us / kTickUs + (us % kTickUs > 0 ? 1 : 0), tick_);
    const std::size_t index = static_cast<std::size_t>(tick) % kSlots;
    TimerLink& slot = slots_[index];
    occupied_[index / 64] |= std::uint64_t{1} << (index % 64);
    deadline.previous = slot.previous;
    deadline.next = &slot;
    slot.previous->next = &deadline;
    slot.previous = &deadline;
    ++armed_;
}

void TimerWheel::remove(Deadline& deadline) {
    deadline.previous->next = deadline.next;
    deadline.next->previous = deadline.previous;
    if (deadline.previous == deadline.next) {  // only the slot itself is left
        const auto index = static_cast<std::size_t>(deadline.next - slots_.data());
        occupied_[index / 64] &= ~(std::uint64_t{1} << (index % 64));
    }
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
    // Word by word from the current slot on, once around.
    const std::size_t start = static_cast<std::size_t>(tick_) % kSlots;
    for (std::size_t i = 0; i <= occupied_.size(); ++i) {
        const std::size_t word = (start / 64 + i) % occupied_.size();
        std::uint64_t bits = occupied_[word];
        if (i == 0) {
            bits &= ~std::uint64_t{0} << (start % 64);
        }
        if (bits != 0) {
            const std::size_t slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
            const std::size_t ahead = (slot + kSlots - start) % kSlots;
            return TimePoint(Duration((tick_ + static_cast<std::int64_t>(ahead)) * kTickUs));
        }
    }
    return TimePoint::max();
}

}  // namespace howdah::net
