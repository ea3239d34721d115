// SHOW of what is configured and of the process: databases, users, lists, memory, options.
#include <fmt/format.h>

#include <map>
#include <set>

#include "proxy/console_rows.hpp"
#include "proxy/console_show.hpp"
#include "proxy/gather.hpp"
#include "proxy/snapshot.hpp"

namespace howdah::proxy {
namespace {

// Connections by database or user, over all loops.
struct Uses {
    std::map<std::string, int> servers_of_database;
    std::map<std::string, int> servers_of_user;
    std::map<std::string, int> clients_of_database;
    std::map<std::string, int> clients_of_user;
};

Uses uses_here(Worker& worker) {
    Uses uses;
    for (const auto& [key, entry] : worker.pools()) {
        const int servers = entry->pool().counts().total();
        uses.servers_of_database[entry->database()] += servers;
        uses.servers_of_user[entry->user()] += servers;
    }
    for (const auto& [id, session] : worker.sessions()) {
        if (session->logged_in()) {
            ++uses.clients_of_database[session->database()];
            ++uses.clients_of_user[session->user()];
        }
    }
    return uses;
}

void add_to(std::map<std::string, int>& sums, const std::map<std::string, int>& more) {
    for (const auto& [name, count] : more) {
        sums[name] += count;
    }
}

net::Task<Uses> uses_everywhere(Worker& home) {
    Uses sums;
    for (const Uses& uses : co_await gather<Uses>(home, uses_here)) {
        add_to(sums.servers_of_database, uses.servers_of_database);
        add_to(sums.servers_of_user, uses.servers_of_user);
        add_to(sums.clients_of_database, uses.clients_of_database);
        add_to(sums.clients_of_user, uses.clients_of_user);
    }
    co_return sums;
}

Cell maybe(const std::optional<std::string>& value) {
    return value ? Cell(*value) : Cell();
}

std::vector<Cell> database_row(Worker& home, const config::DatabaseSettings& database,
                               const Uses& uses) {
    const config::Settings& global = home.settings();
    const auto count = [](const std::map<std::string, int>& counts, const std::string& name) {
        const auto found = counts.find(name);
        return found == counts.end() ? 0 : found->second;
    };
    RowBuilder cells;
    cells.text(database.name).cell(database.host.empty() ? Cell() : Cell(database.host));
    cells.number(database.addresses.empty() ? 5432 : database.addresses.front().port);
    cells.text(database.dbname.value_or(database.name)).cell(maybe(database.user));
    cells.number(database.pool_size.value_or(global.default_pool_size));
    cells.number(database.min_pool_size.value_or(global.min_pool_size));
    cells.number(database.reserve_pool_size.value_or(global.reserve_pool_size));
    cells.number(database.server_lifetime.value_or(global.server_lifetime).count() / 1'000'000);
    cells.cell(database.pool_mode ? Cell(pool_mode_name(*database.pool_mode)) : Cell());
    const bool several = database.host.find(',') != std::string::npos;
    cells.cell(!several ? Cell()
               : database.load_balance_hosts == config::LoadBalance::kDisable
                   ? Cell("disable")
                   : Cell("round-robin"));
    cells.number(database.max_db_connections.value_or(global.max_db_connections));
    cells.number(count(uses.servers_of_database, database.name));
    cells.number(database.max_db_client_connections.value_or(global.max_db_client_connections));
    cells.number(count(uses.clients_of_database, database.name));
    const Control& control = home.shared().control();
    cells.number(control.database_paused(database.name) ? 1 : 0);
    cells.number(control.disabled(database.name) ? 1 : 0);
    return cells.take();
}

config::DatabaseSettings console_database(Worker& home) {
    config::DatabaseSettings console;
    console.name = home.console_name();
    console.user = home.console_name();
    console.pool_size = 2;
    console.min_pool_size = 0;
    console.reserve_pool_size = 0;
    console.pool_mode = config::PoolMode::kStatement;
    console.addresses.push_back({"", home.settings().listen_port});
    return console;
}

struct Memory {
    std::size_t clients = 0, client_bytes = 0, servers = 0, pools = 0;
    std::size_t blocks_used = 0, blocks_free = 0, prepared = 0, shapes = 0;
};

Memory memory_here(Worker& worker) {
    Memory memory;
    memory.clients = worker.sessions().size();
    for (const auto& [id, session] : worker.sessions()) {
        memory.client_bytes += session->heap_bytes();
    }
    memory.pools = worker.pools().size();
    for (const auto& [key, entry] : worker.pools()) {
        memory.servers += entry->pool().servers().size();
    }
    memory.blocks_used = worker.loop().blocks().blocks_in_use();
    memory.blocks_free = worker.loop().blocks().blocks_free();
    memory.prepared = worker.prepared().size();
    memory.shapes = worker.fingerprints().all().size();
    return memory;
}

struct Lists {
    std::size_t clients = 0, logins = 0, servers = 0;
    std::set<std::pair<std::string, std::string>> pools;
    std::set<std::string> databases;  // those of the pools
};

Lists lists_here(Worker& worker) {
    Lists lists;
    for (const auto& [id, session] : worker.sessions()) {
        ++lists.clients;
        lists.logins += session->logged_in() || session->waiting() ? 0 : 1;
    }
    for (const auto& [key, entry] : worker.pools()) {
        lists.pools.insert(key);
        lists.databases.insert(entry->database());
        lists.servers += entry->pool().servers().size();
    }
    return lists;
}

std::set<std::string> users_of(const Uses& uses) {
    std::set<std::string> users;
    for (const auto& counts : {uses.servers_of_user, uses.clients_of_user}) {
        for (const auto& [name, count] : counts) {
            users.insert(name);
        }
    }
    return users;
}

}  // namespace

net::Task<Table> show_databases(Worker& home) {
    Table table{{"name", kText},
                {"host", kText},
                {"port", kInt4},
                {"database", kText},
                {"force_user", kText},
                {"pool_size", kInt4},
                {"min_pool_size", kInt4},
                {"reserve_pool_size", kInt4},
                {"server_lifetime", kInt4},
                {"pool_mode", kText},
                {"load_balance_hosts", kText}};
    table.columns_of(kInt4, {"max_connections", "current_connections", "max_client_connections",
                             "current_client_connections", "paused", "disabled"});
    const Uses uses = co_await uses_everywhere(home);
    std::map<std::string, config::DatabaseSettings> databases;
    databases.emplace(home.console_name(), console_database(home));
    for (const auto& [name, database] : home.config().databases) {
        databases.emplace(name, database);
    }
    for (const auto& [name, count] : uses.servers_of_database) {  // those made from "*"
        if (auto database = home.config().database(name)) {
            databases.emplace(name, std::move(*database));
        }
    }
    for (const auto& [name, database] : databases) {
        table.rows.push_back(database_row(home, database, uses));
    }
    co_return table;
}

net::Task<Table> show_users(Worker& home) {
    Table table{
        {"name", kText}, {"pool_size", kText}, {"reserve_pool_size", kText}, {"pool_mode", kText}};
    table.columns_of(kInt4, {"max_user_connections", "current_connections",
                             "max_user_client_connections", "current_client_connections"});
    Uses uses = co_await uses_everywhere(home);
    const config::Settings& global = home.settings();
    static const config::UserSettings kNothingSet;
    for (const std::string& name : known_users(home.config(), users_of(uses))) {
        const auto found = home.config().users.find(name);
        const config::UserSettings& own =
            found != home.config().users.end() ? found->second : kNothingSet;
        const auto size = [](const std::optional<int>& value) {
            return value ? fmt::format("{:9}", *value) : std::string();
        };
        RowBuilder cells;
        cells.text(name).text(size(own.pool_size)).text(size(own.reserve_pool_size));
        cells.cell(own.pool_mode ? Cell(pool_mode_name(*own.pool_mode)) : Cell());
        cells.number(own.max_user_connections.value_or(global.max_user_connections));
        cells.number(uses.servers_of_user[name]);
        cells.number(own.max_user_client_connections.value_or(global.max_user_client_connections));
        cells.number(uses.clients_of_user[name]);
        table.rows.push_back(cells.take());
    }
    co_return table;
}

net::Task<Table> show_lists(Worker& home) {
    Table table{{"list", kText}, {"items", kInt4}};
    Lists sums;
    for (const Lists& lists : co_await gather<Lists>(home, lists_here)) {
        sums.clients += lists.clients;
        sums.logins += lists.logins;
        sums.servers += lists.servers;
        sums.pools.insert(lists.pools.begin(), lists.pools.end());
        sums.databases.insert(lists.databases.begin(), lists.databases.end());
    }
    const Uses uses = co_await uses_everywhere(home);
    const config::Config& config = home.config();
    const std::size_t databases = known_databases(config, std::move(sums.databases)).size();
    const std::size_t users = known_users(config, users_of(uses)).size();
    const std::pair<const char*, std::size_t> rows[] = {{"databases", databases},
                                                        {"users", users},
                                                        {"peers", config.peers.size()},
                                                        {"pools", sums.pools.size() + 1},
                                                        {"peer_pools", config.peers.size()},
                                                        {"free_clients", 0},
                                                        {"used_clients", sums.clients},
                                                        {"login_clients", sums.logins},
                                                        {"free_servers", 0},
                                                        {"used_servers", sums.servers},
                                                        {"dns_names", 0},
                                                        {"dns_zones", 0},
                                                        {"dns_queries", 0},
                                                        {"dns_pending", 0},
                                                        {"loops", home.shared().workers.size()}};
    for (const auto& [name, items] : rows) {
        table.rows.push_back(RowBuilder().text(name).number(items).take());
    }
    co_return table;
}

net::Task<Table> show_mem(Worker& home) {
    Table table{{"name", kText}};
    table.columns_of(kInt4, {"size", "used", "free", "memtotal"});
    Memory sums;
    for (const Memory& memory : co_await gather<Memory>(home, memory_here)) {
        sums.clients += memory.clients;
        sums.client_bytes += memory.client_bytes;
        sums.servers += memory.servers;
        sums.pools += memory.pools;
        sums.blocks_used += memory.blocks_used;
        sums.blocks_free += memory.blocks_free;
        sums.prepared += memory.prepared;
        sums.shapes += memory.shapes;
    }
    struct Slab {
        const char* name;
        std::size_t size, used, free, total;
    };
    const std::size_t server_bytes = sizeof(pool::Pooled) + sizeof(server::ServerConnection);
    const Slab slabs[] = {
        {"client_cache", sizeof(Session), sums.clients, 0, sums.client_bytes},
        {"server_cache", server_bytes, sums.servers, 0, sums.servers * server_bytes},
        {"pool_cache", sizeof(PoolEntry), sums.pools, 0, sums.pools * sizeof(PoolEntry)},
        {"iobuf_cache", net::kBlockBytes, sums.blocks_used, sums.blocks_free,
         (sums.blocks_used + sums.blocks_free) * net::kBlockBytes},
        {"prepared_statement_cache", sizeof(Prepared), sums.prepared, 0,
         sums.prepared * sizeof(Prepared)},
        {"fingerprint_cache", sizeof(FingerprintEntry), sums.shapes, 0,
         sums.shapes * sizeof(FingerprintEntry)}};
    for (const Slab& slab : slabs) {
        RowBuilder cells;
        cells.text(slab.name).number(slab.size).number(slab.used).number(slab.free);
        table.rows.push_back(cells.number(slab.total).take());
    }
    co_return table;
}

net::Task<Table> show_config(Worker& home) {
    Table table{{"key", kText},
                {"value", kText},
                {"default", kText},
                {"changeable", kText},
                {"origin", kText}};
    for (const config::ConfigRow& row : config::config_rows(home.config())) {
        RowBuilder cells;
        cells.text(row.key).cell(maybe(row.value)).cell(maybe(row.default_value));
        table.rows.push_back(cells.text(row.changeable ? "yes" : "no").text(row.origin).take());
    }
    co_return table;
}

net::Task<Table> show_state(Worker& home) {
    Table table{{"key", kText}, {"value", kText}};
    const PauseMode mode = home.shared().control().pause_mode();
    const auto add = [&](const char* name, bool here) {
        table.rows.push_back(RowBuilder().text(name).text(here ? "yes" : "no").take());
    };
    add("active", mode == PauseMode::kNone);
    add("paused", mode == PauseMode::kPause);
    add("suspended", mode == PauseMode::kSuspend);
    co_return table;
}

std::string version_text() {
    return "howdah " HOWDAH_VERSION;
}

net::Task<Table> show_version(Worker&) {
    Table table{{"version", kText}};
    table.rows.push_back(RowBuilder().text(version_text()).take());
    co_return table;
}

// Names are resolved as the system does; what the resolver keeps for dns_max_ttl is not listed.
net::Task<Table> show_dns_hosts(Worker&) {
    co_return Table{{"hostname", kText}, {"ttl", kInt8}, {"addrs", kText}};
}

net::Task<Table> show_dns_zones(Worker&) {
    co_return Table{{"zonename", kText}, {"serial", kInt8}, {"count", kInt4}};
}

}  // namespace howdah::proxy
