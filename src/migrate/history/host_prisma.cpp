// Prisma's table (prisma-engines: sql_migration_persistence.rs, apply_migrations.rs,
// mark_migration_*.rs, checksum.rs).
#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "migrate/history/digest.hpp"
#include "migrate/history/host_table.hpp"

namespace howdah::migrate::runner {
namespace {

constexpr std::int64_t kPrismaLock = 72707369;

// What Prisma accepts as the same script: as it is, and with either kind of line ends.
bool same_script(const Script& script, const std::string& checksum) {
    if (script.hash == checksum || checksum.size() != 64) {
        return true;  // older versions wrote the hash unpadded; Prisma compares those leniently
    }
    static const std::regex crlf("\r\n");
    static const std::regex lone("\n");
    const std::string unix_ends = std::regex_replace(script.whole, crlf, "\n");
    return sha256_hex(unix_ends) == checksum ||
           sha256_hex(std::regex_replace(unix_ends, lone, "\r\n")) == checksum;
}

class PrismaTable final : public HostTable {
  public:
    explicit PrismaTable(const HostNames& given)
        : schema_(given.schema.empty() ? "public" : given.schema),
          table_(given.table.empty() ? "_prisma_migrations" : given.table) {}

    std::string name() const override { return schema_ + "." + table_; }
    Result<bool> exists(pg::Connection& db) override {
        return relation_exists(db, schema_, table_);
    }

    Result<> prepare(pg::Connection& db, const Project& project) override;
    Result<> adopt(pg::Connection& db, const Project& project) override;
    Result<> marked_applied(pg::Connection& db, const Script& script) override;
    Result<std::vector<HistoryRow>> read(pg::Connection& db) override;
    std::vector<Standing> compare(const Project& project,
                                  const std::vector<HistoryRow>& rows) const override;
    Result<> begun(pg::Connection& db, const Script& script) override;
    Result<> finished(pg::Connection& db, const Script& script) override;
    Result<> failed(pg::Connection& db, const Script& script, const std::string& log) override;
    Result<> undone(pg::Connection& db, const Script& script, const Script* /*before*/) override;
    std::vector<std::int64_t> lock_keys(const pg::Connection& /*db*/) const override {
        return {kPrismaLock};
    }

  private:
    std::string quoted() const { return pg::quoted_name(schema_) + "." + pg::quoted_name(table_); }

    std::string schema_;
    std::string table_;
};

Result<> PrismaTable::prepare(pg::Connection& db, const Project& project) {
    TRY(const bool there, exists(db));
    if (there) {
        return {};
    }
    TRY_VOID(db.execute("create schema if not exists " + pg::quoted_name(schema_)));
    TRY(const pg::Rows others,
        db.query("select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on "
                 "n.oid = c.relnamespace where n.nspname = $1 and c.relkind in ('r', 'p') and not "
                 "exists (select from pg_catalog.pg_depend d where d.objid = c.oid and d.deptype = "
                 "'e') order by 1 limit 1",
                 {schema_}));
    if (others.size() > 0) {
        return fail(Error(ErrorCode::kInvalidInput, "",
                          fmt::format("schema {} is not empty (it holds {}) and has no {} (Prisma "
                                      "P3005)",
                                      schema_, others.text(0, 0), table_),
                          project.scripts.empty()
                              ? "baseline it"
                              : fmt::format("baseline it: howdah migrate repair --applied {}",
                                            project.scripts.front().name)));
    }
    return adopt(db, project);
}

Result<> PrismaTable::adopt(pg::Connection& db, const Project& /*project*/) {
    TRY(const bool there, exists(db));
    if (there) {
        return {};
    }
    return db.execute(fmt::format(
        "create table {} (id varchar(36) primary key not null, checksum varchar(64) not null, "
        "finished_at timestamptz, migration_name varchar(255) not null, logs text, rolled_back_at "
        "timestamptz, started_at timestamptz not null default now(), applied_steps_count integer "
        "not null default 0)",
        quoted()));
}

// As `prisma migrate resolve --applied`: open rows are rolled back, one row that never ran.
Result<> PrismaTable::marked_applied(pg::Connection& db, const Script& script) {
    TRY_VOID(undone(db, script, nullptr));
    return db.execute(fmt::format("insert into {} (id, checksum, migration_name, logs, started_at, "
                                  "finished_at) values ($1, $2, $3, '', now(), now())",
                                  quoted()),
                      {random_uuid(), script.hash, script.name});
}

Result<std::vector<HistoryRow>> PrismaTable::read(pg::Connection& db) {
    TRY(const pg::Rows rows,
        db.query(fmt::format("select migration_name, checksum, finished_at, logs from {} where "
                             "rolled_back_at is null order by started_at",
                             quoted())));
    std::vector<HistoryRow> read;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        HistoryRow row;
        row.name = rows.string(i, 0);
        row.hash = rows.string(i, 1);
        row.failed = rows.is_null(i, 2);
        row.applied_at = rows.string(i, 2);
        row.log = rows.string(i, 3);
        read.push_back(std::move(row));
    }
    return read;
}

std::vector<Standing> PrismaTable::compare(const Project& project,
                                           const std::vector<HistoryRow>& rows) const {
    std::vector<Standing> standings = HostTable::compare(project, rows);
    for (std::size_t i = 0; i < standings.size(); ++i) {
        const Script& script = project.scripts[i];
        const auto row = std::ranges::find(rows, script.name, &HistoryRow::name);
        if (row != rows.end() && standings[i].edited) {
            standings[i].edited = !same_script(script, row->hash);
        }
    }
    return standings;
}

Result<> PrismaTable::begun(pg::Connection& db, const Script& script) {
    return db.execute(
        fmt::format(
            "insert into {0} (id, checksum, migration_name) select $1, $2, $3::varchar where not "
            "exists (select from {0} where migration_name = $3::varchar and finished_at is null "
            "and "
            "rolled_back_at is null)",
            quoted()),
        {random_uuid(), script.hash, script.name});
}

Result<> PrismaTable::finished(pg::Connection& db, const Script& script) {
    TRY_VOID(begun(db, script));
    return db.execute(
        fmt::format("update {} set finished_at = clock_timestamp(), applied_steps_count = "
                    "applied_steps_count + 1, logs = null where migration_name = $1 and "
                    "finished_at is null and rolled_back_at is null",
                    quoted()),
        {script.name});
}

Result<> PrismaTable::failed(pg::Connection& db, const Script& script, const std::string& log) {
    TRY_VOID(begun(db, script));
    return db.execute(fmt::format("update {} set logs = $2 where migration_name = $1 and "
                                  "finished_at is null and rolled_back_at is null",
                                  quoted()),
                      {script.name, log});
}

Result<> PrismaTable::undone(pg::Connection& db, const Script& script, const Script* /*before*/) {
    return db.execute(fmt::format("update {} set rolled_back_at = clock_timestamp() where "
                                  "migration_name = $1 and rolled_back_at is null",
                                  quoted()),
                      {script.name});
}

}  // namespace

std::unique_ptr<HostTable> make_prisma_table(const HostNames& names) {
    return std::make_unique<PrismaTable>(names);
}

}  // namespace howdah::migrate::runner
