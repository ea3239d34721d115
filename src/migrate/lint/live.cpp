// live: what is read from the database before anything is judged.
#include "migrate/lint/live.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "base/clock.hpp"
#include "migrate/history/host_table.hpp"
#include "migrate/lint/discover.hpp"
#include "migrate/lint/observe.hpp"
#include "migrate/rules/rules.hpp"
#include "migrate/runner/runner.hpp"
#include "pg/conninfo.hpp"

namespace howdah::migrate::lint {
namespace {

constexpr std::chrono::milliseconds kSample{1000};

bool is_local(const std::string& host) {
    return host.empty() || host.starts_with('/') || host == "localhost" || host == "127.0.0.1" ||
           host == "::1";
}

}  // namespace

Result<LiveDatabase> LiveDatabase::connect(const std::string& conninfo) {
    std::string schema;
    const std::string plain = runner::split_prisma_url(conninfo, schema);
    TRY(pg::Connection connection,
        pg::Connection::connect({.conninfo = plain, .application_name = "howdah lint"}));
    TRY_VOID(
        connection.execute("set default_transaction_read_only = on; set statement_timeout = '5s'; "
                           "set lock_timeout = '1s'"));
    LiveDatabase live(std::move(connection));
    live.prisma_schema_ = schema;
    live.conninfo_ = plain;
    live.pooled_ =
        live.one_value("select pg_backend_pid()") != std::to_string(live.connection_.backend_pid());
    TRY_VOID(live.read_tables());
    TRY_VOID(live.read_activity());
    live.read_holders();
    live.read_queries();
    return live;
}

Result<> LiveDatabase::read_tables() {
    TRY(const pg::Rows rows,
        connection_.query(
            "select n.nspname, c.relname, pg_total_relation_size(c.oid), "
            "greatest(c.reltuples, s.n_live_tup, 0)::bigint, "
            "(coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0)) / greatest(1, extract(epoch from "
            "now() - coalesce(d.stats_reset, pg_postmaster_start_time()))), "
            "(coalesce(s.n_tup_ins, 0) + coalesce(s.n_tup_upd, 0) + coalesce(s.n_tup_del, 0)) / "
            "greatest(1, extract(epoch from now() - coalesce(d.stats_reset, "
            "pg_postmaster_start_time()))), "
            "coalesce(pg_tablespace_location(nullif(c.reltablespace, 0)), '') "
            "from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "left join pg_stat_user_tables s on s.relid = c.oid "
            "join pg_stat_database d on d.datname = current_database() "
            "where c.relkind in ('r', 'm', 'p') and n.nspname not like 'pg\\_%' "
            "and n.nspname <> 'information_schema'"));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        tables_[canonical_name(rows.text(i, 0), rows.text(i, 1))] = {
            .bytes = rows.integer(i, 2),
            .rows = rows.integer(i, 3),
            .reads_per_s = rows.number(i, 4),
            .writes_per_s = rows.number(i, 5),
            .tablespace = rows.string(i, 6)};
    }
    return {};
}

Result<> LiveDatabase::read_activity() {
    TRY(const pg::Rows longest,
        connection_.query(
            "select coalesce(max(extract(epoch from now() - xact_start)), 0) from "
            "pg_stat_activity where pid <> pg_backend_pid() and xact_start is not null "
            "and datname = current_database()"));
    longest_transaction_s_ = longest.number(0, 0);
    TRY(const pg::Rows lag,
        connection_.query(
            "select coalesce(max(pg_wal_lsn_diff(case when pg_is_in_recovery() then "
            "pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, replay_lsn)), -1)::bigint, "
            "coalesce(max(extract(epoch from replay_lag)), 0) from pg_stat_replication"));
    replica_lag_bytes_ = lag.integer(0, 0, -1);
    replica_lag_s_ = lag.number(0, 1);
    has_statements_ =
        !one_value("select 1 from pg_extension where extname = 'pg_stat_statements'").empty();
    std::error_code ignored;
    const std::string folder = one_value("select current_setting('data_directory', true)");
    if (is_local(connection_.host()) && std::filesystem::exists(folder, ignored)) {
        data_directory_ = folder;
    }
    return {};
}

// Who would be waited for, table by table.
void LiveDatabase::read_holders() {
    const auto rows = connection_.query(
        "select n.nspname, c.relname, max(extract(epoch from clock_timestamp() - a.xact_start)) "
        "from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = "
        "c.relnamespace join pg_stat_activity a on a.pid = l.pid where l.granted and l.database = "
        "(select oid from pg_database where datname = current_database()) and l.pid <> "
        "pg_backend_pid() and a.xact_start is not null group by 1, 2");
    for (std::size_t i = 0; rows && i < rows->size(); ++i) {
        const auto known = tables_.find(canonical_name(rows->text(i, 0), rows->text(i, 1)));
        if (known != tables_.end()) {
            known->second.holder_s = rows->number(i, 2);
        }
    }
}

// Calls a second are what a lock stops, where the counters of tables know scans only.
void LiveDatabase::read_queries() {
    if (!has_statements_) {
        return;
    }
    const std::vector<SeenQuery> queries = read_calls(true);
    if (queries.empty()) {
        has_statements_ = false;
        return;
    }
    statements_.read(queries);
    take_rates(statements_);
}

// Without texts for those that are known.
std::vector<SeenQuery> LiveDatabase::read_calls(bool with_text) {
    constexpr std::string_view kQuery =
        "select queryid::text, sum(calls), {}, {} from pg_stat_statements where dbid = (select oid "
        "from pg_database where datname = current_database()) group by 1 order by 2 desc limit "
        "10000";
    const std::string since =
        connection_.server_version() >= 140000
            ? "(select extract(epoch from now() - stats_reset) from pg_stat_statements_info)"
            : "extract(epoch from now() - pg_postmaster_start_time())";
    const auto rows =
        connection_.query(fmt::format(kQuery, with_text ? "min(query)" : "''", since));
    queries_read_ = steady_now();
    std::vector<SeenQuery> queries;
    for (std::size_t i = 0; rows && i < rows->size(); ++i) {
        queries.push_back({.id = rows->string(i, 0),
                           .text = rows->string(i, 2),
                           .calls = rows->number(i, 1),
                           .seconds = rows->number(i, 3, 1)});
    }
    return queries;
}

// Scans give way to queries; of two that count queries, the greater is nearer the truth.
void LiveDatabase::take_rates(const Traffic& traffic) {
    for (auto& [name, table] : tables_) {
        const Traffic::Rate rate = traffic.rate(name);
        table.reads_per_s = counts_queries_ ? std::max(table.reads_per_s, rate.reads) : rate.reads;
        table.writes_per_s =
            counts_queries_ ? std::max(table.writes_per_s, rate.writes) : rate.writes;
    }
    counts_queries_ = true;
}

// The average since the counters began says little on a database that was idle all night: a second
// of now, where something would be blocked.
void LiveDatabase::sample_traffic(const LintResult& result) {
    if (seen_ != nullptr) {
        take_rates(*seen_);
    }
    if (!has_statements_ || !stops_queries(result)) {
        return;
    }
    const auto passed = steady_now() - queries_read_;
    std::this_thread::sleep_for(kSample - std::min<std::chrono::nanoseconds>(kSample, passed));
    const auto before = queries_read_;
    const std::vector<SeenQuery> queries = read_calls(false);
    statements_.read_again(queries, std::chrono::duration<double>(queries_read_ - before).count());
    take_rates(statements_);
}

// A pooler tells a process of its own at the start. howdah's console is its database "howdah".
std::optional<pg::Connection> LiveDatabase::console() const {
    const auto conninfo = pg::with_database(conninfo_, "howdah");
    if (!pooled_ || !conninfo) {
        return std::nullopt;
    }
    auto connection =
        pg::Connection::connect({.conninfo = *conninfo, .application_name = "howdah lint"});
    return connection ? std::optional(std::move(*connection)) : std::nullopt;
}

// The first column of the first row; "" when there is none, it is NULL, or the query failed.
std::string LiveDatabase::one_value(const std::string& sql, const pg::Params& params) {
    const auto rows = connection_.query(sql, params);
    return rows && rows->size() > 0 && rows->columns() > 0 && !rows->is_null(0, 0)
               ? rows->string(0, 0)
               : std::string();
}

std::string LiveDatabase::mark_pending(Project& project) {
    const auto on_disk = runner::read_project(project.folder);
    if (!on_disk) {
        return {};  // not a tool that keeps a history that we know: all files count
    }
    const auto table = runner::make_host_table(
        on_disk->tool,
        {.schema = on_disk->tool == runner::HostTool::kPrisma ? prisma_schema_ : "", .table = ""});
    const auto read = runner::read_history(connection_, *table, *on_disk);
    if (!read) {
        return fmt::format("{} cannot be read, so all files are judged: {}", table->name(),
                           read.error().message);
    }
    const runner::History& history = *read;
    std::map<std::string, const runner::Standing*> standings;
    for (std::size_t i = 0; i < on_disk->scripts.size(); ++i) {
        standings[std::filesystem::weakly_canonical(on_disk->scripts[i].up.file).string()] =
            &history.standings[i];
    }
    for (MigrationFile& file : project.files) {
        const auto found = standings.find(std::filesystem::weakly_canonical(file.path).string());
        if (found == standings.end()) {
            continue;
        }
        const runner::Standing& standing = *found->second;
        if (standing.edited) {
            project.findings.push_back(
                history_finding(rule_history_edited_file, file.path, 1,
                                fmt::format("{} was applied with another text", file.name)));
        }
        if (standing.state == runner::ScriptState::kSkipped) {
            project.findings.push_back(history_finding(
                rule_history_entry_skipped, file.path, 1,
                fmt::format("{} is older than what {} says has run: its tool will never run it",
                            file.name, table->name())));
        }
        const bool ran = standing.state == runner::ScriptState::kApplied;
        file.pending = !ran && file.judged;
        file.judged = file.judged && !ran;
    }
    for (const std::string& name : history.unknown) {
        project.findings.push_back(history_finding(
            rule_history_file_missing, project.folder, 0,
            fmt::format("{} has run {}, which is not in the folder", table->name(), name)));
    }
    return {};
}

Finding& LiveDatabase::report(const Rule& rule, const Project& project, const JudgedAction& judged,
                              std::string message, LintResult& result) const {
    Finding finding =
        history_finding(rule, project.files[judged.file].path, judged.line, std::move(message));
    finding.impact = describe_impact(judged.action);
    return result.findings.emplace_back(std::move(finding));
}

Result<> LiveDatabase::judge(const Project& project, const LintConfig& config, LintResult& result) {
    sample_traffic(result);
    for (const JudgedAction& judged : result.actions) {
        weigh(project, judged, result);
        check_data(project, judged, result);
        check_use(project, judged, result);
        check_disk(project, judged, result);
    }
    settle(config, result);
    return {};
}

}  // namespace howdah::migrate::lint
