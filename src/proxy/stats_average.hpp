// Averages of counters over the last stats_period, as PgBouncer makes them: counts and bytes by
// second, times by what they were spent on.
#pragma once

#include <string>

#include "proxy/stats.hpp"

namespace howdah::proxy {

PoolStats average_of(const PoolStats& now, const PoolStats& before, std::int64_t period_us);

// "12 xacts/s, 40 queries/s, ..": the line that is logged every stats_period.
std::string describe_averages(const PoolStats& average);

}  // namespace howdah::proxy
