#include "proxy/console_rows.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace howdah::proxy {
namespace {

using config::PoolMode;

// Who has shown who he is and waits for the database's first server, to be told what it reports, is
// among PgBouncer's waiting clients.
std::string state_name(const Session& session) {
    switch (session.state()) {
        case SessionState::kLogin:
            return session.waiting() ? "waiting" : "login";
        case SessionState::kActive:
            return "active";
        case SessionState::kWaiting:
            return "waiting";
        case SessionState::kReplication:
            return "active";
        case SessionState::kIdle:
            return "idle";
        case SessionState::kClosing:
            return "closing";
    }
    return {};
}

void describe_stream(net::Stream& stream, SocketRow& row) {
    const net::PeerInfo& peer = stream.peer();
    row.address = peer.address.is_unix() ? "unix" : peer.address.host();
    row.port = peer.address.port();
    row.local_address = peer.local.is_unix() ? "unix" : peer.local.host();
    row.local_port = peer.local.port();
    row.remote_pid = peer.pid;
    if (const net::TlsSession* tls = stream.tls(); tls != nullptr) {
        row.tls = fmt::format("{}/{}", tls->version(), tls->cipher());
    }
    row.input_bytes = stream.buffered();
    row.output_bytes = stream.unsent();
}

SocketRow client_row(Worker& worker, Session& session) {
    SocketRow row;
    describe_stream(session.client(), row);
    const config::Settings& settings = worker.settings();
    if (session.client().peer().address.is_unix()) {
        row.port = row.local_port = settings.listen_port;
    }
    row.user = session.user().empty() ? "(nouser)" : session.user();
    row.database = session.database().empty() ? "(nodb)" : session.database();
    row.replication = session.replication_kind();
    row.state = session.is_console() && session.state() == SessionState::kIdle
                    ? "active"
                    : state_name(session);
    if (session.is_cancel_request()) {
        row.state = session.cancel_is_sent() ? "active_cancel_req" : "waiting_cancel_req";
    }
    row.connected_wall_us = session.connected_wall_us();
    row.requested_wall_us = std::max(session.requested_wall_us(), session.connected_wall_us());
    if (session.waiting()) {
        row.wait_us = (worker.loop().now() - session.waiting_since()).count();
    }
    row.self = &session;
    if (const pool::Pooled* lease = session.lease(); lease != nullptr) {
        row.link = lease;
        row.link_id = lease->id;
    }
    row.application_name = session.application_name();
    row.prepared_statements = session.prepared_statements();
    row.id = session.id();
    row.pins = describe_pins(session.pins());
    row.heap_bytes = session.heap_bytes();
    row.loop = worker.index();
    return row;
}

std::string server_state(const pool::Pool& pool, const pool::Pooled& server) {
    switch (server.state) {
        case pool::ServerState::kConnecting:
            return "new";
        case pool::ServerState::kIdle:
            return pool.check_due(server) ? "used" : "idle";
        case pool::ServerState::kLeased:
            return server.connection->release_pending ? "being_canceled" : "active";
        case pool::ServerState::kChecking:
        case pool::ServerState::kResetting:
        case pool::ServerState::kMoving:
            return "tested";
        case pool::ServerState::kClosed:
            break;
    }
    return "closed";
}

SocketRow server_row(Worker& worker, PoolEntry& entry, const pool::Pooled& server) {
    SocketRow row;
    row.server = true;
    row.user = entry.server_user();
    row.database = entry.database();
    row.replication = "none";
    row.state = server_state(entry.pool(), server);
    row.self = &server;
    row.id = server.id;
    row.loop = worker.index();
    row.connected_wall_us = row.requested_wall_us = worker.loop().wall_us();
    if (server.connection == nullptr) {
        return row;
    }
    const server::ServerConnection& connection = *server.connection;
    describe_stream(*connection.stream, row);
    if (row.remote_pid == 0 || connection.pid != 0) {
        row.remote_pid = connection.pid;
    }
    row.connected_wall_us = connection.connected_wall_us;
    row.requested_wall_us = std::max(connection.requested_wall_us, connection.connected_wall_us);
    row.close_needed = connection.doomed;
    row.prepared_statements = connection.prepared.size();
    if (server.holder != nullptr) {
        const auto* session = static_cast<const Session*>(server.holder);
        row.link = session;
        row.link_id = session->id();
        row.application_name = session->application_name();
        row.pins = describe_pins(session->pins());
        row.replication = session->replication_kind();
    }
    return row;
}

bool several_hosts(const config::DatabaseSettings& settings) {
    return settings.host.find(',') != std::string::npos;
}

PoolRow console_pool_row(Worker& worker) {
    PoolRow row;
    row.database = row.user = worker.console_name();
    row.pool_mode = "statement";
    for (const auto& [id, session] : worker.sessions()) {
        row.clients_active += session->is_console() && session->logged_in() ? 1 : 0;
    }
    return row;
}

}  // namespace

std::string pool_mode_name(PoolMode mode) {
    switch (mode) {
        case PoolMode::kSession:
            return "session";
        case PoolMode::kTransaction:
            return "transaction";
        case PoolMode::kStatement:
            return "statement";
    }
    return {};
}

std::vector<SocketRow> client_rows(Worker& worker) {
    std::vector<SocketRow> rows;
    for (const auto& [id, session] : worker.sessions()) {
        rows.push_back(client_row(worker, *session));
    }
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    return rows;
}

std::vector<SocketRow> server_rows(Worker& worker) {
    std::vector<SocketRow> rows;
    for (const auto& [key, entry] : worker.pools()) {
        for (const auto& server : entry->pool().servers()) {
            rows.push_back(server_row(worker, *entry, *server));
        }
    }
    return rows;
}

std::vector<PoolRow> pool_rows(Worker& worker) {
    std::vector<PoolRow> rows{console_pool_row(worker)};
    std::map<const PoolEntry*, std::size_t> index;
    for (const auto& [key, entry] : worker.pools()) {
        index[entry.get()] = rows.size();
        PoolRow row;
        row.database = entry->database();
        row.user = entry->user();
        const pool::Counts counts = entry->pool().counts();
        row.clients_waiting = counts.waiting;
        row.servers_active = counts.leased;
        row.servers_idle = counts.idle;
        row.servers_tested = counts.checking + counts.resetting;
        row.servers_login = counts.connecting;
        row.cancel_requests = entry->client_cancels_under_way;
        row.servers_cancelling = entry->cancels_under_way;
        for (const auto& server : entry->pool().servers()) {
            const std::string state = server_state(entry->pool(), *server);
            if (state == "used") {
                --row.servers_idle;
                ++row.servers_used;
            } else if (state == "being_canceled") {
                --row.servers_active;
                ++row.servers_being_cancelled;
            }
        }
        if (counts.waiting > 0) {
            row.wait_us_max = (worker.loop().now() - entry->pool().oldest_wait()).count();
        }
        row.pool_mode = pool_mode_name(entry->mode());
        if (several_hosts(entry->database_settings())) {
            row.load_balance_hosts =
                entry->database_settings().load_balance_hosts == config::LoadBalance::kDisable
                    ? "disable"
                    : "round-robin";
        }
        rows.push_back(std::move(row));
    }
    for (const auto& [id, session] : worker.sessions()) {
        const auto found = index.find(session->pool());
        if (found == index.end()) {
            continue;
        }
        PoolRow& row = rows[found->second];
        if (session->logged_in() && !session->waiting()) {
            ++row.clients_active;
        }
        row.clients_pinned += session->pins() != 0 ? 1 : 0;
    }
    return rows;
}

std::vector<StatsRow> stats_rows(Worker& worker) {
    worker.settle_bytes();
    const std::int64_t period_us = worker.stats_age_us();
    std::vector<StatsRow> rows;
    rows.push_back(
        {worker.console_name(), worker.console_stats, worker.console_history.older, period_us});
    for (const auto& [key, entry] : worker.pools()) {
        rows.push_back({entry->database(), entry->stats, entry->history.older, period_us});
    }
    return rows;
}

}  // namespace howdah::proxy
