// SpscRing: a bounded ring of values from one thread to one other, without locks.
//
// 1. Exactly one thread pushes, exactly one pops.
// 2. A full ring drops the new value and counts it; the producer never waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace howdah {

template <typename T>
class SpscRing {
    static_assert(std::is_trivially_copyable_v<T>, "values only: nothing to destroy on a drop");

  public:
    // capacity: a power of two.
    explicit SpscRing(std::size_t capacity)
        : mask_(capacity - 1), slots_(std::make_unique<T[]>(capacity)) {}

    bool push(const T& value) {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        if (head - cached_tail_ > mask_) {
            cached_tail_ = tail_.load(std::memory_order_acquire);
            if (head - cached_tail_ > mask_) {
                dropped_.fetch_add(1, std::memory_order_relaxed);
                return false;
            }
        }
        slots_[head & mask_] = value;
        head_.store(head + 1, std::memory_order_release);
        return true;
    }

    bool pop(T& value) {
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        if (tail == head_.load(std::memory_order_acquire)) {
            return false;
        }
        value = slots_[tail & mask_];
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }

    std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  private:
    const std::uint64_t mask_;
    std::unique_ptr<T[]> slots_;
    alignas(64) std::atomic<std::uint64_t> head_{0};
    std::uint64_t cached_tail_ = 0;  // producer's own copy
    std::atomic<std::uint64_t> dropped_{0};
    alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace howdah
