#include "insight/live/patterns.hpp"

#include <algorithm>

namespace howdah::insight::live {

Confidence PatternSum::confidence() const {
    std::uint64_t at_least = 0;
    for (const Confidence confidence : {Confidence::kConfirmed, Confidence::kLikely}) {
        at_least += windows[static_cast<std::size_t>(confidence)];
        if (at_least >= Patterns::kWindowsMin && at_least * 2 >= windows_all()) {
            return confidence;
        }
    }
    return Confidence::kSuspected;
}

bool PatternSum::raised() const {
    return windows_all() >= Patterns::kWindowsMin;
}

void Patterns::add(const Pattern& pattern, const std::string& route, std::int64_t at_us) {
    const bool flows = pattern.kind == PatternKind::kNPlusOne && pattern.parent != 0;
    const Key key{pattern.kind,
                  pattern.parent,
                  pattern.child,
                  flows ? pattern.column : std::uint8_t{0},
                  flows ? pattern.slot : std::uint8_t{0},
                  route};
    auto found = sums_.find(key);
    if (found == sums_.end()) {
        if (sums_.size() >= kMax) {
            sums_.erase(std::ranges::min_element(
                sums_, {}, [](const auto& item) { return item.second.last_us; }));
        }
        found = sums_.try_emplace(key).first;
        found->second.first_us = at_us;
        found->second.route = route;
        found->second.example = pattern;
    }
    PatternSum& sum = found->second;
    if (pattern.confidence > sum.example.confidence || pattern.depth > sum.example.depth) {
        sum.example = pattern;
    }
    ++sum.windows[static_cast<std::size_t>(pattern.confidence)];
    sum.rounds += pattern.rounds;
    sum.rounds_max = std::max(sum.rounds_max, pattern.rounds);
    sum.parallel += pattern.parallel ? 1U : 0U;
    sum.lost_us += pattern.lost_us;
    sum.last_us = std::max(sum.last_us, at_us);
    const auto us = static_cast<std::uint64_t>(pattern.lost_us);
    sum.databases.add(pattern.database, us);
    sum.users.add(pattern.user, us);
    sum.applications.add(pattern.application, us);
    sum.clients.add(pattern.client, us);
    sum.tags.add(pattern.tags_id, us);
}

std::vector<const PatternSum*> Patterns::raised() const {
    std::vector<const PatternSum*> sums;
    for (const auto& [key, sum] : sums_) {
        if (sum.raised()) {
            sums.push_back(&sum);
        }
    }
    return sums;
}

}  // namespace howdah::insight::live
