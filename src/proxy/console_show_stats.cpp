// SHOW of counters: by database, and in all.
#include <map>

#include "proxy/console_rows.hpp"
#include "proxy/console_show.hpp"
#include "proxy/gather.hpp"
#include "proxy/stats_average.hpp"

namespace howdah::proxy {
namespace {

struct Figures {
    PoolStats total;
    PoolStats average;
};

// Pools on one loop are read at one time, so that their averages may be added up: rates over one
// period, times over all that happened in it.
net::Task<std::map<std::string, Figures>> figures_by_database(Worker& home) {
    struct Sums {
        PoolStats now;
        PoolStats before;
        std::int64_t period_us = 0;
    };
    std::map<std::string, Sums> sums;
    for (const StatsRow& row : co_await gather_rows<StatsRow>(home, stats_rows)) {
        Sums& sum = sums[row.database];
        sum.now.add(row.now);
        sum.before.add(row.before);
        sum.period_us = std::max(sum.period_us, row.period_us);
    }
    std::map<std::string, Figures> figures;
    for (const auto& [database, sum] : sums) {
        figures[database] = {sum.now, average_of(sum.now, sum.before, sum.period_us)};
    }
    co_return figures;
}

// PgBouncer's order.
void add_figures(RowBuilder& cells, const PoolStats& stats) {
    cells.number(stats.server_assignments).number(stats.transactions).number(stats.queries);
    cells.number(stats.bytes_received).number(stats.bytes_sent).number(stats.transaction_us);
    cells.number(stats.query_us).number(stats.wait_us).number(stats.client_parses);
    cells.number(stats.server_parses).number(stats.binds);
}

// Ours, after them. PgBouncer after 1.25 has client_login_count too, among its own: who reads by
// place expects 1.25's columns there.
constexpr std::string_view kOwn[] = {
    "client_login_count", "errors",  "pins",     "probes",
    "plan_retries",       "cancels", "connects", "connect_failures"};
constexpr const char* kOwnAverage = "avg_client_login_count";

void add_own(RowBuilder& cells, const PoolStats& stats) {
    cells.number(stats.client_logins).number(stats.errors).number(stats.pins).number(stats.probes);
    cells.number(stats.plan_retries).number(stats.cancels).number(stats.connects);
    cells.number(stats.connect_failures);
}

void own_columns(Table& table, const std::string& prefix) {
    for (const std::string_view name : kOwn) {
        table.columns.emplace_back(prefix + std::string(name), kNumeric);
    }
}

}  // namespace

net::Task<Table> show_stats(Worker& home) {
    Table table{{"database", kText}};
    table.columns_of(kNumeric, {"total_server_assignment_count",
                                "total_xact_count",
                                "total_query_count",
                                "total_received",
                                "total_sent",
                                "total_xact_time",
                                "total_query_time",
                                "total_wait_time",
                                "total_client_parse_count",
                                "total_server_parse_count",
                                "total_bind_count",
                                "avg_server_assignment_count",
                                "avg_xact_count",
                                "avg_query_count",
                                "avg_recv",
                                "avg_sent",
                                "avg_xact_time",
                                "avg_query_time",
                                "avg_wait_time",
                                "avg_client_parse_count",
                                "avg_server_parse_count",
                                "avg_bind_count"});
    own_columns(table, "total_");
    table.columns_of(kNumeric, {kOwnAverage});
    for (const auto& [database, figures] : co_await figures_by_database(home)) {
        RowBuilder cells;
        cells.text(database);
        add_figures(cells, figures.total);
        add_figures(cells, figures.average);
        add_own(cells, figures.total);
        cells.number(figures.average.client_logins);
        table.rows.push_back(cells.take());
    }
    co_return table;
}

net::Task<Table> show_stats_totals(Worker& home) {
    Table table{{"database", kText}};
    table.columns_of(kNumeric,
                     {"server_assignment_count", "xact_count", "query_count", "bytes_received",
                      "bytes_sent", "xact_time", "query_time", "wait_time", "client_parse_count",
                      "server_parse_count", "bind_count"});
    own_columns(table, "");
    for (const auto& [database, figures] : co_await figures_by_database(home)) {
        RowBuilder cells;
        cells.text(database);
        add_figures(cells, figures.total);
        add_own(cells, figures.total);
        table.rows.push_back(cells.take());
    }
    co_return table;
}

net::Task<Table> show_stats_averages(Worker& home) {
    Table table{{"database", kText}};
    table.columns_of(
        kNumeric, {"server_assignment_count", "xact_count", "query_count", "bytes_received",
                   "bytes_sent", "xact_time", "query_time", "wait_time", "avg_client_parse_count",
                   "avg_server_parse_count", "avg_bind_count", kOwnAverage});
    for (const auto& [database, figures] : co_await figures_by_database(home)) {
        RowBuilder cells;
        cells.text(database);
        add_figures(cells, figures.average);
        cells.number(figures.average.client_logins);
        table.rows.push_back(cells.take());
    }
    co_return table;
}

net::Task<Table> show_totals(Worker& home) {
    Table table{{"name", kText}, {"value", kNumeric}};
    Figures sum;
    for (const auto& [database, figures] : co_await figures_by_database(home)) {
        sum.total.add(figures.total);
        sum.average.add(figures.average);
    }
    constexpr std::string_view kNames[] = {"server_assignment_count",
                                           "xact_count",
                                           "query_count",
                                           "client_bytes",
                                           "server_bytes",
                                           "xact_time",
                                           "query_time",
                                           "wait_time",
                                           "ps_client_parse_count",
                                           "ps_server_parse_count",
                                           "ps_bind_count"};
    const auto add = [&](const std::string& prefix, const auto& names, std::vector<Cell> values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            table.rows.push_back({prefix + std::string(names[i]), std::move(values[i])});
        }
    };
    RowBuilder totals;
    RowBuilder averages;
    RowBuilder own;
    add_figures(totals, sum.total);
    add_figures(averages, sum.average);
    add_own(own, sum.total);
    add("total_", kNames, totals.take());
    add("avg_", kNames, averages.take());
    add("total_", kOwn, own.take());
    table.rows.push_back(RowBuilder().text(kOwnAverage).number(sum.average.client_logins).take());
    co_return table;
}

}  // namespace howdah::proxy
