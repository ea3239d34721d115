// Patterns: adds up over many windows what Flow saw in each, until it is worth a finding.
//
// 1. A finding is raised after kWindowsMin windows; its confidence is the best that at least
//    kWindowsMin windows and half of all had.
// 2. Bounded: kMax patterns; the one not seen for longest makes room.
// 3. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "insight/live/flow.hpp"
#include "insight/live/statistics.hpp"

namespace howdah::insight::live {

struct PatternSum {
    Pattern example;  // of the best window
    std::string route;
    std::array<std::uint64_t, 3> windows{};  // by confidence
    std::uint64_t rounds = 0;
    std::uint64_t parallel = 0;  // windows
    std::int64_t lost_us = 0;
    std::int64_t first_us = 0, last_us = 0;
    std::uint32_t rounds_max = 0;
    Breakdown databases, users, applications, clients, tags;

    [[nodiscard]] std::uint64_t windows_all() const { return windows[0] + windows[1] + windows[2]; }
    [[nodiscard]] Confidence confidence() const;
    [[nodiscard]] bool raised() const;
};

class Patterns {
  public:
    static constexpr std::size_t kMax = 1000;
    static constexpr std::uint64_t kWindowsMin = 3;

    void add(const Pattern& pattern, const std::string& route, std::int64_t at_us);
    // Those that are worth a finding.
    [[nodiscard]] std::vector<const PatternSum*> raised() const;

  private:
    using Key = std::tuple<PatternKind, std::uint64_t, std::uint64_t, std::uint8_t, std::uint8_t,
                           std::string>;
    std::map<Key, PatternSum> sums_;
};

}  // namespace howdah::insight::live
