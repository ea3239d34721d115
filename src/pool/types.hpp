// The values a pool deals in: its options, a pooled connection and its state, a waiter, counts.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/loop.hpp"
#include "server/server_connection.hpp"

namespace howdah::pool {

using server::ServerConnection;

struct Options {
    int size = 20;
    int size_min = 0;
    int reserve_size = 0;
    net::Duration reserve_timeout{};
    net::Duration server_lifetime{};
    net::Duration server_idle_timeout{};
    net::Duration server_check_delay{};
    std::string server_check_query;  // "<empty>": an empty query; empty: no check
    std::string server_reset_query;
    bool reset_always = false;
    bool reset_on_release = false;  // session pooling: before anybody else has it
    bool round_robin = false;
    net::Duration server_login_retry{};
    bool retry_soon = false;  // that is the longest pause; where there is hope, a short one first
    int connects_parallel = 16;
    bool probe_first = false;  // one connection finds the host that works, then the others go there
};

enum class ServerState : std::uint8_t {
    kConnecting,
    kIdle,
    kLeased,
    kChecking,
    kResetting,
    kMoving,
    kClosed
};

struct Waiter;

struct Pooled {
    std::unique_ptr<ServerConnection> connection;
    ServerState state = ServerState::kConnecting;
    void* holder = nullptr;  // the session that has it, for SHOW SERVERS
    bool in_reserve = false;
    bool served = false;             // somebody gave it back, or came with it
    bool dedicated = false;          // to one client: replication
    bool came_along = false;         // with its client, from another process: nobody else gets it
    Waiter* dedicated_to = nullptr;  // while it connects; null: he waits no more
    net::TimePoint started_at{};
    std::uint64_t id = 0;
};

// One who waits for a connection. Owned by the session; at most one pool knows it.
struct Waiter {
    explicit Waiter(net::Event& wake) : event(&wake) {}
    net::Event* event;
    Pooled* granted = nullptr;
    std::unique_ptr<Error> refused;  // rare, and an Error is large: every client has a Waiter
    net::TimePoint since{};
    bool queued = false;
    // Waits even while logins fail (a client that is just logging in); others are refused at once.
    bool patient = false;
    // Of a dedicated connection, further start-up parameters.
    std::vector<std::pair<std::string, std::string>> startup;
};

struct Counts {
    int connecting = 0;
    int idle = 0;
    int leased = 0;
    int checking = 0;
    int resetting = 0;  // or on the way to another loop
    int waiting = 0;
    int total() const { return connecting + idle + leased + checking + resetting; }
};

}  // namespace howdah::pool
