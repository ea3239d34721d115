// The SHOW tables: one function each.
#pragma once

#include <string_view>

#include "net/task.hpp"
#include "proxy/console_table.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

struct ShowCommand {
    std::string_view name;
    net::Task<Table> (*make)(Worker& home);
};

// Null: there is no such table.
const ShowCommand* find_show(std::string_view name);

net::Task<Table> show_clients(Worker& home);
net::Task<Table> show_servers(Worker& home);
net::Task<Table> show_sockets(Worker& home);
net::Task<Table> show_active_sockets(Worker& home);
net::Task<Table> show_pools(Worker& home);
net::Task<Table> show_peer_pools(Worker& home);
net::Task<Table> show_peers(Worker& home);
net::Task<Table> show_databases(Worker& home);
net::Task<Table> show_users(Worker& home);
net::Task<Table> show_lists(Worker& home);
net::Task<Table> show_mem(Worker& home);
net::Task<Table> show_stats(Worker& home);
net::Task<Table> show_stats_totals(Worker& home);
net::Task<Table> show_stats_averages(Worker& home);
net::Task<Table> show_totals(Worker& home);
net::Task<Table> show_config(Worker& home);
net::Task<Table> show_state(Worker& home);
net::Task<Table> show_version(Worker& home);
net::Task<Table> show_queries(Worker& home);
net::Task<Table> show_findings(Worker& home);
net::Task<Table> show_queries_full(Worker& home);
net::Task<Table> show_findings_full(Worker& home);
net::Task<Table> show_dns_hosts(Worker& home);
net::Task<Table> show_dns_zones(Worker& home);

// "howdah 0.1.0", as --version prints it.
std::string version_text();

}  // namespace howdah::proxy
