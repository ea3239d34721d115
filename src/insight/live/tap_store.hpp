// TapStore: tap records between their coming up and their statement's event, which waits for the
// client to have taken its answer. Bounded: kWords of values, kSlots records; what is not asked for
// in time is overwritten. Allocates once. One thread at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/tap.hpp"

namespace howdah::insight::live {

class TapStore {
  public:
    static constexpr std::size_t kSlots = 16'384;
    static constexpr std::size_t kWords = 1U << 20U;  // 8 MiB

    TapStore() : words_(std::make_unique_for_overwrite<std::uint64_t[]>(kWords)) {}

    void put(std::span<const std::uint64_t> record) {
        if (written_ % kWords + record.size() > kWords) {
            written_ += kWords - written_ % kWords;
        }
        std::ranges::copy(record, words_.get() + written_ % kWords);
        slots_[slot_of(record[1])] = {record[1], written_, record.size()};
        written_ += record.size();
    }
    // Valid until the next put().
    [[nodiscard]] std::optional<TapRecord> find(std::uint64_t tap_id) const {
        const Slot& slot = slots_[slot_of(tap_id)];
        if (tap_id == 0 || slot.tap_id != tap_id || written_ - slot.at > kWords) {
            return std::nullopt;
        }
        return TapRecord::read({words_.get() + slot.at % kWords, slot.words});
    }

  private:
    struct Slot {
        std::uint64_t tap_id = 0;
        std::uint64_t at = 0;
        std::size_t words = 0;
    };
    static std::size_t slot_of(std::uint64_t tap_id) {
        return (tap_id ^ (tap_id >> 48U) * 0x9e37U) % kSlots;
    }
    std::unique_ptr<std::uint64_t[]> words_;
    std::array<Slot, kSlots> slots_{};
    std::uint64_t written_ = 0;
};

}  // namespace howdah::insight::live
