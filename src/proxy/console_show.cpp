// SHOW of connections and pools.
#include "proxy/console_show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "proxy/console_rows.hpp"
#include "proxy/gather.hpp"

namespace howdah::proxy {
namespace {

using Rows = std::vector<SocketRow>;

Table socket_table(bool debug) {
    Table table{{"type", kText},
                {"user", kText},
                {"database", kText},
                {"replication", kText},
                {"state", kText},
                {"addr", kText},
                {"port", kInt4},
                {"local_addr", kText},
                {"local_port", kInt4},
                {"connect_time", kText},
                {"request_time", kText},
                {"wait", kInt4},
                {"wait_us", kInt4},
                {"close_needed", kInt4},
                {"ptr", kText},
                {"link", kText},
                {"remote_pid", kInt4},
                {"tls", kText},
                {"application_name", kText},
                {"prepared_statements", kInt4},
                {"id", kInt4}};
    if (debug) {
        table.columns_of(kInt4, {"recv_pos", "pkt_pos", "pkt_remain", "send_pos", "send_remain",
                                 "pkt_avail", "send_avail"});
    }
    table.text_columns({"pins"});
    table.columns_of(kInt8, {"link_id", "heap_bytes"});
    table.columns_of(kInt4, {"loop"});
    table.text_columns({"backend"});
    return table;
}

std::string pointer_text(const void* pointer) {
    return pointer == nullptr ? std::string() : fmt::format("{}", pointer);
}

void add_socket(Table& table, const SocketRow& row, bool debug, std::string_view backend) {
    RowBuilder cells;
    cells.text(row.server ? "S" : "C").text(row.user).text(row.database).text(row.replication);
    cells.text(row.state).text(row.address).number(row.port).text(row.local_address);
    cells.number(row.local_port).time(row.connected_wall_us).time(row.requested_wall_us);
    cells.number(row.wait_us / 1'000'000).number(row.wait_us % 1'000'000);
    cells.number(row.close_needed ? 1 : 0).text(pointer_text(row.self));
    cells.text(pointer_text(row.link)).number(row.remote_pid).text(row.tls);
    cells.text(row.application_name).number(row.prepared_statements).number(row.id);
    if (debug) {
        cells.number(0).number(0).number(0).number(0).number(0);
        cells.number(row.input_bytes).number(row.output_bytes);
    }
    cells.text(row.pins).number(row.link_id).number(row.heap_bytes).number(row.loop);
    cells.text(std::string(backend));
    table.rows.push_back(cells.take());
}

// SHOW SOCKETS prefixes the states, and has the clients that are logging in.
net::Task<Table> all_sockets(Worker& home, bool active_only) {
    Table table = socket_table(true);
    for (SocketRow& row : co_await gather_rows<SocketRow>(home, client_rows)) {
        if (row.state == "idle") {
            row.state = "active";
        }
        row.state = "cl_" + row.state;
        if (!active_only || row.input_bytes + row.output_bytes > 0) {
            add_socket(table, row, true, home.loop().backend_name());
        }
    }
    for (SocketRow& row : co_await gather_rows<SocketRow>(home, server_rows)) {
        row.state = row.state == "new" ? "sv_login" : "sv_" + row.state;
        if (!active_only || row.input_bytes + row.output_bytes > 0) {
            add_socket(table, row, true, home.loop().backend_name());
        }
    }
    co_return table;
}

// The rows of one pool on several loops as one.
void merge(PoolRow& into, const PoolRow& row) {
    into.clients_active += row.clients_active;
    into.clients_waiting += row.clients_waiting;
    into.cancel_requests += row.cancel_requests;
    into.servers_cancelling += row.servers_cancelling;
    into.servers_active += row.servers_active;
    into.servers_being_cancelled += row.servers_being_cancelled;
    into.servers_idle += row.servers_idle;
    into.servers_used += row.servers_used;
    into.servers_tested += row.servers_tested;
    into.servers_login += row.servers_login;
    into.clients_pinned += row.clients_pinned;
    into.wait_us_max = std::max(into.wait_us_max, row.wait_us_max);
}

}  // namespace

net::Task<Table> show_clients(Worker& home) {
    Table table = socket_table(false);
    for (const SocketRow& row : co_await gather_rows<SocketRow>(home, client_rows)) {
        if (row.state != "login" && row.state != "closing") {
            add_socket(table, row, false, home.loop().backend_name());
        }
    }
    co_return table;
}

net::Task<Table> show_servers(Worker& home) {
    Table table = socket_table(false);
    for (const SocketRow& row : co_await gather_rows<SocketRow>(home, server_rows)) {
        add_socket(table, row, false, home.loop().backend_name());
    }
    co_return table;
}

net::Task<Table> show_sockets(Worker& home) {
    co_return co_await all_sockets(home, false);
}

net::Task<Table> show_active_sockets(Worker& home) {
    co_return co_await all_sockets(home, true);
}

net::Task<Table> show_pools(Worker& home) {
    Table table{{"database", kText}, {"user", kText}};
    table.columns_of(kInt4,
                     {"cl_active", "cl_waiting", "cl_active_cancel_req", "cl_waiting_cancel_req",
                      "sv_active", "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used",
                      "sv_tested", "sv_login", "maxwait", "maxwait_us"});
    table.text_columns({"pool_mode", "load_balance_hosts"});
    table.columns_of(kInt4, {"cl_pinned"});
    std::map<std::pair<std::string, std::string>, PoolRow> pools;
    for (const PoolRow& row : co_await gather_rows<PoolRow>(home, pool_rows)) {
        const auto [at, fresh] = pools.emplace(std::pair(row.database, row.user), row);
        if (!fresh) {
            merge(at->second, row);
        }
    }
    for (const auto& [key, row] : pools) {
        RowBuilder cells;
        cells.text(row.database).text(row.user).number(row.clients_active);
        cells.number(row.clients_waiting).number(row.cancel_requests);
        cells.number(0).number(row.servers_active);
        cells.number(row.servers_cancelling).number(row.servers_being_cancelled);
        cells.number(row.servers_idle).number(row.servers_used).number(row.servers_tested);
        cells.number(row.servers_login).number(row.wait_us_max / 1'000'000);
        cells.number(row.wait_us_max % 1'000'000).text(row.pool_mode);
        cells.cell(row.load_balance_hosts.empty() ? Cell() : Cell(row.load_balance_hosts));
        cells.number(row.clients_pinned);
        table.rows.push_back(cells.take());
    }
    co_return table;
}

net::Task<Table> show_peers(Worker& home) {
    Table table{{"peer_id", kInt4}, {"host", kText}, {"port", kInt4}, {"pool_size", kInt4}};
    for (const auto& [id, peer] : home.config().peers) {
        RowBuilder cells;
        cells.number(id).text(peer.host).number(peer.addresses.front().port);
        cells.number(peer.pool_size.value_or(home.settings().default_pool_size));
        table.rows.push_back(cells.take());
    }
    co_return table;
}

net::Task<Table> show_peer_pools(Worker& home) {
    Table table{{"peer_id", kInt4}};
    table.columns_of(
        kInt4, {"cl_active_cancel_req", "cl_waiting_cancel_req", "sv_active_cancel", "sv_login"});
    for (const auto& [id, peer] : home.config().peers) {
        const int peer_id = id;
        int forwarding = 0;
        for (const int here : co_await gather<int>(
                 home, [peer_id](Worker& worker) { return worker.peer_cancels(peer_id); })) {
            forwarding += here;
        }
        RowBuilder cells;
        cells.number(id).number(forwarding).number(0).number(forwarding).number(0);
        table.rows.push_back(cells.take());
    }
    co_return table;
}

}  // namespace howdah::proxy
