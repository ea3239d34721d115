// What one loop has counted, as plain values: made on the loop in one go, read anywhere.
//
// Costs the loop a few microseconds a pool; statements() about 0.1 us a statement shape, so it is
// for people who look, not for every scrape.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "pool/pool.hpp"
#include "proxy/stats.hpp"
#include "sql/comments.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::proxy {

class Worker;

struct PoolSnapshot {
    std::string database;
    std::string user;
    config::PoolMode mode = config::PoolMode::kTransaction;
    PoolStats stats;
    pool::Counts servers;
    int clients = 0;  // logged in or logging in
    int size = 0;     // pool_size
    int reserve_size = 0;
    int servers_max = 0;  // server connections it may have, by these and the limits it counts in
    std::int64_t wait_us_max = 0;  // how long the first in the queue has been waiting
    bool paused = false;
    bool disabled = false;
    bool failing = false;  // the last attempt to connect failed
};

struct WorkerSnapshot {
    std::uint32_t index = 0;
    std::vector<PoolSnapshot> pools;
    std::set<std::string> users;  // of the pools and of clients that are logged in
    sql::StatementCache::Counters statements;
    std::size_t sessions = 0;
    std::size_t prepared = 0;
    std::size_t fingerprints = 0;
    std::uint64_t sessions_total = 0;
    std::uint64_t protocol_errors = 0;
    std::uint64_t events_recorded = 0;
    std::uint64_t events_dropped = 0;
    std::uint64_t taps = 0;  // statements whose values were looked at
    std::uint64_t taps_dropped = 0;
};

struct StatementsSnapshot {
    std::vector<FingerprintEntry> entries;
    FingerprintEntry other;  // no statement of its own
};

// A client inside a transaction.
struct TransactionSnapshot {
    std::string database, user, application, client;
    std::int64_t open_us = 0;  // for how long
    std::int64_t idle_us = 0;  // 0: something runs
};

// Texts and tags that events named, as far as this loop still has them.
using KnownStatements = std::vector<std::pair<std::uint64_t, sql::StatementRef>>;
using KnownTags = std::vector<std::pair<std::uint64_t, std::vector<sql::Tag>>>;

// As SHOW LISTS counts them: those configured and those of `in_use`, with the console under its own
// name; users of the auth_file, too.
[[nodiscard]] std::set<std::string> known_databases(const config::Config& config,
                                                    std::set<std::string> in_use);
[[nodiscard]] std::set<std::string> known_users(const config::Config& config,
                                                std::set<std::string> in_use);

// On the worker's loop.
[[nodiscard]] std::vector<TransactionSnapshot> take_transactions(Worker& worker);
[[nodiscard]] KnownStatements find_statements(Worker& worker, std::span<const std::uint64_t> keys);
[[nodiscard]] KnownTags find_tags(Worker& worker, std::span<const std::uint64_t> ids);
[[nodiscard]] WorkerSnapshot take_snapshot(Worker& worker);
[[nodiscard]] StatementsSnapshot take_statements(Worker& worker);

}  // namespace howdah::proxy
