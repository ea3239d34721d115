// StatementSeries: counters by statement for metrics_top_queries, out of sums that come and go: a
// statement is among the slowest at one look and not at the next, and a loop's table makes room by
// moving what a statement had counted to "(other)". Belongs to the thread that looks.
//
// 1. No series ever falls. A statement's own grows by what it did between two looks at which it was
//    among the slowest; what it does besides grows "(other)". One that comes back goes on where it
//    left.
// 2. All series together are all that was counted, also what was before the first look.
// 3. `wanted` statements and "(other)" at each look; kRememberedMax that may come back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/stats.hpp"

namespace howdah::monitor {

struct StatementCounters {
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;
    std::uint64_t rows = 0;
    std::uint64_t server_us = 0;
};

struct StatementSample {
    std::string fingerprint;  // 16 digits, or "(other)"
    StatementCounters counters;
};

class StatementSeries {
  public:
    static constexpr std::size_t kRememberedMax = 10'000;

    // `all`: each statement's sums now; `other`: those of statements without an entry.
    [[nodiscard]] std::vector<StatementSample> look(const std::vector<proxy::FingerprintEntry>& all,
                                                    const proxy::FingerprintEntry& other,
                                                    std::size_t wanted);

  private:
    struct Known {
        StatementCounters own;
        StatementCounters seen;  // its sums at the last look that showed it
        std::uint64_t shown_at = 0;
    };
    std::unordered_map<std::uint64_t, Known> known_;
    StatementCounters owned_;  // of all statements, also of those that are forgotten
    StatementCounters other_;
    std::uint64_t looks_ = 0;
};

}  // namespace howdah::monitor
