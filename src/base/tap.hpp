// What the proxy saw of the values of one statement, as salted hashes: how a value is followed from
// one statement's result into the next one's parameters without being known.
//
// TapRecord, in words of 64 bits, as it stands in a WordRing:
//
//     0   words in all
//     1   tap_id (QueryEvent has the same)
//     2   binds (bits 0 to 7) | columns (8 to 15) | rows kept (16 to 31) | rows in all (32 to 63)
//     3   class of each bind, 8 bits a slot: see BindClass
//     4.. one hash a bind, then one a cell, row by row; 0: no value, or none that is followed
//
// 1. A hash is of the value's canonical form under a salt of the process: the text 42 and the
//    binary int4 and int8 of it are one. It is never written to disk and never shown.
// 2. At most kBindsMax binds, kColumnsMax columns, kRowsMax rows.
//
// WordRing: a bounded ring of such records from one thread to one other. A record that does not fit
// is dropped and counted; the producer never waits.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace howdah {

// Upper three bits of a bind's class; the lower five are the bit width of a number (at most 31), or
// of a text's length.
enum class BindClass : std::uint8_t { kNone, kNull, kInteger, kUuid, kText, kOther, kLong };

constexpr std::uint8_t bind_class(BindClass kind, unsigned width) {
    return static_cast<std::uint8_t>((static_cast<unsigned>(kind) << 5U) | std::min(width, 31U));
}

struct TapRecord {
    static constexpr std::size_t kHeaderWords = 4;
    static constexpr std::size_t kBindsMax = 8;
    static constexpr std::size_t kColumnsMax = 8;
    static constexpr std::size_t kRowsMax = 1024;
    static constexpr std::size_t kWordsMax = kHeaderWords + kBindsMax + kColumnsMax * kRowsMax;

    std::uint64_t tap_id = 0;
    std::uint64_t bind_classes = 0;
    std::span<const std::uint64_t> binds;
    std::span<const std::uint64_t> cells;
    std::size_t columns = 0;
    std::size_t rows = 0;  // kept
    std::uint32_t rows_all = 0;

    static std::uint64_t shape_word(std::size_t binds, std::size_t columns, std::size_t rows,
                                    std::uint64_t rows_all) {
        return binds | columns << 8U | rows << 16U |
               std::min<std::uint64_t>(rows_all, UINT32_MAX) << 32U;
    }
    // A view into `words`, which is one whole record.
    static TapRecord read(std::span<const std::uint64_t> words) {
        TapRecord record;
        record.tap_id = words[1];
        const std::uint64_t shape = words[2];
        const std::size_t binds = shape & 0xff;
        record.columns = (shape >> 8U) & 0xff;
        record.rows = (shape >> 16U) & 0xffff;
        record.rows_all = static_cast<std::uint32_t>(shape >> 32U);
        record.bind_classes = words[3];
        record.binds = words.subspan(kHeaderWords, binds);
        record.cells = words.subspan(kHeaderWords + binds, record.columns * record.rows);
        return record;
    }
};

class WordRing {
  public:
    // capacity: a power of two, in words.
    explicit WordRing(std::size_t capacity)
        : mask_(capacity - 1), words_(std::make_unique<std::uint64_t[]>(capacity)) {}

    // Up to two pieces of one record; its first word says how many words it has.
    bool push(std::span<const std::uint64_t> head, std::span<const std::uint64_t> tail) {
        const std::uint64_t at = head_.load(std::memory_order_relaxed);
        const std::size_t words = head.size() + tail.size();
        if (at + words - cached_tail_ > mask_ + 1) {
            cached_tail_ = tail_.load(std::memory_order_acquire);
            if (at + words - cached_tail_ > mask_ + 1) {
                dropped_.fetch_add(1, std::memory_order_relaxed);
                return false;
            }
        }
        copy_in(at, head);
        copy_in(at + head.size(), tail);
        head_.store(at + words, std::memory_order_release);
        return true;
    }

    // The oldest record into `into`, which has room for TapRecord::kWordsMax; its words, 0: none.
    std::size_t pop(std::span<std::uint64_t> into) {
        const std::uint64_t at = tail_.load(std::memory_order_relaxed);
        if (at == head_.load(std::memory_order_acquire)) {
            return 0;
        }
        const std::size_t words = words_[at & mask_];
        for (std::size_t i = 0; i < words; ++i) {
            into[i] = words_[(at + i) & mask_];
        }
        tail_.store(at + words, std::memory_order_release);
        return words;
    }

    std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  private:
    void copy_in(std::uint64_t at, std::span<const std::uint64_t> words) {
        const std::size_t begin = at & mask_;
        const std::size_t first = std::min(words.size(), mask_ + 1 - begin);
        std::copy_n(words.begin(), first, words_.get() + begin);
        std::copy_n(words.begin() + static_cast<std::ptrdiff_t>(first), words.size() - first,
                    words_.get());
    }

    const std::size_t mask_;
    std::unique_ptr<std::uint64_t[]> words_;
    alignas(64) std::atomic<std::uint64_t> head_{0};
    std::uint64_t cached_tail_ = 0;  // producer's own copy
    std::atomic<std::uint64_t> dropped_{0};
    alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace howdah
