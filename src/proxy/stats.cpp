#include "proxy/stats.hpp"

#include <algorithm>
#include <utility>

namespace howdah::proxy {

void PoolStats::add(const PoolStats& other) {
    server_assignments += other.server_assignments;
    transactions += other.transactions;
    queries += other.queries;
    bytes_received += other.bytes_received;
    bytes_sent += other.bytes_sent;
    transaction_us += other.transaction_us;
    query_us += other.query_us;
    wait_us += other.wait_us;
    client_parses += other.client_parses;
    server_parses += other.server_parses;
    binds += other.binds;
    client_logins += other.client_logins;
    errors += other.errors;
    pins += other.pins;
    probes += other.probes;
    plan_retries += other.plan_retries;
    cancels += other.cancels;
    connect_failures += other.connect_failures;
    connects += other.connects;
}

FingerprintEntry& FingerprintStats::entry(const sql::Statement& statement) {
    const auto found = entries_.find(statement.key());
    if (found != entries_.end()) {
        found->second.recent = true;
        return found->second;
    }
    if (entries_.size() >= entries_max_) {
        make_room();
    }
    FingerprintEntry& made = entries_[statement.key()];
    made.statement = sql::StatementRef(&statement);
    return made;
}

void FingerprintStats::add_network(std::uint64_t fingerprint, std::uint64_t us) {
    const auto found = entries_.find(fingerprint);
    (found == entries_.end() ? other_ : found->second).network_us += us;
}

void FingerprintStats::fold(const FingerprintEntry& entry) {
    other_.calls += entry.calls;
    other_.errors += entry.errors;
    other_.rows += entry.rows;
    other_.bytes_in += entry.bytes_in;
    other_.bytes_out += entry.bytes_out;
    other_.queue_us += entry.queue_us;
    other_.server_us += entry.server_us;
    other_.network_us += entry.network_us;
    other_.cache_us += entry.cache_us;
    other_.server_us_max = std::max(other_.server_us_max, entry.server_us_max);
}

// Those not used since the last time go, a quarter at most; where all were used, any one goes now
// and the rest are judged by what comes next.
void FingerprintStats::make_room() {
    const std::size_t gone_max = std::max<std::size_t>(1, entries_max_ / 4);
    std::size_t gone = 0;
    for (auto it = entries_.begin(); it != entries_.end() && gone < gone_max;) {
        if (std::exchange(it->second.recent, false)) {
            ++it;
            continue;
        }
        fold(it->second);
        it = entries_.erase(it);
        ++gone;
    }
    if (gone == 0 && !entries_.empty()) {
        fold(entries_.begin()->second);
        entries_.erase(entries_.begin());
    }
}

}  // namespace howdah::proxy
