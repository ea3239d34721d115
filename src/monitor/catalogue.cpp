#include "monitor/catalogue.hpp"

#include <fmt/format.h>

#include <iterator>

#include "base/assert.hpp"

namespace howdah::monitor {
namespace {

constexpr auto kCounter = MetricType::kCounter;
constexpr auto kGauge = MetricType::kGauge;
constexpr auto kHistogram = MetricType::kHistogram;
constexpr auto kInfo = MetricType::kInfo;

constexpr std::string_view kDb = "database";
constexpr std::string_view kPool = "database,user";
constexpr std::string_view kEntry = "name,host,port,database,force_user,pool_mode";

constexpr MetricSpec kMetrics[] = {
    // As pgbouncer_exporter has them.
    {"pgbouncer_up", kGauge, "", "", "1: the proxy answers"},
    {"pgbouncer_version_info", kInfo, "", "version", "Version"},
    {"pgbouncer_databases", kGauge, "", "", "Databases, with the console"},
    {"pgbouncer_users", kGauge, "", "",
     "Users configured, in auth_file or here; and the console's"},
    {"pgbouncer_pools", kGauge, "", "", "Pools, with the console's"},
    {"pgbouncer_used_clients", kGauge, "", "", "Client connections"},
    {"pgbouncer_free_clients", kGauge, "", "", "Client connections that may still come"},
    {"pgbouncer_used_servers", kGauge, "", "", "Server connections"},
    {"pgbouncer_config_max_client_connections", kGauge, "", "", "max_client_conn"},
    {"pgbouncer_config_max_user_connections", kGauge, "", "", "max_user_connections"},
    {"pgbouncer_databases_pool_size", kGauge, "", kEntry, "Server connections a pool may have"},
    {"pgbouncer_databases_reserve_pool", kGauge, "", kEntry,
     "Additional server connections a pool may have"},
    {"pgbouncer_databases_max_connections", kGauge, "", kEntry,
     "Server connections the database may have; 0: no limit"},
    {"pgbouncer_databases_current_connections", kGauge, "", kEntry, "Server connections"},
    {"pgbouncer_databases_paused", kGauge, "", kEntry, "1: paused"},
    {"pgbouncer_databases_disabled", kGauge, "", kEntry, "1: disabled"},
    {"pgbouncer_pools_client_active_connections", kGauge, "", kPool,
     "Clients that have a server or need none"},
    {"pgbouncer_pools_client_waiting_connections", kGauge, "", kPool,
     "Clients that wait for a server"},
    {"pgbouncer_pools_client_maxwait_seconds", kGauge, "seconds", kPool,
     "How long the first in the queue has waited"},
    {"pgbouncer_pools_server_active_connections", kGauge, "", kPool, "Servers lent to a client"},
    {"pgbouncer_pools_server_idle_connections", kGauge, "", kPool, "Servers ready for a client"},
    {"pgbouncer_pools_server_used_connections", kGauge, "", kPool,
     "Always 0: a server that needs a check before it is lent counts as idle"},
    {"pgbouncer_pools_server_testing_connections", kGauge, "", kPool,
     "Servers that run a reset or check query"},
    {"pgbouncer_pools_server_login_connections", kGauge, "", kPool, "Servers being logged in to"},
    {"pgbouncer_stats_totals_queries_pooled_total", kCounter, "", kDb, "Queries"},
    {"pgbouncer_stats_totals_queries_duration_seconds_total", kCounter, "seconds", kDb,
     "Time that servers spent on queries"},
    {"pgbouncer_stats_totals_received_bytes_total", kCounter, "bytes", kDb, "Bytes from clients"},
    {"pgbouncer_stats_totals_sent_bytes_total", kCounter, "bytes", kDb, "Bytes to clients"},
    {"pgbouncer_stats_totals_client_wait_seconds_total", kCounter, "seconds", kDb,
     "Time that clients waited for a server"},
    {"pgbouncer_stats_totals_sql_transactions_pooled_total", kCounter, "", kDb, "Transactions"},
    {"pgbouncer_stats_totals_server_in_transaction_seconds_total", kCounter, "seconds", kDb,
     "Time that servers were in a transaction"},
    {"pgbouncer_stats_totals_client_parses_total", kCounter, "", kDb,
     "Parse messages from clients"},
    {"pgbouncer_stats_totals_server_parses_total", kCounter, "", kDb, "Parse messages to servers"},
    {"pgbouncer_stats_totals_binds_total", kCounter, "", kDb, "Bind messages from clients"},
    // The same by the names of pgbouncer_exporter up to 0.6.
    {"pgbouncer_stats_queries_pooled_total", kCounter, "", kDb, "Queries"},
    {"pgbouncer_stats_queries_duration_seconds_total", kCounter, "seconds", kDb,
     "Time that servers spent on queries"},
    {"pgbouncer_stats_received_bytes_total", kCounter, "bytes", kDb, "Bytes from clients"},
    {"pgbouncer_stats_sent_bytes_total", kCounter, "bytes", kDb, "Bytes to clients"},
    {"pgbouncer_stats_client_wait_seconds_total", kCounter, "seconds", kDb,
     "Time that clients waited for a server"},
    {"pgbouncer_stats_sql_transactions_pooled_total", kCounter, "", kDb, "Transactions"},
    {"pgbouncer_stats_server_in_transaction_seconds_total", kCounter, "seconds", kDb,
     "Time that servers were in a transaction"},
    {"pgbouncer_stats_client_parses_total", kCounter, "", kDb, "Parse messages from clients"},
    {"pgbouncer_stats_server_parses_total", kCounter, "", kDb, "Parse messages to servers"},
    {"pgbouncer_stats_binds_total", kCounter, "", kDb, "Bind messages from clients"},
    // howdah's own.
    {"howdah_build_info", kInfo, "", "version,backend", "Version, and the event loop's kind"},
    {"howdah_loops", kGauge, "", "", "Event loops, a thread each"},
    {"howdah_draining", kGauge, "", "", "1: told to end, finishing transactions"},
    {"howdah_clients", kGauge, "", "loop", "Client connections"},
    {"howdah_client_connections_total", kCounter, "", "loop", "Client connections accepted"},
    {"howdah_protocol_errors_total", kCounter, "", "loop",
     "Connections closed since the client broke the protocol"},
    {"howdah_prepared_statements", kGauge, "", "loop", "Different prepared statements known"},
    {"howdah_statement_cache_lookups_total", kCounter, "", "loop,result",
     "Texts looked up: the same text, the same shape, parsed anew, could not be parsed, or too "
     "long"},
    {"howdah_statement_cache_evictions_total", kCounter, "", "loop", "Shapes that made room"},
    {"howdah_statement_cache_entries", kGauge, "", "loop", "Shapes in the cache"},
    {"howdah_statement_cache_bytes", kGauge, "bytes", "loop", "Memory of the cache's shapes"},
    {"howdah_fingerprints", kGauge, "", "loop", "Statements with statistics of their own"},
    {"howdah_statement_calls_total", kCounter, "", "fingerprint",
     "Statements finished, by statement; only with metrics_top_queries: the slowest in sum, each "
     "while it is one of them, the rest as (other)"},
    {"howdah_statement_errors_total", kCounter, "", "fingerprint", "Of these, failed"},
    {"howdah_statement_rows_total", kCounter, "", "fingerprint", "Rows returned or changed"},
    {"howdah_statement_server_seconds_total", kCounter, "seconds", "fingerprint",
     "Time from going to the server to the answer's last byte"},
    {"howdah_query_events_total", kCounter, "", "loop", "Statements finished"},
    {"howdah_query_events_dropped_total", kCounter, "", "loop",
     "Of these, not in the histograms: the ring was full"},
    {"howdah_tap_records_total", kCounter, "", "loop",
     "Statements whose values were followed, as hashes"},
    {"howdah_tap_records_dropped_total", kCounter, "", "loop",
     "Statements whose values were not followed for want of room"},
    {"howdah_pool_connections", kGauge, "", "database,user,state",
     "Server connections by what they do"},
    {"howdah_pool_max_connections", kGauge, "", kPool,
     "Server connections the pool may have: its size and reserve, as far as max_db_connections and "
     "max_user_connections allow"},
    {"howdah_pool_utilization_ratio", kGauge, "ratio", kPool,
     "Server connections in use, of those it may have"},
    {"howdah_pool_pending_requests", kGauge, "", kPool, "Clients that wait for a server"},
    {"howdah_pool_assignments_total", kCounter, "", kPool, "Times that a server was lent"},
    {"howdah_pool_connects_total", kCounter, "", kPool, "Connections made to servers"},
    {"howdah_pool_connect_failures_total", kCounter, "", kPool,
     "Connections to servers that could not be made"},
    {"howdah_pool_cancels_total", kCounter, "", kPool, "Cancel requests sent to servers"},
    {"howdah_pool_pins_total", kCounter, "", kPool,
     "Times that a session began to keep its server"},
    {"howdah_pool_probes_total", kCounter, "", kPool,
     "Queries of our own for what a session left on its server"},
    {"howdah_pool_plan_retries_total", kCounter, "", kPool,
     "Statements prepared again since DDL changed their result"},
    {"howdah_queries_total", kCounter, "", kDb, "Statements finished, as far as events came"},
    {"howdah_query_errors_total", kCounter, "", "database,class",
     "Statements that failed, by the first two characters of SQLSTATE"},
    {"howdah_query_rows_total", kCounter, "", kDb, "Rows returned or changed"},
    {"howdah_query_bytes_total", kCounter, "bytes", "database,direction",
     "Bytes of statements (in) and of their answers (out)"},
    {"howdah_query_queue_seconds", kHistogram, "seconds", kDb,
     "Time in which a statement waited for a server"},
    {"howdah_query_server_seconds", kHistogram, "seconds", kDb,
     "Time from a statement's going to the server to its answer's last byte"},
    {"howdah_query_network_seconds", kHistogram, "seconds", kDb,
     "Time from the answer's last byte to its being taken by the client's socket"},
    {"howdah_query_cache_seconds", kHistogram, "seconds", kDb,
     "Time in which a cache answered; there is none yet, so it is 0"},
    {"howdah_query_duration_seconds", kHistogram, "seconds", kDb,
     "Queue, server, network and cache together"},
    {"howdah_http_requests_total", kCounter, "", "path,code", "HTTP requests answered"},
    {"process_cpu_seconds_total", kCounter, "seconds", "", "CPU time, user and system"},
    {"process_resident_memory_bytes", kGauge, "bytes", "", "Memory in RAM"},
    {"process_virtual_memory_bytes", kGauge, "bytes", "", "Address space"},
    {"process_open_fds", kGauge, "", "", "Open file descriptors"},
    {"process_max_fds", kGauge, "", "", "Most file descriptors that may be open"},
    {"process_threads", kGauge, "", "", "Threads"},
    {"process_start_time_seconds", kGauge, "seconds", "", "Start, seconds since 1970"},
};

std::string_view type_name(MetricType type) {
    switch (type) {
        case kCounter:
            return "counter";
        case kGauge:
            return "gauge";
        case kHistogram:
            return "histogram";
        case kInfo:
            return "info";
    }
    return "";
}

std::string label_list(std::string_view labels) {
    std::string text;
    while (!labels.empty()) {
        const std::size_t comma = labels.find(',');
        text += fmt::format("{}`{}`", text.empty() ? "" : ", ", labels.substr(0, comma));
        labels.remove_prefix(comma == std::string_view::npos ? labels.size() : comma + 1);
    }
    return text;
}

}  // namespace

std::span<const MetricSpec> catalogue() {
    return kMetrics;
}

const MetricSpec& metric(std::string_view name) {
    for (const MetricSpec& spec : kMetrics) {
        if (spec.name == name) {
            return spec;
        }
    }
    ASSERT(false);
    return kMetrics[0];
}

std::string catalogue_markdown() {
    std::string text = fmt::format(
        "# Metrics\n\n"
        "`GET /metrics` on `http_listen` has them, as Prometheus text 0.0.4 or, when asked for by\n"
        "`Accept: application/openmetrics-text`, as OpenMetrics 1.0. `howdah_*` are howdah's own;\n"
        "`pgbouncer_*` are named as pgbouncer_exporter names them, for dashboards and alerts that\n"
        "were written for it. Histograms have {} buckets from {} us to {} s.\n\n"
        "Series are bounded: {} databases, {} pools (database and user), {} error classes a\n"
        "database; what is beyond counts under the label `{}`.\n\n"
        "This page is made from the table in src/monitor/catalogue.cpp; a test holds it to it.\n\n"
        "| metric | type | unit | labels | what it says |\n|---|---|---|---|---|\n",
        kDurationLimitsUs.size(), kDurationLimitsUs.front(), kDurationLimitsUs.back() / 1'000'000,
        Limits::kDatabasesMax, Limits::kPoolsMax, Limits::kErrorClassesMax, kOther);
    for (const MetricSpec& spec : kMetrics) {
        fmt::format_to(std::back_inserter(text), "| `{}` | {} | {} | {} | {} |\n", spec.name,
                       type_name(spec.type), spec.unit, label_list(spec.labels), spec.help);
    }
    return text;
}

}  // namespace howdah::monitor
