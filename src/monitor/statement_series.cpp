#include "monitor/statement_series.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "monitor/catalogue.hpp"

namespace howdah::monitor {
namespace {

constexpr std::uint64_t StatementCounters::* kFields[] = {
    &StatementCounters::calls, &StatementCounters::errors, &StatementCounters::rows,
    &StatementCounters::server_us};

StatementCounters counters_of(const proxy::FingerprintEntry& entry) {
    return {entry.calls, entry.errors, entry.rows, entry.server_us};
}

void add(StatementCounters& sum, const StatementCounters& part) {
    for (const auto field : kFields) {
        sum.*field += part.*field;
    }
}

// Nothing where it fell: a loop has forgotten the statement and begun anew.
StatementCounters growth(const StatementCounters& now, const StatementCounters& before) {
    StatementCounters grown;
    for (const auto field : kFields) {
        grown.*field = now.*field - std::min(now.*field, before.*field);
    }
    return grown;
}

std::vector<const proxy::FingerprintEntry*> slowest(const std::vector<proxy::FingerprintEntry>& all,
                                                    std::size_t wanted) {
    std::vector<const proxy::FingerprintEntry*> found;
    for (const proxy::FingerprintEntry& entry : all) {
        found.push_back(&entry);
    }
    const std::size_t count = std::min(wanted, found.size());
    std::ranges::partial_sort(found, found.begin() + static_cast<std::ptrdiff_t>(count),
                              std::ranges::greater(), &proxy::FingerprintEntry::server_us);
    found.resize(count);
    return found;
}

}  // namespace

std::vector<StatementSample> StatementSeries::look(const std::vector<proxy::FingerprintEntry>& all,
                                                   const proxy::FingerprintEntry& other,
                                                   std::size_t wanted) {
    std::vector<StatementSample> samples;
    const std::uint64_t last_look = looks_++;
    for (const proxy::FingerprintEntry* entry : slowest(all, wanted)) {
        const std::uint64_t key = entry->statement->key();
        Known& known = known_[key];
        const StatementCounters now = counters_of(*entry);
        if (known.shown_at == last_look) {  // at the first look: all, for "(other)" was not there
            const StatementCounters grown = growth(now, known.seen);
            add(known.own, grown);
            add(owned_, grown);
        }
        known.seen = now;
        known.shown_at = looks_;
        samples.push_back({fmt::format("{:016x}", key), known.own});
    }
    StatementCounters total = counters_of(other);
    for (const proxy::FingerprintEntry& entry : all) {
        add(total, counters_of(entry));
    }
    const StatementCounters rest = growth(total, owned_);
    for (const auto field : kFields) {
        other_.*field = std::max(other_.*field, rest.*field);
    }
    samples.push_back({std::string(kOther), other_});
    if (known_.size() > kRememberedMax) {
        std::erase_if(known_, [this](const auto& one) { return one.second.shown_at != looks_; });
    }
    return samples;
}

}  // namespace howdah::monitor
