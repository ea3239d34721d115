// Tap: looks at the values that go by on one loop, and hands salted hashes of them up a ring
// (base/tap.hpp), where they are followed from results into parameters. On the loop's thread.
//
//     open()      a Bind, or a text with its literals inside, goes to the server
//     rows()      rows of its answer go to the client
//     close()     its answer is complete: the record goes up
//
// 1. Nothing is read that does not stand in one piece anyway, nothing is kept but hashes, and
//    nothing is allocated once kSlotsMax slots and kSheetsMax sheets have been made. When they are
//    all in use, a statement goes by unseen, and is counted.
// 2. About 20 ns a cell, 8 columns of 1,024 rows of a result at most. Above sample_above statements
//    a second one client group of kSampleOf is looked at, another one every few seconds.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/tap.hpp"
#include "net/timer.hpp"
#include "sql/literals.hpp"

namespace howdah::proxy {

class Tap;

// The hash of one value, 0 for what is not followed. `binary`: in the protocol's binary format.
std::uint64_t value_hash(std::string_view value, bool binary, std::uint64_t salt,
                         std::uint8_t* kind = nullptr);

// One statement under way.
struct TapSlot {
    Tap* tap = nullptr;
    std::array<std::uint64_t, TapRecord::kHeaderWords + TapRecord::kBindsMax> head{};
    std::size_t binds = 0;
    std::uint64_t* sheet = nullptr;    // cells; null: none seen, or no sheet free
    std::uint64_t binary_columns = 0;  // a bit a column
    std::size_t columns = 0;
    std::size_t rows = 0;
    bool blind = false;  // its rows cannot be followed
};
struct CloseTapSlot {
    void operator()(TapSlot* slot) const;
};
using TapSlotPtr = std::unique_ptr<TapSlot, CloseTapSlot>;

class Tap {
  public:
    static constexpr std::size_t kSlotsMax = 2048;
    static constexpr std::size_t kSheetsMax = 64;
    static constexpr std::size_t kRingWords = 1U << 17U;  // 1 MiB
    static constexpr std::uint64_t kRowsAllMax = 10'000;
    static constexpr unsigned kSampleOf = 8;

    Tap(std::uint64_t salt, std::uint32_t loop)
        : salt_(salt), next_id_(std::uint64_t{loop} << 48U) {}
    Tap(const Tap&) = delete;
    Tap& operator=(const Tap&) = delete;

    // sample_above: statements a second; on: false makes all of this free.
    void configure(bool on, int sample_above) {
        on_ = on;
        sample_above_ = sample_above;
    }
    // Whether the next statement of this group of clients is to be looked at.
    bool wants(std::uint32_t group, net::TimePoint now) {
        return on_ && (now < second_ends_ ? ++seen_ : begin_second(now)) != 0 &&
               (seen_ <= sample_above_ || in_sample(group));
    }
    // `values`: a Bind's body behind its two names. Null: there was no room.
    TapSlotPtr open_bind(std::string_view values);
    // The literals of a text are its values; null: they are looked for.
    TapSlotPtr open_text(std::string_view text, const sql::Literals* literals = nullptr);
    // Whole DataRow messages.
    void rows(TapSlot& slot, std::span<const std::uint8_t> messages);
    // The record goes up; its id, 0 when there was nothing to tell or no room.
    std::uint64_t close(TapSlot* slot, std::uint64_t rows_all);

    WordRing& ring() { return ring_; }
    [[nodiscard]] std::uint64_t unseen() const { return unseen_; }
    [[nodiscard]] std::uint64_t tapped() const { return tapped_; }

  private:
    friend struct CloseTapSlot;
    TapSlotPtr take_slot();
    void add_literal(TapSlot& slot, std::string_view literal, sql::Literal::Kind kind) const;
    void give_back(TapSlot* slot);
    int begin_second(net::TimePoint now);
    bool in_sample(std::uint32_t group) const {
        return (group * 2654435761U >> 16U) % kSampleOf == sample_turn_ % kSampleOf;
    }
    void row(TapSlot& slot, std::span<const std::uint8_t> body);
    bool take_sheet(TapSlot& slot);

    const std::uint64_t salt_;
    std::uint64_t next_id_;
    bool on_ = false;
    int sample_above_ = 0;
    int seen_ = 0;
    unsigned sample_turn_ = 0;
    net::TimePoint second_ends_{};
    std::uint64_t unseen_ = 0;
    std::uint64_t tapped_ = 0;
    std::vector<std::unique_ptr<TapSlot>> slots_;
    std::vector<TapSlot*> free_slots_;
    std::vector<std::unique_ptr<std::uint64_t[]>> sheets_;
    std::vector<std::uint64_t*> free_sheets_;
    WordRing ring_{kRingWords};
};

}  // namespace howdah::proxy
