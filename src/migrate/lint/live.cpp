#include "migrate/lint/live.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <set>

#include "migrate/lint/discover.hpp"
#include "migrate/lint/observe.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

constexpr std::int64_t kMegabyte = 1024 * 1024;
constexpr std::int64_t kSmallBytes = 16 * kMegabyte;
constexpr std::int64_t kSmallRows = 10'000;
constexpr std::int64_t kBigBytes = 1024 * kMegabyte;

std::string sha256_hex(std::string_view text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) != 1) {
        return {};
    }
    std::string hex;
    for (unsigned int i = 0; i < size; ++i) {
        hex += fmt::format("{:02x}", digest[i]);
    }
    return hex;
}

std::string human_bytes(std::int64_t bytes) {
    const auto mega = static_cast<double>(bytes) / static_cast<double>(kMegabyte);
    return mega >= 1024 ? fmt::format("{:.1f} GB", mega / 1024) : fmt::format("{:.1f} MB", mega);
}

// Seconds for the work at hand: fast disks to slow ones.
std::pair<double, double> seconds_of(const TableEffect& effect, std::int64_t bytes) {
    const double gb = static_cast<double>(bytes) / static_cast<double>(1024 * kMegabyte);
    if (effect.rewrite) {
        return {gb * 5, gb * 40};
    }
    if (effect.build) {
        return {gb * 3, gb * 20};
    }
    return effect.scan ? std::pair(gb * 0.5, gb * 5) : std::pair(0.0, 0.0);
}

bool loses_data(std::string_view rule) {
    return rule.starts_with("drop-") || rule == "truncate-table" ||
           rule == "data-change-without-where";
}

}  // namespace

Result<LiveDatabase> LiveDatabase::connect(const std::string& conninfo) {
    TRY(pg::Connection connection,
        pg::Connection::connect({.conninfo = conninfo, .application_name = "howdah lint"}));
    TRY_VOID(
        connection.execute("set default_transaction_read_only = on; set statement_timeout = '5s'; "
                           "set lock_timeout = '1s'"));
    LiveDatabase live(std::move(connection));
    TRY_VOID(live.read_tables());
    TRY_VOID(live.read_activity());
    return live;
}

Result<> LiveDatabase::read_tables() {
    TRY(const pg::Rows rows,
        connection_.query(
            "select n.nspname, c.relname, pg_total_relation_size(c.oid), "
            "greatest(c.reltuples, 0)::bigint, "
            "(coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0)) / greatest(1, extract(epoch from "
            "now() - coalesce(d.stats_reset, pg_postmaster_start_time()))), "
            "(coalesce(s.n_tup_ins, 0) + coalesce(s.n_tup_upd, 0) + coalesce(s.n_tup_del, 0)) / "
            "greatest(1, extract(epoch from now() - coalesce(d.stats_reset, "
            "pg_postmaster_start_time()))) "
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
            .writes_per_s = rows.number(i, 5)};
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
            "pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, replay_lsn)), -1)"
            "::bigint from pg_stat_replication"));
    replica_lag_bytes_ = lag.integer(0, 0, -1);
    has_statements_ =
        !one_value("select 1 from pg_extension where extname = 'pg_stat_statements'").empty();
    return {};
}

// The first column of the first row; "" when there is none, it is NULL, or the query failed.
std::string LiveDatabase::one_value(const std::string& sql, const pg::Params& params) {
    const auto rows = connection_.query(sql, params);
    return rows && rows->size() > 0 && rows->columns() > 0 && !rows->is_null(0, 0)
               ? rows->string(0, 0)
               : std::string();
}

Result<> LiveDatabase::mark_pending(Project& project) {
    const bool drizzle = project.tool == Tool::kDrizzle || project.tool == Tool::kDrizzle1;
    const std::string sql =
        drizzle ? "select hash, created_at::text from drizzle.__drizzle_migrations"
        : project.tool == Tool::kPrisma
            ? "select checksum, migration_name from _prisma_migrations where rolled_back_at is null"
            : "";
    if (sql.empty()) {
        return {};
    }
    const auto rows = connection_.query(sql);
    if (!rows) {  // no history table: everything is pending
        for (MigrationFile& file : project.files) {
            file.pending = file.judged;
        }
        return {};
    }
    std::set<std::string> hashes;
    std::map<std::string, std::string> by_name;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        hashes.insert(rows->string(i, 0));
        by_name[rows->string(i, 1)] = rows->string(i, 0);
    }
    for (std::size_t i = 0; i < project.files.size(); ++i) {
        MigrationFile& file = project.files[i];
        const auto text = read_whole(file.path);
        const std::string hash = text ? sha256_hex(*text) : std::string();
        const auto named = by_name.find(file.name);
        // Drizzle's table has hashes in order and no names.
        const bool ran = drizzle ? i < rows->size() : named != by_name.end();
        const bool edited = ran && (drizzle ? !hashes.contains(hash) : named->second != hash);
        if (edited) {
            project.findings.push_back(
                history_finding(rule_history_edited_file, file.path, 1,
                                fmt::format("{} was applied with another text", file.name)));
        }
        file.pending = !ran && file.judged;
        file.judged = file.judged && !ran;
    }
    return {};
}

std::string LiveDatabase::evidence(const LiveTable& table, const std::string& name) const {
    std::string text =
        fmt::format("{}: {}, about {} rows, {:.1f} scans/s, {:.1f} rows written/s", name,
                    human_bytes(table.bytes), table.rows, table.reads_per_s, table.writes_per_s);
    if (longest_transaction_s_ > 5) {
        text +=
            fmt::format("; the longest open transaction is {:.0f} s old", longest_transaction_s_);
    }
    if (replica_lag_bytes_ > 16 * kMegabyte) {
        text += fmt::format("; a replica is {} behind", human_bytes(replica_lag_bytes_));
    }
    return text;
}

void LiveDatabase::weigh(const Project& project, const JudgedAction& judged,
                         LintResult& result) const {
    const std::string& file = project.files[judged.file].path;
    const Action& action = judged.action;
    const TableEffect* worst = nullptr;
    for (const TableEffect& effect : action.effects) {
        const auto known = tables_.find(effect.table);
        const bool matters = !effect.fresh && (blocks_writes(effect.lock) || effect.works());
        if (known != tables_.end() && matters &&
            (worst == nullptr || known->second.bytes > tables_.at(worst->table).bytes)) {
            worst = &effect;
        }
    }
    if (worst == nullptr) {
        return;
    }
    const LiveTable& table = tables_.at(worst->table);
    const auto [fast, slow] = seconds_of(*worst, table.bytes);
    const double rate = (blocks_reads(worst->lock) ? table.reads_per_s : 0) + table.writes_per_s;
    for (Finding& finding : result.findings) {
        const bool mine = finding.line == judged.line && finding.file == file &&
                          !finding.impact.empty() && finding.impact == describe_impact(action);
        if (!mine) {
            continue;
        }
        finding.evidence = evidence(table, worst->table);
        if (slow >= 0.05) {
            finding.impact += fmt::format("; here {:.1f} to {:.1f} s", fast, slow);
        }
        if (rate > 0.05 && blocks_writes(worst->lock)) {
            finding.impact += fmt::format("; blocks about {:.0f} a second for it", rate);
        }
        if (loses_data(finding.rule)) {
            continue;
        }
        const bool small = table.bytes < kSmallBytes && table.rows < kSmallRows;
        if (small && finding.risk > Risk::kLow) {
            finding.risk = finding.risk == Risk::kHigh ? Risk::kMedium : Risk::kLow;
        } else if (table.bytes >= kBigBytes && finding.risk < Risk::kHigh) {
            finding.risk = finding.risk == Risk::kLow ? Risk::kMedium : Risk::kHigh;
        }
    }
}

void LiveDatabase::report(const Rule& rule, const Project& project, const JudgedAction& judged,
                          std::string message, LintResult& result) const {
    Finding finding =
        history_finding(rule, project.files[judged.file].path, judged.line, std::move(message));
    finding.impact = describe_impact(judged.action);
    result.findings.push_back(std::move(finding));
}

void LiveDatabase::check_data(const Project& project, const JudgedAction& judged,
                              LintResult& result) {
    const Action& action = judged.action;
    if (action.fresh || !tables_.contains(action.table)) {
        return;
    }
    const std::string table = sql_name(action.table);
    const bool unique = (action.kind == ActionKind::kCreateIndex && action.has(kInlineUnique)) ||
                        (action.kind == ActionKind::kAddConstraint &&
                         (action.constraint == ConstraintKind::kUnique ||
                          action.constraint == ConstraintKind::kPrimary));
    if (unique && !action.columns.empty() &&
        std::ranges::find(action.columns, "") == action.columns.end()) {
        const std::string columns = sql_names(action.columns);
        if (!one_value(fmt::format("select count(*) from {} group by {} having count(*) > 1 and "
                                   "num_nulls({}) = 0 limit 1",
                                   table, columns, columns))
                 .empty()) {
            report(rule_data_breaks_constraint, project, judged,
                   fmt::format("({}) of {} holds duplicates", columns, action.table), result);
        }
    } else if (action.kind == ActionKind::kSetNotNull) {
        const std::string nulls = one_value(
            fmt::format("select count(*) from (select 1 from {} where {} is null limit 1000) as n",
                        table, sql_name(action.name)));
        if (!nulls.empty() && nulls != "0") {
            report(rule_data_breaks_constraint, project, judged,
                   fmt::format("{}{} rows of {} have no {}", nulls == "1000" ? "at least " : "",
                               nulls, action.table, action.name),
                   result);
        }
    } else if (action.kind == ActionKind::kAddConstraint &&
               action.constraint == ConstraintKind::kForeign && action.columns.size() == 1) {
        const std::string key = one_value(
            "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and "
            "a.attnum = i.indkey[0] where i.indrelid = to_regclass($1) and i.indisprimary and "
            "i.indnkeyatts = 1",
            {sql_name(action.other)});
        const std::string orphans =
            key.empty()
                ? ""
                : one_value(fmt::format(
                      "select 1 from {0} c left join {1} p on p.{2} = c.{3} where c.{3} is "
                      "not null and p.{2} is null limit 1",
                      table, sql_name(action.other), sql_name(key), sql_name(action.columns[0])));
        if (!orphans.empty()) {
            report(rule_data_breaks_constraint, project, judged,
                   fmt::format("rows of {} point to no row of {}", action.table, action.other),
                   result);
        }
    } else if (action.kind == ActionKind::kAddColumn && action.has(kNotNull) &&
               !action.any(kHasDefault | kSerial | kIdentity | kGenerated) &&
               !one_value(fmt::format("select 1 from {} limit 1", table)).empty()) {
        report(rule_data_breaks_constraint, project, judged,
               fmt::format("{} has rows: {} would be NULL in them", action.table, action.name),
               result);
    }
}

void LiveDatabase::check_use(const Project& project, const JudgedAction& judged,
                             LintResult& result) {
    const Action& action = judged.action;
    const bool gone =
        action.kind == ActionKind::kDropColumn || action.kind == ActionKind::kRenameColumn ||
        action.kind == ActionKind::kDropTable || action.kind == ActionKind::kRenameTable;
    if (action.kind == ActionKind::kDropIndex && !action.fresh) {
        const std::string scans = one_value(
            "select idx_scan from pg_stat_user_indexes where indexrelid = to_regclass($1)",
            {sql_name(action.name)});
        if (!scans.empty() && scans != "0") {
            report(rule_dropped_index_still_scanned, project, judged,
                   fmt::format("{} was scanned {} times", action.name, scans), result);
        }
    }
    if (!gone || action.fresh || !has_statements_) {
        return;
    }
    // Whole words, so that "id" is not found in "paid".
    const bool column =
        action.kind == ActionKind::kDropColumn || action.kind == ActionKind::kRenameColumn;
    const auto word = [](std::string_view name) {
        const std::size_t dot = name.rfind('.');
        return "\\m" + std::string(dot == std::string_view::npos ? name : name.substr(dot + 1)) +
               "\\M";
    };
    const std::string calls = one_value(
        "select sum(calls) from pg_stat_statements where query ~* $1 and query ~* $2 and query !~* "
        "'^\\s*(alter|drop|create|comment|explain)' and dbid = (select oid from pg_database where "
        "datname = current_database())",
        {word(action.table), column ? word(action.name) : word(action.table)});
    if (!calls.empty() && calls != "0") {
        report(rule_dropped_column_still_read, project, judged,
               fmt::format("queries that name {} ran {} times",
                           column ? action.table + "." + action.name : action.table, calls),
               result);
    }
}

void LiveDatabase::check_disk(const Project& project, const JudgedAction& judged,
                              LintResult& result) const {
    for (const TableEffect& effect : judged.action.effects) {
        const auto known = tables_.find(effect.table);
        if (effect.rewrite && !effect.fresh && known != tables_.end() &&
            known->second.bytes >= kBigBytes) {
            report(rule_not_enough_disk, project, judged,
                   fmt::format("writing {} anew needs about {} more disk, and as much WAL",
                               effect.table, human_bytes(known->second.bytes)),
                   result);
        }
    }
}

Result<> LiveDatabase::judge(const Project& project, const LintConfig& config, LintResult& result) {
    for (const JudgedAction& judged : result.actions) {
        weigh(project, judged, result);
        check_data(project, judged, result);
        check_use(project, judged, result);
        check_disk(project, judged, result);
    }
    std::erase_if(result.findings,
                  [&](const Finding& finding) { return config.disabled.contains(finding.rule); });
    for (FileVerdict& verdict : result.files) {
        verdict.risk = Risk::kNone;
        for (const Finding& finding : result.findings) {
            verdict.risk =
                finding.file == verdict.file ? std::max(verdict.risk, finding.risk) : verdict.risk;
        }
    }
    sort_findings(result.findings);
    return {};
}

}  // namespace howdah::migrate::lint
