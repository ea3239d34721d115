// What the console takes from one worker, on that worker's loop: plain values, to be put together
// and printed on the loop of the console's session.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/stats.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

// A client or server connection, as SHOW CLIENTS, SERVERS and SOCKETS have it.
struct SocketRow {
    bool server = false;
    std::string user;
    std::string database;
    std::string replication;
    std::string state;
    std::string address;
    int port = 0;
    std::string local_address;
    int local_port = 0;
    std::int64_t connected_wall_us = 0;
    std::int64_t requested_wall_us = 0;
    std::int64_t wait_us = 0;
    bool close_needed = false;
    const void* self = nullptr;
    const void* link = nullptr;
    std::uint32_t remote_pid = 0;
    std::string tls;
    std::string application_name;
    std::size_t prepared_statements = 0;
    std::uint64_t id = 0;
    std::size_t input_bytes = 0;   // received, not dealt with
    std::size_t output_bytes = 0;  // not yet taken by the kernel
    // howdah's own
    std::string pins;
    std::uint64_t link_id = 0;
    std::size_t heap_bytes = 0;
    std::uint32_t loop = 0;
};
std::vector<SocketRow> client_rows(Worker& worker);
std::vector<SocketRow> server_rows(Worker& worker);

// The pool of one database and user on one loop.
struct PoolRow {
    std::string database;
    std::string user;
    int clients_active = 0;
    int clients_waiting = 0;
    int cancel_requests = 0;     // of clients, under way to a server; none ever waits to be sent
    int servers_cancelling = 0;  // connections that bring a cancel request
    int servers_active = 0;
    int servers_being_cancelled = 0;
    int servers_idle = 0;
    int servers_used = 0;  // idle for so long that they are checked before use
    int servers_tested = 0;
    int servers_login = 0;
    int clients_pinned = 0;
    std::int64_t wait_us_max = 0;
    std::string pool_mode;
    std::string load_balance_hosts;  // empty: one host only
};
std::vector<PoolRow> pool_rows(Worker& worker);

// Counters of one pool, and what they were a stats_period ago.
struct StatsRow {
    std::string database;
    PoolStats now;
    PoolStats before;
    std::int64_t period_us = 0;
};
std::vector<StatsRow> stats_rows(Worker& worker);

std::string pool_mode_name(config::PoolMode mode);

}  // namespace howdah::proxy
