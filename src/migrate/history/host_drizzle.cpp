// Drizzle's table, 0.x and 1.0 (drizzle-orm: pg-core/dialect.ts, up-migrations/pg.ts).
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "migrate/history/host_table.hpp"

namespace howdah::migrate::runner {
namespace {

class DrizzleTable final : public HostTable {
  public:
    DrizzleTable(bool names, const HostNames& given)
        : names_(names),
          schema_(given.schema.empty() ? "drizzle" : given.schema),
          table_(given.table.empty() ? "__drizzle_migrations" : given.table) {}

    std::string name() const override { return schema_ + "." + table_; }

    Result<bool> exists(pg::Connection& db) override {
        return relation_exists(db, schema_, table_);
    }

    Result<> prepare(pg::Connection& db, const Project& project) override;
    Result<std::vector<HistoryRow>> read(pg::Connection& db) override;
    std::vector<Standing> compare(const Project& project,
                                  const std::vector<HistoryRow>& rows) const override;

    Result<> finished(pg::Connection& db, const Script& script) override {
        if (!names_) {
            return db.execute(
                fmt::format("insert into {} (hash, created_at) values ($1, $2)", quoted()),
                {script.hash, std::to_string(script.when_ms)});
        }
        return db.execute(
            fmt::format("insert into {} (hash, created_at, name) values ($1, $2, $3)", quoted()),
            {script.hash, std::to_string(script.when_ms), script.name});
    }

    Result<> undone(pg::Connection& db, const Script& script, const Script* /*before*/) override {
        if (names_) {
            return db.execute(fmt::format("delete from {} where name = $1", quoted()),
                              {script.name});
        }
        return db.execute(
            fmt::format("delete from {} where created_at = $1 or (hash = $2 and not exists (select "
                        "from {} where created_at = $1))",
                        quoted(), quoted()),
            {std::to_string(script.when_ms), script.hash});
    }

  private:
    std::string quoted() const { return pg::quoted_name(schema_) + "." + pg::quoted_name(table_); }
    Result<bool> has_names(pg::Connection& db);
    Result<> upgrade(pg::Connection& db, const Project& project);

    bool names_;  // 1.0: a row has a name, and that decides
    std::string schema_;
    std::string table_;
};

Result<bool> DrizzleTable::has_names(pg::Connection& db) {
    TRY(const pg::Rows rows,
        db.query("select 1 from pg_catalog.pg_attribute a where a.attrelid = $1::regclass and "
                 "a.attname = 'name' and not a.attisdropped",
                 {quoted()}));
    return rows.size() == 1;
}

Result<> DrizzleTable::prepare(pg::Connection& db, const Project& project) {
    TRY_VOID(db.execute("create schema if not exists " + pg::quoted_name(schema_)));
    TRY(const bool there, exists(db));
    if (!there) {
        return db.execute(fmt::format(
            "create table if not exists {} (id serial primary key, hash text not null, created_at "
            "bigint{})",
            quoted(),
            names_ ? ", name text, applied_at timestamp with time zone default now()" : ""));
    }
    TRY(const bool named, has_names(db));
    if (names_ && !named) {
        return upgrade(db, project);
    }
    if (!names_ && named) {
        return fail(Error(ErrorCode::kInvalidInput, "",
                          fmt::format("{} was written by Drizzle 1.0, the folder {} is of 0.x",
                                      name(), project.folder.string()),
                          "run drizzle-kit up on the folder"));
    }
    return {};
}

// As up-migrations/pg.ts: rows are matched by created_at cut to whole seconds, then by hash; a row
// that matches nothing stops it; applied_at of the old rows is NULL.
Result<> DrizzleTable::upgrade(pg::Connection& db, const Project& project) {
    TRY(const pg::Rows rows,
        db.query(fmt::format("select id, hash, created_at from {} order by id", quoted())));
    std::string script = fmt::format(
        "begin; alter table {0} add column if not exists name text; alter table {0} add column if "
        "not exists applied_at timestamp with time zone default now();",
        quoted());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::int64_t second = rows.integer(i, 2) / 1000 * 1000;
        const auto same_time = [&](const Script& s) { return s.when_ms == second; };
        const auto same_hash = [&](const Script& s) { return s.hash == rows.text(i, 1); };
        const auto count = std::ranges::count_if(project.scripts, same_time);
        const auto found = count == 1 ? std::ranges::find_if(project.scripts, same_time)
                                      : std::ranges::find_if(project.scripts, [&](const Script& s) {
                                            return same_hash(s) && (count == 0 || same_time(s));
                                        });
        if (found == project.scripts.end()) {
            return fail(Error(
                ErrorCode::kInvalidInput, "",
                fmt::format("{}: row {} matches no migration on disk", name(), rows.text(i, 0)),
                "a migration that has run is missing from the folder"));
        }
        script += fmt::format("update {} set name = {}, applied_at = null where id = {};", quoted(),
                              pg::quoted_literal(found->name), rows.text(i, 0));
    }
    auto done = db.execute(script + "commit");
    if (!done) {
        (void)db.execute("rollback");
    }
    return done;
}

Result<std::vector<HistoryRow>> DrizzleTable::read(pg::Connection& db) {
    TRY(const bool named, has_names(db));
    TRY(const pg::Rows rows,
        db.query(fmt::format("select hash, created_at, {} from {} order by id",
                             named ? "name, applied_at" : "null, null", quoted())));
    std::vector<HistoryRow> read;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        HistoryRow row;
        row.hash = rows.string(i, 0);
        row.when_ms = rows.integer(i, 1);
        row.name = rows.string(i, 2);
        row.applied_at = rows.string(i, 3);
        read.push_back(std::move(row));
    }
    return read;
}

// 0.x runs what is newer than the newest row, whatever else is missing: an entry that was merged
// late with an older `when` is never run (drizzle-orm#5769).
std::vector<Standing> DrizzleTable::compare(const Project& project,
                                            const std::vector<HistoryRow>& rows) const {
    std::int64_t newest = std::numeric_limits<std::int64_t>::min();
    for (const HistoryRow& row : rows) {
        newest = std::max(newest, row.when_ms);
    }
    const auto listed = [&](const HistoryRow& row) {
        return std::ranges::any_of(
            project.scripts, [&](const Script& script) { return script.when_ms == row.when_ms; });
    };
    std::set<const HistoryRow*> taken;
    std::vector<Standing> standings;
    for (const Script& script : project.scripts) {
        const auto by_name = [&](const HistoryRow& row) { return row.name == script.name; };
        const auto by_time = [&](const HistoryRow& row) { return row.when_ms == script.when_ms; };
        const auto by_hash = [&](const HistoryRow& row) { return row.hash == script.hash; };
        auto row = rows.end();
        if (names_) {
            row = std::ranges::find_if(rows, by_name);
        }
        // A 0.x row under a 1.0 folder has no name yet: prepare() will give it one.
        const auto unnamed = [&](const HistoryRow& r) {
            return r.name.empty() && (r.when_ms / 1000 * 1000 == script.when_ms || by_hash(r));
        };
        if (row == rows.end()) {
            row =
                names_ ? std::ranges::find_if(rows, unnamed) : std::ranges::find_if(rows, by_time);
        }
        // Its `when` was corrected after it ran. Two migrations may have the same text: a row that
        // another entry accounts for says nothing about this one.
        if (row == rows.end() && !names_) {
            row = std::ranges::find_if(rows, [&](const HistoryRow& r) {
                return by_hash(r) && !listed(r) && !taken.contains(&r);
            });
        }
        if (row != rows.end()) {
            taken.insert(&*row);
        }
        Standing standing;
        if (row != rows.end()) {
            standing.state = ScriptState::kApplied;
            standing.edited = row->hash != script.hash;
            standing.applied_at = row->applied_at;
        } else if (!names_ && script.when_ms <= newest) {
            standing.state = ScriptState::kSkipped;
        }
        standings.push_back(std::move(standing));
    }
    return standings;
}

}  // namespace

std::unique_ptr<HostTable> make_drizzle_table(HostTool tool, const HostNames& names) {
    return std::make_unique<DrizzleTable>(tool == HostTool::kDrizzle1, names);
}

}  // namespace howdah::migrate::runner
