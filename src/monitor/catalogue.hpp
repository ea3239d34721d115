// The registry: every metric that howdah has, in one table. Dashboard, /metrics and all other
// exporters read from it; docs/metrics.md is printed from it.
//
// Two families of names: pgbouncer_*, exactly as pgbouncer_exporter names them, so that dashboards
// and alerts written for it work as they are; and howdah_*, base units, counters in _total. Label
// values are bounded: see Limits.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "monitor/metric.hpp"

namespace howdah::monitor {

// How many series there can be. What is beyond goes into one called "(other)".
struct Limits {
    static constexpr std::size_t kDatabasesMax = 256;
    static constexpr std::size_t kPoolsMax = 1024;
    static constexpr std::size_t kErrorClassesMax = 64;  // a database
};
inline constexpr std::string_view kOther = "(other)";

// Ends of the buckets of every duration, microseconds: 100 us to 60 s.
inline constexpr std::array<std::uint32_t, 18> kDurationLimitsUs = {
    100,     250,     500,     1'000,     2'500,     5'000,     10'000,     25'000,     50'000,
    100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};

[[nodiscard]] std::span<const MetricSpec> catalogue();
// The metric of this name; it must be in the table.
[[nodiscard]] const MetricSpec& metric(std::string_view name);
// docs/metrics.md.
[[nodiscard]] std::string catalogue_markdown();

}  // namespace howdah::monitor
