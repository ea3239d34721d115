// Histogram: how often each duration came, to two significant decimal digits. Values are whole
// microseconds, 0 to 2^32 - 1.
//
// 1. Buckets are 0, 1, .. 9, then 10 .. 99 times a power of ten: a value is at most 10 % below its
//    bucket's end. Limits such as 250 us, 1 ms or 2.5 s are ends of buckets, so that counts below
//    them are exact.
// 2. Two histograms add up bucket by bucket: merging loses nothing.
// 3. One thread at a time. About 6.5 KiB; nothing grows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace howdah {

class Histogram {
  public:
    static constexpr std::size_t kDecades = 9;
    static constexpr std::size_t kBuckets = 10 + 90 * kDecades;

    void record(std::uint32_t us) {
        ++counts_[bucket_of(us)];
        ++count_;
        sum_us_ += us;
        max_us_ = us > max_us_ ? us : max_us_;
    }

    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < kBuckets; ++i) {
            counts_[i] += other.counts_[i];
        }
        count_ += other.count_;
        sum_us_ += other.sum_us_;
        max_us_ = other.max_us_ > max_us_ ? other.max_us_ : max_us_;
    }

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] std::uint64_t sum_us() const { return sum_us_; }
    [[nodiscard]] std::uint32_t max_us() const { return max_us_; }

    // How many values were below `us`. Exact where `us` is a bucket's end, else rounded down to
    // one.
    [[nodiscard]] std::uint64_t count_below(std::uint64_t us) const {
        std::uint64_t below = 0;
        for (std::size_t i = 0; i < kBuckets && end_of(i) <= us; ++i) {
            below += counts_[i];
        }
        return below;
    }

    // The value that `share` (0 to 1) of all are at or below: its bucket's last, at most max_us().
    [[nodiscard]] std::uint32_t percentile(double share) const {
        if (count_ == 0) {
            return 0;
        }
        const double exact = share * static_cast<double>(count_);
        std::uint64_t rank = static_cast<std::uint64_t>(exact);
        rank += static_cast<double>(rank) < exact || rank == 0 ? 1 : 0;
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < kBuckets; ++i) {
            seen += counts_[i];
            if (seen >= rank) {
                const std::uint64_t last = end_of(i) - 1;
                return last < max_us_ ? static_cast<std::uint32_t>(last) : max_us_;
            }
        }
        return max_us_;
    }

    static constexpr std::size_t bucket_of(std::uint32_t us) {
        if (us < 10) {
            return us;
        }
        std::size_t decade = 0;
        std::uint32_t scaled = us;
        while (scaled >= 100) {
            scaled /= 10;
            ++decade;
        }
        return 10 + decade * 90 + (scaled - 10);
    }

    // The first value that is above bucket `index`.
    static constexpr std::uint64_t end_of(std::size_t index) {
        if (index < 10) {
            return index + 1;
        }
        std::uint64_t scale = 1;
        for (std::size_t decade = (index - 10) / 90; decade > 0; --decade) {
            scale *= 10;
        }
        return ((index - 10) % 90 + 11) * scale;
    }

  private:
    std::array<std::uint64_t, kBuckets> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t sum_us_ = 0;
    std::uint32_t max_us_ = 0;
};

}  // namespace howdah
