#include "migrate/runner/backfill.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <thread>

#include "migrate/runner/record.hpp"
#include "sql/tokens.hpp"
#include "sql/tree.hpp"

namespace howdah::migrate::runner {
namespace {

using Clock = std::chrono::steady_clock;

struct Key {
    std::string table;               // quoted
    std::vector<std::string> names;  // quoted
    std::vector<std::string> types;
    double rows_estimate = 0;

    std::string columns() const { return fmt::format("{}", fmt::join(names, ", ")); }
    std::string as_text() const {
        std::string text;
        for (const std::string& name : names) {
            text += (text.empty() ? "" : ", ") + name + "::text";
        }
        return text;
    }
    // "(id) > ('5'::bigint)"
    std::string compared(std::string_view how, const std::vector<std::string>& values) const {
        std::string right;
        for (std::size_t i = 0; i < values.size(); ++i) {
            right += fmt::format("{}{}::{}", i == 0 ? "" : ", ", pg::quoted_literal(values[i]),
                                 types[i]);
        }
        return fmt::format("({}) {} ({})", columns(), how, right);
    }
};

std::string to_cursor(const std::vector<std::string>& values) {
    boost::json::array array;
    for (const std::string& value : values) {
        array.emplace_back(value);
    }
    return boost::json::serialize(array);
}

Result<std::vector<std::string>> from_cursor(const std::string& cursor, std::size_t columns) {
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(cursor, error);
    std::vector<std::string> values;
    if (!error && value.is_array()) {
        for (const boost::json::value& each : value.get_array()) {
            values.emplace_back(each.is_string() ? std::string(each.get_string()) : "");
        }
    }
    if (values.size() != columns) {
        return fail(ErrorCode::kInvalidInput,
                    "the backfill's saved cursor does not fit the key: was the key changed?");
    }
    return values;
}

// A row whose key is NULL is in no range: it would be left out, silently.
Result<> refuse_nulls(pg::Connection& db, const Key& key) {
    std::string any;
    for (const std::string& name : key.names) {
        any += (any.empty() ? "" : " or ") + name + " is null";
    }
    TRY(const pg::Rows rows,
        db.query(fmt::format("select exists (select from {} where {})", key.table, any), {},
                 pg::kNoDeadline));
    if (!rows.boolean(0, 0)) {
        return {};
    }
    return fail(
        Error(ErrorCode::kInvalidInput, "",
              fmt::format("table {} has rows whose key ({}) is NULL: no batch would hold them",
                          key.table, key.columns()),
              "name columns that are NOT NULL: -- howdah:backfill key=a,b"));
}

Result<Key> read_key(pg::Connection& db, const std::string& table, const std::string& wanted) {
    TRY(const pg::Rows rows,
        db.query(
            "select quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), c.reltuples, "
            "a.attname from pg_class c left join pg_index i on i.indrelid = c.oid and "
            "i.indisprimary left join pg_attribute a on a.attrelid = c.oid and (case when $2 "
            "= '' then a.attnum = any(i.indkey) else a.attname = any(string_to_array($2, "
            "',')) end) where c.oid = to_regclass($1) order by case when $2 = '' then "
            "array_position(i.indkey::smallint[], a.attnum) else array_position("
            "string_to_array($2, ','), a.attname::text) end",
            {table, wanted}));
    if (rows.size() == 0) {
        return fail(ErrorCode::kInvalidInput, fmt::format("there is no table {}", table));
    }
    Key key{.table = table, .names = {}, .types = {}, .rows_estimate = rows.number(0, 2)};
    for (std::size_t i = 0; i < rows.size() && !rows.is_null(i, 0); ++i) {
        key.names.push_back(rows.string(i, 0));
        key.types.push_back(rows.string(i, 1));
    }
    const auto columns_wanted =
        static_cast<std::size_t>(std::count(wanted.begin(), wanted.end(), ',')) + 1;
    if (key.names.empty() || (!wanted.empty() && key.names.size() != columns_wanted)) {
        return fail(Error(ErrorCode::kInvalidInput, "",
                          wanted.empty()
                              ? fmt::format("table {} has no primary key to go by", table)
                              : fmt::format("table {} has no columns {}", table, wanted),
                          "name unique, indexed columns: -- howdah:backfill key=a,b"));
    }
    if (!wanted.empty()) {
        TRY_VOID(refuse_nulls(db, key));
    }
    return key;
}

class Backfill {
  public:
    Backfill(Executor& executor, const Step& step, std::string name,
             const BackfillSettings& settings)
        : executor_(executor), step_(step), name_(std::move(name)), settings_(settings) {
        settings_.batch = step.hint.batch > 0 ? step.hint.batch : settings.batch;
        settings_.pause_ms = step.hint.pause_ms >= 0 ? step.hint.pause_ms : settings.pause_ms;
    }

    Result<BackfillRun> run();

  private:
    Result<bool> batch();
    Result<> throttle();
    Result<std::string> too_busy();
    Result<> vacuum_once();
    void show() const;
    void sleep(std::int64_t milliseconds) const;

    Executor& executor_;
    const Step& step_;
    std::string name_;
    BackfillSettings settings_;
    Key key_;
    std::vector<std::string> cursor_;  // empty: before the first row
    BackfillRun run_;
    Clock::time_point begun_ = Clock::now();
    Clock::time_point checked_;
    bool vacuumed_ = false;
};

Result<BackfillRun> Backfill::run() {
    const Statement& statement = step_.statements.front();
    TRY_VOID(batched_sql(statement.sql, "true"));  // refuses what cannot be cut into ranges
    TRY(key_, read_key(executor_.db(), statement.facts.changes.front().relation, step_.hint.key));
    TRY(const auto saved, Ledger::cursor(executor_.db(), name_));
    if (saved) {
        TRY(cursor_, from_cursor(*saved, key_.names.size()));
        run_.resumed = true;
        executor_.narrator().say(
            fmt::format("  going on behind ({}) = {}", key_.columns(), *saved));
    }
    for (;;) {
        TRY_VOID(throttle());
        TRY(const bool more, batch());
        if (!more) {
            break;
        }
        show();
        sleep(settings_.pause_ms);
    }
    executor_.narrator().progress("");
    return run_;
}

// One range: its upper end first, so that the range is the same however often it is tried.
Result<bool> Backfill::batch() {
    const std::string from =
        cursor_.empty() ? std::string() : "where " + key_.compared(">", cursor_);
    std::string descending;
    for (const std::string& name : key_.names) {
        // s.: a bare name would be the text in the select list, in the order of texts.
        descending += (descending.empty() ? "s." : ", s.") + name + " desc";
    }
    TRY(const pg::Rows last,
        executor_.db().query(
            fmt::format("select {} from (select {} from {} {} order by {} limit {}) s order by {} "
                        "limit 1",
                        key_.as_text(), key_.columns(), key_.table, from, key_.columns(),
                        settings_.batch, descending),
            {}, pg::kNoDeadline));
    if (last.size() == 0) {
        return false;
    }
    std::vector<std::string> upper;
    for (std::size_t i = 0; i < last.columns(); ++i) {
        upper.push_back(last.string(0, i));
    }
    std::string range = key_.compared("<=", upper);
    if (!cursor_.empty()) {
        range = key_.compared(">", cursor_) + " and " + range;
    }
    Step batch_step;
    Statement statement = step_.statements.front();
    TRY(statement.sql, batched_sql(statement.sql, range));
    batch_step.statements.push_back(std::move(statement));
    TRY(const StepRun done, executor_.run_transaction(batch_step, [&] {
        return Ledger::save_cursor(executor_.db(), name_, to_cursor(upper), settings_.batch);
    }));
    run_.rows += static_cast<std::int64_t>(done.rows);
    ++run_.batches;
    cursor_ = std::move(upper);
    return true;
}

void Backfill::sleep(std::int64_t milliseconds) const {
    const auto until = Clock::now() + std::chrono::milliseconds(milliseconds);
    while (Clock::now() < until && !executor_.interrupted()) {
        std::this_thread::sleep_for(
            std::min<Clock::duration>(std::chrono::milliseconds(100), until - Clock::now()));
    }
}

void Backfill::show() const {
    const double seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
    const double visited = static_cast<double>(run_.batches * settings_.batch);
    std::string rest;
    if (key_.rows_estimate > visited && !run_.resumed) {
        rest = fmt::format(" ({:.0f} %), about {} to go", visited / key_.rows_estimate * 100,
                           duration_text(seconds / visited * (key_.rows_estimate - visited)));
    }
    executor_.narrator().progress(
        fmt::format("  {} batches, {} rows changed{}", run_.batches, run_.rows, rest));
}

// Why the next batch should wait; empty when nothing is in its way.
Result<std::string> Backfill::too_busy() {
    TRY(const pg::Rows lag,
        executor_.db().query(
            "select coalesce(max(extract(epoch from replay_lag)), 0), coalesce(max(pg_wal_lsn_diff("
            "pg_current_wal_lsn(), replay_lsn)), 0)::bigint from pg_stat_replication where state = "
            "'streaming'"));
    if (lag.number(0, 0) > settings_.lag_s_max || lag.integer(0, 1) > settings_.lag_bytes_max) {
        return fmt::format("a replica is {:.1f} s and {} MB behind", lag.number(0, 0),
                           lag.integer(0, 1) >> 20);
    }
    TRY(const pg::Rows dead,
        executor_.db().query("select n_dead_tup, n_live_tup from pg_stat_user_tables where relid = "
                             "to_regclass($1)",
                             {key_.table}));
    if (dead.size() == 1 && dead.integer(0, 0) > settings_.dead_rows_min &&
        dead.number(0, 0) > settings_.dead_ratio_max * std::max(dead.number(0, 1), 1.0)) {
        TRY_VOID(vacuum_once());
        return fmt::format("{} dead rows wait for VACUUM", dead.integer(0, 0));
    }
    return std::string();
}

// Autovacuum may be slow or off; a plain VACUUM blocks no reader and no writer.
Result<> Backfill::vacuum_once() {
    if (vacuumed_) {
        return {};
    }
    vacuumed_ = true;
    executor_.narrator().say("  dead rows pile up: VACUUM " + key_.table);
    return executor_.db().execute("vacuum (skip_locked) " + key_.table, {}, pg::kNoDeadline);
}

Result<> Backfill::throttle() {
    const auto now = Clock::now();
    if (now - checked_ < std::chrono::seconds(1)) {
        return {};
    }
    checked_ = now;
    vacuumed_ = false;
    std::string said;
    for (;;) {
        TRY(const std::string why, too_busy());
        const double waited = std::chrono::duration<double>(Clock::now() - now).count();
        if (why.empty() || executor_.interrupted() || waited > settings_.throttle_s_max) {
            run_.throttled_s += said.empty() ? 0 : waited;
            return {};
        }
        if (said.empty()) {
            said = why;
            executor_.narrator().say("  waiting: " + why);
        }
        sleep(500);
    }
}

}  // namespace

namespace {

// Whether a range can be added to its WHERE: one table, and no second one that is joined to it.
bool can_be_cut(std::string_view statement) {
    const auto tree = sql::Tree::parse(statement);
    if (!tree || tree->first() == nullptr) {
        return false;
    }
    const sql::Node& node = *tree->first();
    if (node.node_case == PG_QUERY__NODE__NODE_UPDATE_STMT) {
        const PgQuery__UpdateStmt& update = *node.update_stmt;
        return update.n_from_clause == 0 && update.n_returning_list == 0 &&
               update.with_clause == nullptr;
    }
    if (node.node_case == PG_QUERY__NODE__NODE_DELETE_STMT) {
        const PgQuery__DeleteStmt& remove = *node.delete_stmt;
        return remove.n_using_clause == 0 && remove.n_returning_list == 0 &&
               remove.with_clause == nullptr;
    }
    return false;
}

}  // namespace

Result<std::string> batched_sql(std::string_view statement, const std::string& range) {
    if (!can_be_cut(statement)) {
        return fail(Error(ErrorCode::kInvalidInput, "",
                          "a backfill is one UPDATE or DELETE of one table, without FROM, USING, "
                          "WITH or RETURNING",
                          "use a subquery in parentheses instead of a join"));
    }
    sql::Lexer lexer(statement);
    int depth = 0;
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        depth += sql::is_punct(token, statement, '(') ? 1 : 0;
        depth -= sql::is_punct(token, statement, ')') ? 1 : 0;
        if (depth == 0 && sql::is_word(token, statement, "where")) {
            return fmt::format("{}where {} and (\n{}\n)", statement.substr(0, token.begin), range,
                               statement.substr(token.end));
        }
    }
    return fmt::format("{}\nwhere {}", statement, range);
}

Result<BackfillRun> run_backfill(Executor& executor, const Step& step, const std::string& name,
                                 const BackfillSettings& settings) {
    return Backfill(executor, step, name, settings).run();
}

}  // namespace howdah::migrate::runner
