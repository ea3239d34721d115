// Counters of the proxy. Each belongs to one loop, which alone writes it; readers get copies that
// the loop makes. Times are microseconds.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "sql/statement.hpp"

namespace howdah::proxy {

// As PgBouncer's SHOW STATS has them, by database.
struct PoolStats {
    std::uint64_t server_assignments = 0;
    std::uint64_t transactions = 0;
    std::uint64_t queries = 0;
    std::uint64_t bytes_received = 0;  // from clients
    std::uint64_t bytes_sent = 0;      // to clients
    std::uint64_t transaction_us = 0;
    std::uint64_t query_us = 0;
    std::uint64_t wait_us = 0;
    std::uint64_t client_parses = 0;
    std::uint64_t server_parses = 0;
    std::uint64_t binds = 0;
    std::uint64_t client_logins = 0;
    std::uint64_t errors = 0;
    std::uint64_t pins = 0;
    std::uint64_t probes = 0;
    std::uint64_t plan_retries = 0;
    std::uint64_t cancels = 0;
    std::uint64_t connect_failures = 0;
    std::uint64_t connects = 0;

    void add(const PoolStats& other);
};

// The counters as they were at the last two ends of a stats_period.
struct StatsHistory {
    PoolStats newer;
    PoolStats older;
    void roll(const PoolStats& now) {
        older = newer;
        newer = now;
    }
};

// One statement shape's sums.
struct FingerprintEntry {
    sql::StatementRef statement;
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t queue_us = 0;
    std::uint64_t server_us = 0;
    std::uint64_t network_us = 0;
    std::uint64_t cache_us = 0;
    std::uint64_t server_us_max = 0;
    bool recent = false;  // for the clock that makes room
};

// Sums by fingerprint, bounded: the least used make room, and what they had counted goes to
// other(), so that totals stay right.
class FingerprintStats {
  public:
    explicit FingerprintStats(std::size_t entries_max) : entries_max_(entries_max) {}
    FingerprintEntry& entry(const sql::Statement& statement);
    // Where statements count of which nothing is known, or which made room.
    FingerprintEntry& other() { return other_; }
    void add_network(std::uint64_t fingerprint, std::uint64_t us);
    const std::unordered_map<std::uint64_t, FingerprintEntry>& all() const { return entries_; }
    const FingerprintEntry& other() const { return other_; }

  private:
    void make_room();
    void fold(const FingerprintEntry& entry);
    std::size_t entries_max_;
    std::unordered_map<std::uint64_t, FingerprintEntry> entries_;
    FingerprintEntry other_;
};

}  // namespace howdah::proxy
