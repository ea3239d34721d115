// SparseHistogram: base/histogram.hpp for thousands of statements: the same buckets, but only those
// that were ever hit take memory (8 bytes; a statement has 20 to 60). One thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/histogram.hpp"

namespace howdah::insight::live {

class SparseHistogram {
  public:
    void record(std::uint32_t us) {
        add(static_cast<std::uint16_t>(Histogram::bucket_of(us)), 1);
        max_us_ = std::max(max_us_, us);
    }
    void merge(const SparseHistogram& other) {
        for (const Bucket& bucket : other.buckets_) {
            add(bucket.index, bucket.count);
        }
        max_us_ = std::max(max_us_, other.max_us_);
    }
    [[nodiscard]] std::uint64_t count() const {
        std::uint64_t count = 0;
        for (const Bucket& bucket : buckets_) {
            count += bucket.count;
        }
        return count;
    }
    // As Histogram::percentile.
    [[nodiscard]] std::uint32_t percentile(double share) const {
        const double exact = share * static_cast<double>(count());
        double seen = 0;
        for (const Bucket& bucket : buckets_) {
            seen += bucket.count;
            if (seen >= exact) {
                const std::uint64_t last = Histogram::end_of(bucket.index) - 1;
                return static_cast<std::uint32_t>(std::min<std::uint64_t>(last, max_us_));
            }
        }
        return max_us_;
    }
    [[nodiscard]] std::uint32_t max_us() const { return max_us_; }

  private:
    struct Bucket {
        std::uint16_t index;
        std::uint32_t count;
    };
    void add(std::uint16_t index, std::uint32_t count) {
        const auto at = std::ranges::lower_bound(buckets_, index, {}, &Bucket::index);
        if (at != buckets_.end() && at->index == index) {
            at->count = count > UINT32_MAX - at->count ? UINT32_MAX : at->count + count;
        } else {
            buckets_.insert(at, {index, count});
        }
    }
    std::vector<Bucket> buckets_;
    std::uint32_t max_us_ = 0;
};

}  // namespace howdah::insight::live
