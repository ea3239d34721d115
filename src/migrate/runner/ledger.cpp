#include "migrate/runner/ledger.hpp"

#include "migrate/history/host_table.hpp"

namespace howdah::migrate::runner {
namespace {

constexpr const char* kTables =
    "create schema if not exists howdah;"
    "create table if not exists howdah.migration_run (id uuid primary key, command text not null, "
    "tool text not null, folder text not null, plan_hash text not null, howdah_version text not "
    "null, started_by text not null default current_user, client text, started_at timestamptz not "
    "null default clock_timestamp(), finished_at timestamptz, outcome text, error text);"
    "create table if not exists howdah.migration_step (host_table text not null, migration text "
    "not null, down boolean not null, step integer not null, hash text not null, done boolean not "
    "null, begun_at timestamptz not null default clock_timestamp(), done_at timestamptz, primary "
    "key (host_table, migration, down, step));"
    "create table if not exists howdah.backfill (name text primary key, cursor text not null, rows "
    "bigint not null, batches bigint not null, changed_at timestamptz not null);"
    "create table if not exists howdah.schema_state (host_table text primary key, hash text not "
    "null, listing text not null, applied text not null, recorded_at timestamptz not null default "
    "clock_timestamp())";

pg::Params key_of(const LedgerKey& key) {
    return {key.host_table, key.migration, key.down ? "t" : "f"};
}

}  // namespace

Result<> Ledger::prepare(pg::Connection& db) {
    TRY(const bool there, relation_exists(db, kLedgerSchema, "schema_state"));
    return there ? Result<>() : db.execute(kTables);
}

Result<bool> Ledger::exists(pg::Connection& db) {
    return relation_exists(db, kLedgerSchema, "migration_step");
}

Result<std::vector<StepRow>> Ledger::steps(pg::Connection& db, const LedgerKey& key) {
    TRY(const bool there, exists(db));
    if (!there) {
        return std::vector<StepRow>();
    }
    TRY(const pg::Rows rows,
        db.query("select step, hash, done, begun_at from howdah.migration_step where host_table = "
                 "$1 and migration = $2 and down = $3::boolean order by step",
                 key_of(key)));
    std::vector<StepRow> steps;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        steps.push_back({.number = static_cast<std::size_t>(rows.integer(i, 0)),
                         .hash = rows.string(i, 1),
                         .done = rows.boolean(i, 2),
                         .begun_at = rows.string(i, 3)});
    }
    return steps;
}

Result<std::vector<LedgerKey>> Ledger::unfinished(pg::Connection& db,
                                                  const std::string& host_table) {
    TRY(const bool there, exists(db));
    std::vector<LedgerKey> keys;
    if (there) {
        TRY(const pg::Rows rows,
            db.query("select distinct migration, down from howdah.migration_step where host_table "
                     "= $1 order by 1",
                     {host_table}));
        for (std::size_t i = 0; i < rows.size(); ++i) {
            keys.push_back({host_table, rows.string(i, 0), rows.boolean(i, 1)});
        }
    }
    return keys;
}

Result<> Ledger::step_begun(pg::Connection& db, const LedgerKey& key, std::size_t number,
                            const std::string& hash) {
    pg::Params params = key_of(key);
    params.emplace_back(std::to_string(number));
    params.emplace_back(hash);
    return db.execute(
        "insert into howdah.migration_step (host_table, migration, down, step, hash, done) values "
        "($1, $2, $3::boolean, $4::integer, $5, false) on conflict (host_table, migration, down, "
        "step) do update set hash = excluded.hash, begun_at = clock_timestamp()",
        params);
}

Result<> Ledger::step_done(pg::Connection& db, const LedgerKey& key, std::size_t number,
                           const std::string& hash) {
    pg::Params params = key_of(key);
    params.emplace_back(std::to_string(number));
    params.emplace_back(hash);
    return db.execute(
        "insert into howdah.migration_step (host_table, migration, down, step, hash, done, "
        "done_at) values ($1, $2, $3::boolean, $4::integer, $5, true, clock_timestamp()) on "
        "conflict (host_table, migration, down, step) do update set hash = excluded.hash, done = "
        "true, done_at = clock_timestamp()",
        params);
}

Result<> Ledger::forget_steps(pg::Connection& db, const LedgerKey& key) {
    return db.execute(
        "delete from howdah.migration_step where host_table = $1 and migration = $2 and down = "
        "$3::boolean",
        key_of(key));
}

Result<> Ledger::run_begun(pg::Connection& db, const RunRow& run) {
    return db.execute(
        "insert into howdah.migration_run (id, command, tool, folder, plan_hash, howdah_version, "
        "client) values ($1::uuid, $2, $3, $4, $5, $6, inet_client_addr()::text)",
        {run.id, run.command, run.tool, run.folder, run.plan_hash, HOWDAH_VERSION});
}

Result<> Ledger::run_finished(pg::Connection& db, const std::string& id, const std::string& outcome,
                              const std::string& error) {
    return db.execute(
        "update howdah.migration_run set finished_at = clock_timestamp(), outcome = $2, error = "
        "nullif($3, '') where id = $1::uuid",
        {id, outcome, error});
}

Result<std::optional<std::string>> Ledger::cursor(pg::Connection& db, const std::string& name) {
    TRY(const pg::Rows rows,
        db.query("select cursor from howdah.backfill where name = $1", {name}));
    return rows.size() == 0 ? std::optional<std::string>() : rows.string(0, 0);
}

Result<> Ledger::save_cursor(pg::Connection& db, const std::string& name, const std::string& cursor,
                             std::int64_t rows) {
    return db.execute(
        "insert into howdah.backfill as b (name, cursor, rows, batches, changed_at) values ($1, "
        "$2, $3::bigint, 1, clock_timestamp()) on conflict (name) do update set cursor = "
        "excluded.cursor, rows = b.rows + excluded.rows, batches = b.batches + 1, changed_at = "
        "clock_timestamp()",
        {name, cursor, std::to_string(rows)});
}

Result<> Ledger::forget_cursor(pg::Connection& db, const std::string& name) {
    return db.execute("delete from howdah.backfill where name = $1", {name});
}

}  // namespace howdah::migrate::runner
