#include "proxy/stats_average.hpp"

#include <fmt/format.h>

namespace howdah::proxy {

PoolStats average_of(const PoolStats& now, const PoolStats& before, std::int64_t period_us) {
    PoolStats average;
    if (period_us <= 0) {
        return average;
    }
    const auto rate = [&](std::uint64_t PoolStats::* counter) {
        average.*counter =
            (now.*counter - before.*counter) * 1'000'000 / static_cast<std::uint64_t>(period_us);
    };
    const auto share = [&](std::uint64_t PoolStats::* time_us, std::uint64_t PoolStats::* counter) {
        const std::uint64_t count = now.*counter - before.*counter;
        average.*time_us = count > 0 ? (now.*time_us - before.*time_us) / count : 0;
    };
    for (const auto counter :
         {&PoolStats::server_assignments, &PoolStats::transactions, &PoolStats::queries,
          &PoolStats::bytes_received, &PoolStats::bytes_sent, &PoolStats::client_parses,
          &PoolStats::server_parses, &PoolStats::binds, &PoolStats::client_logins,
          &PoolStats::errors}) {
        rate(counter);
    }
    share(&PoolStats::transaction_us, &PoolStats::transactions);
    share(&PoolStats::query_us, &PoolStats::queries);
    share(&PoolStats::wait_us, &PoolStats::server_assignments);
    return average;
}

std::string describe_averages(const PoolStats& average) {
    return fmt::format(
        "{} xacts/s, {} queries/s, {} client parses/s, {} server parses/s, {} binds/s, "
        "in {} B/s, out {} B/s, xact {} us, query {} us, wait {} us, {} client logins/s",
        average.transactions, average.queries, average.client_parses, average.server_parses,
        average.binds, average.bytes_received, average.bytes_sent, average.transaction_us,
        average.query_us, average.wait_us, average.client_logins);
}

}  // namespace howdah::proxy
