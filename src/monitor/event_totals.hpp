// EventTotals: what all QueryEvents add up to, by database: histograms of the four parts of a
// statement's time, errors by class, rows and bytes. Written by the pump's thread, read by any,
// behind a lock that no loop ever takes.
//
// Bounded: Limits::kDatabasesMax databases of about 34 KiB, beyond that one for all others.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/histogram.hpp"
#include "base/query_event.hpp"

namespace howdah::monitor {

struct DatabaseTotals {
    Histogram queue;
    Histogram server;
    Histogram network;
    Histogram cache;
    Histogram duration;
    std::uint64_t queries = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::map<std::string, std::uint64_t> errors;  // by class: "23"; "(other)" beyond the limit
};

class EventTotals {
  public:
    void observe(std::span<const QueryEvent> events);

    // Calls `look(database_id, totals)` for each, under the lock: be quick. Id 1 is "(other)".
    template <typename Look>
    void for_each(Look&& look) const {
        const std::scoped_lock lock(mutex_);
        for (const auto& [id, totals] : by_database_) {
            look(id, totals);
        }
    }

  private:
    DatabaseTotals& totals_of(std::uint32_t database_id);

    mutable std::mutex mutex_;
    std::map<std::uint32_t, DatabaseTotals> by_database_;
};

}  // namespace howdah::monitor
