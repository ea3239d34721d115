#include "monitor/collect.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "monitor/catalogue.hpp"

namespace howdah::monitor {
namespace {

using proxy::PoolSnapshot;
using proxy::PoolStats;
using proxy::WorkerSnapshot;

double seconds(std::uint64_t us) {
    return static_cast<double>(us) / 1e6;
}

template <typename T>
double number(T value) {
    return static_cast<double>(value);
}

// Families by name while they fill up; given out in the catalogue's order.
class Filling {
  public:
    void add(std::string_view name, std::vector<std::string> labels, double value) {
        family(name).samples.push_back({std::move(labels), value});
    }
    void add(std::string_view name, double value) { add(name, {}, value); }
    void add(std::string_view name, std::vector<std::string> labels, const Histogram& histogram) {
        Sample sample{std::move(labels), seconds(histogram.sum_us())};
        for (const std::uint32_t limit : kDurationLimitsUs) {
            sample.buckets.push_back({seconds(limit), histogram.count_below(limit)});
        }
        sample.count = histogram.count();
        family(name).samples.push_back(std::move(sample));
    }
    std::vector<Family> take() {
        std::vector<Family> families;
        for (const MetricSpec& spec : catalogue()) {
            families.push_back({&spec, std::move(by_name_[spec.name])});
        }
        return families;
    }

  private:
    struct Samples {
        std::vector<Sample>& samples;
    };
    Samples family(std::string_view name) { return {by_name_[metric(name).name]}; }
    std::map<std::string_view, std::vector<Sample>> by_name_;
};

void collect_process(Filling& to, const Inputs& inputs) {
    const ProcessUsage& usage = inputs.process;
    to.add("process_cpu_seconds_total", usage.cpu_seconds);
    to.add("process_resident_memory_bytes", number(usage.resident_bytes));
    to.add("process_virtual_memory_bytes", number(usage.virtual_bytes));
    to.add("process_open_fds", number(usage.open_fds));
    to.add("process_max_fds", number(usage.max_fds));
    to.add("process_threads", number(usage.threads));
    to.add("process_start_time_seconds", usage.start_seconds);
    to.add("howdah_build_info", {HOWDAH_VERSION, inputs.backend}, 1);
    to.add("howdah_loops", number(inputs.loops.size()));
    to.add("howdah_draining",
           inputs.shared->control().shutdown_mode() != proxy::ShutdownMode::kNone ? 1 : 0);
    for (const HttpCount& http : inputs.http) {
        to.add("howdah_http_requests_total", {http.path, std::to_string(http.code)},
               number(http.count));
    }
}

void collect_loop(Filling& to, const WorkerSnapshot& loop) {
    const std::vector<std::string> label{std::to_string(loop.index)};
    to.add("howdah_clients", label, number(loop.sessions));
    to.add("howdah_client_connections_total", label, number(loop.sessions_total));
    to.add("howdah_protocol_errors_total", label, number(loop.protocol_errors));
    to.add("howdah_prepared_statements", label, number(loop.prepared));
    to.add("howdah_fingerprints", label, number(loop.fingerprints));
    to.add("howdah_query_events_total", label, number(loop.events_recorded));
    to.add("howdah_query_events_dropped_total", label, number(loop.events_dropped));
    to.add("howdah_tap_records_total", label, number(loop.taps));
    to.add("howdah_tap_records_dropped_total", label, number(loop.taps_dropped));
    const auto& cache = loop.statements;
    const std::pair<const char*, std::uint64_t> results[] = {
        {"text_hit", cache.text_hits},
        {"shape_hit", cache.shape_hits},
        {"parsed", cache.parses - cache.unparsed},
        {"unparsed", cache.unparsed},
        {"refused", cache.refused}};
    for (const auto& [result, count] : results) {
        to.add("howdah_statement_cache_lookups_total", {label[0], result}, number(count));
    }
    to.add("howdah_statement_cache_evictions_total", label, number(cache.evictions));
    to.add("howdah_statement_cache_entries", label, number(cache.entries));
    to.add("howdah_statement_cache_bytes", label, number(cache.bytes));
}

void collect_pool(Filling& to, const PoolSnapshot& pool) {
    const std::vector<std::string> label{pool.database, pool.user};
    const pool::Counts& servers = pool.servers;
    const int testing = servers.checking + servers.resetting;
    to.add("pgbouncer_pools_client_active_connections", label,
           number(std::max(0, pool.clients - servers.waiting)));
    to.add("pgbouncer_pools_client_waiting_connections", label, number(servers.waiting));
    to.add("pgbouncer_pools_client_maxwait_seconds", label, number(pool.wait_us_max) / 1e6);
    to.add("pgbouncer_pools_server_active_connections", label, number(servers.leased));
    to.add("pgbouncer_pools_server_idle_connections", label, number(servers.idle));
    to.add("pgbouncer_pools_server_used_connections", label, 0);
    to.add("pgbouncer_pools_server_testing_connections", label, number(testing));
    to.add("pgbouncer_pools_server_login_connections", label, number(servers.connecting));
    const std::pair<const char*, int> states[] = {{"active", servers.leased},
                                                  {"idle", servers.idle},
                                                  {"testing", testing},
                                                  {"login", servers.connecting}};
    for (const auto& [state, count] : states) {
        to.add("howdah_pool_connections", {pool.database, pool.user, state}, number(count));
    }
    to.add("howdah_pool_max_connections", label, number(pool.servers_max));
    to.add("howdah_pool_utilization_ratio", label,
           pool.servers_max > 0 ? number(servers.leased + testing) / number(pool.servers_max) : 0);
    to.add("howdah_pool_pending_requests", label, number(servers.waiting));
    to.add("howdah_pool_assignments_total", label, number(pool.stats.server_assignments));
    to.add("howdah_pool_connects_total", label, number(pool.stats.connects));
    to.add("howdah_pool_connect_failures_total", label, number(pool.stats.connect_failures));
    to.add("howdah_pool_cancels_total", label, number(pool.stats.cancels));
    to.add("howdah_pool_pins_total", label, number(pool.stats.pins));
    to.add("howdah_pool_probes_total", label, number(pool.stats.probes));
    to.add("howdah_pool_plan_retries_total", label, number(pool.stats.plan_retries));
}

void collect_stats(Filling& to, const std::string& database, const PoolStats& stats) {
    const std::pair<std::string_view, double> values[] = {
        {"queries_pooled_total", number(stats.queries)},
        {"queries_duration_seconds_total", seconds(stats.query_us)},
        {"received_bytes_total", number(stats.bytes_received)},
        {"sent_bytes_total", number(stats.bytes_sent)},
        {"client_wait_seconds_total", seconds(stats.wait_us)},
        {"sql_transactions_pooled_total", number(stats.transactions)},
        {"server_in_transaction_seconds_total", seconds(stats.transaction_us)},
        {"client_parses_total", number(stats.client_parses)},
        {"server_parses_total", number(stats.server_parses)},
        {"binds_total", number(stats.binds)}};
    for (const auto& [name, value] : values) {
        to.add("pgbouncer_stats_totals_" + std::string(name), {database}, value);
        to.add("pgbouncer_stats_" + std::string(name), {database}, value);
    }
}

const char* mode_name(config::PoolMode mode) {
    switch (mode) {
        case config::PoolMode::kSession:
            return "session";
        case config::PoolMode::kTransaction:
            return "transaction";
        case config::PoolMode::kStatement:
            return "statement";
    }
    return "";
}

// SHOW DATABASES: what is configured, and what was made from "*" and is in use.
void collect_databases(Filling& to, const Inputs& inputs,
                       const std::map<std::string, PoolSnapshot>& in_use) {
    const config::Config& config = *inputs.config;
    std::set<std::string> names;
    for (const auto& [name, settings] : config.databases) {
        names.insert(name);
    }
    for (const auto& [name, pool] : in_use) {
        names.insert(name);
    }
    const config::Settings& global = config.settings;
    std::size_t shown = 0;
    for (const std::string& name : names) {
        const auto settings = config.database(name);
        if (!settings || shown++ >= Limits::kDatabasesMax) {
            continue;
        }
        const auto used = in_use.find(name);
        const PoolSnapshot pool = used == in_use.end() ? PoolSnapshot() : used->second;
        const std::vector<std::string> label{
            name,
            settings->host,
            settings->port.empty() ? "5432" : settings->port,
            settings->dbname.value_or(name),
            settings->user.value_or(""),
            mode_name(settings->pool_mode.value_or(global.pool_mode))};
        to.add("pgbouncer_databases_pool_size", label,
               number(settings->pool_size.value_or(global.default_pool_size)));
        to.add("pgbouncer_databases_reserve_pool", label,
               number(settings->reserve_pool_size.value_or(global.reserve_pool_size)));
        to.add("pgbouncer_databases_max_connections", label,
               number(settings->max_db_connections.value_or(global.max_db_connections)));
        to.add("pgbouncer_databases_current_connections", label, number(pool.servers.total()));
        to.add("pgbouncer_databases_paused", label, inputs.shared->control().paused(name) ? 1 : 0);
        to.add("pgbouncer_databases_disabled", label,
               inputs.shared->control().disabled(name) ? 1 : 0);
    }
}

// SHOW LISTS.
void collect_lists(Filling& to, const Inputs& inputs) {
    const config::Settings& settings = inputs.config->settings;
    std::set<std::string> users;
    std::set<std::string> databases;
    std::set<std::pair<std::string, std::string>> pools;
    int servers = 0;
    std::size_t clients = 0;
    for (const WorkerSnapshot& loop : inputs.loops) {
        users.insert(loop.users.begin(), loop.users.end());
        clients += loop.sessions;
        for (const PoolSnapshot& pool : loop.pools) {
            databases.insert(pool.database);
            pools.emplace(pool.database, pool.user);
            servers += pool.servers.total();
        }
    }
    to.add("pgbouncer_databases",
           number(proxy::known_databases(*inputs.config, std::move(databases)).size()));
    to.add("pgbouncer_users", number(proxy::known_users(*inputs.config, std::move(users)).size()));
    to.add("pgbouncer_pools", number(pools.size() + 1));  // the console has one
    to.add("pgbouncer_up", 1);
    to.add("pgbouncer_version_info", {HOWDAH_VERSION}, 1);
    to.add("pgbouncer_used_clients", number(clients));
    to.add("pgbouncer_free_clients",
           std::max(0.0, number(settings.max_client_conn) - number(clients)));
    to.add("pgbouncer_used_servers", number(servers));
    to.add("pgbouncer_config_max_client_connections", number(settings.max_client_conn));
    to.add("pgbouncer_config_max_user_connections", number(settings.max_user_connections));
}

void collect_queries(Filling& to, const Inputs& inputs) {
    inputs.totals->for_each([&](std::uint32_t id, const DatabaseTotals& totals) {
        const std::string database = inputs.shared->names.text(id);
        to.add("howdah_queries_total", {database}, number(totals.queries));
        to.add("howdah_query_rows_total", {database}, number(totals.rows));
        to.add("howdah_query_bytes_total", {database, "in"}, number(totals.bytes_in));
        to.add("howdah_query_bytes_total", {database, "out"}, number(totals.bytes_out));
        for (const auto& [name, count] : totals.errors) {
            to.add("howdah_query_errors_total", {database, name}, number(count));
        }
        to.add("howdah_query_queue_seconds", {database}, totals.queue);
        to.add("howdah_query_server_seconds", {database}, totals.server);
        to.add("howdah_query_network_seconds", {database}, totals.network);
        to.add("howdah_query_cache_seconds", {database}, totals.cache);
        to.add("howdah_query_duration_seconds", {database}, totals.duration);
    });
}

void collect_statements(Filling& to, const Inputs& inputs) {
    for (const auto& [fingerprint, counters] : inputs.statements) {
        to.add("howdah_statement_calls_total", {fingerprint}, number(counters.calls));
        to.add("howdah_statement_errors_total", {fingerprint}, number(counters.errors));
        to.add("howdah_statement_rows_total", {fingerprint}, number(counters.rows));
        to.add("howdah_statement_server_seconds_total", {fingerprint}, seconds(counters.server_us));
    }
}

}  // namespace

std::vector<Family> collect(const Inputs& inputs) {
    Filling to;
    collect_process(to, inputs);
    for (const WorkerSnapshot& loop : inputs.loops) {
        collect_loop(to, loop);
    }
    const std::vector<PoolSnapshot> pools = merged_pools(inputs.loops);
    std::map<std::string, PoolSnapshot> by_database;
    for (const PoolSnapshot& pool : pools) {
        collect_pool(to, pool);
        PoolSnapshot& sum = by_database[pool.database];
        sum.stats.add(pool.stats);
        sum.servers.idle += pool.servers.total();
    }
    for (const auto& [database, sum] : by_database) {
        collect_stats(to, database, sum.stats);
    }
    collect_databases(to, inputs, by_database);
    collect_lists(to, inputs);
    collect_queries(to, inputs);
    collect_statements(to, inputs);
    return to.take();
}

}  // namespace howdah::monitor
