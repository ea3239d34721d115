#include "migrate/deploy/backup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "migrate/deploy/command.hpp"
#include "migrate/runner/search_path.hpp"

namespace howdah::migrate::runner {
namespace fs = std::filesystem;
namespace {

std::string last_line(const std::string& output) {
    const std::size_t end = output.find_last_not_of('\n');
    if (end == std::string::npos) {
        return "no output";
    }
    const std::size_t begin = output.rfind('\n', end);
    return output.substr(begin == std::string::npos ? 0 : begin + 1, end - begin);
}

Result<CommandResult> must(CommandCall call, std::string_view what) {
    TRY(CommandResult result, run_command(call));
    if (result.status != 0) {
        return fail(Error(
            ErrorCode::kServer, "",
            fmt::format("{} ended with {}: {}", what, result.status, last_line(result.output)),
            "nothing has been changed"));
    }
    return result;
}

Result<Environment> environment_for(const std::string& conninfo) {
    std::string schema;
    return pg::as_environment(split_prisma_url(conninfo, schema));
}

// Rows per table in a dump: pg_restore writes COPY data, a line a row, ended by "\.".
Result<std::map<std::string, std::int64_t>> count_rows(const fs::path& file,
                                                       std::int64_t timeout_s) {
    std::map<std::string, std::int64_t> rows;
    std::string table;
    std::string line;
    const auto take = [&](std::string_view piece) {
        for (const char c : piece) {
            if (c != '\n') {
                line += line.size() < 1024 ? std::string(1, c) : "";
                continue;
            }
            if (table.empty() && line.starts_with("COPY ")) {
                table = line.substr(5, line.find(" (") - 5);
                rows[table] = 0;
            } else if (!table.empty() && line == "\\.") {
                table.clear();
            } else if (!table.empty()) {
                ++rows[table];
            }
            line.clear();
        }
    };
    CommandCall call;
    call.program = {"pg_restore", "--data-only", "-f", "-", file.string()};
    call.timeout_s = timeout_s;
    call.on_output = take;
    TRY_VOID(must(std::move(call), "pg_restore"));
    return rows;
}

class PgDump {
  public:
    PgDump(pg::Connection& db, const BackupCall& call) : db_(db), call_(call) {}

    Result<BackupResult> run() {
        std::error_code error;
        fs::create_directories(call_.config.backup_folder, error);
        fs::permissions(call_.config.backup_folder, fs::perms::owner_all, error);
        TRY(environment_, environment_for(call_.conninfo));
        // One snapshot for counting and dumping, so that the counts must agree.
        TRY(const pg::Transaction reading,
            pg::Transaction::begin(db_, "begin isolation level repeatable read read only"));
        TRY(const pg::Rows snapshot,
            db_.query("select pg_export_snapshot(), pg_current_wal_lsn()"));
        result_.lsn = snapshot.string(0, 1);
        const std::string snapshot_id = snapshot.string(0, 0);
        const bool full = call_.config.backup_scope == BackupScope::kFull;
        const bool rows = call_.config.backup_scope == BackupScope::kTouched;
        TRY_VOID(
            dump(full ? "full" : "schema", snapshot_id,
                 full ? std::vector<std::string>{} : std::vector<std::string>{"--schema-only"}));
        if (rows && !call_.touched.empty()) {
            TRY_VOID(dump_touched(snapshot_id));
        }
        result_.summary = fmt::format("pg_dump of {}: {}", full ? "everything" : "the schema",
                                      fmt::join(result_.files, ", "));
        if (!result_.tables.empty()) {
            result_.summary += fmt::format("; rows of {}", fmt::join(result_.tables, ", "));
        }
        return std::move(result_);
    }

  private:
    Result<> dump(const std::string& what, const std::string& snapshot,
                  const std::vector<std::string>& options) {
        const bool parallel = what == "full" && call_.config.backup_jobs > 1;
        const fs::path file = call_.config.backup_folder /
                              fmt::format("{}-{}.{}", call_.id, what, parallel ? "dir" : "dump");
        CommandCall command;
        command.program = {
            "pg_dump", "--no-password", "--snapshot=" + snapshot, parallel ? "-Fd" : "-Fc",
            "-f",      file.string()};
        if (parallel) {
            command.program.push_back(fmt::format("-j{}", call_.config.backup_jobs));
        }
        command.program.insert(command.program.end(), options.begin(), options.end());
        command.environment = environment_;
        command.timeout_s = call_.config.command_timeout_s;
        TRY_VOID(must(std::move(command), "pg_dump"));
        CommandCall list;
        list.program = {"pg_restore", "--list", file.string()};
        list.timeout_s = call_.config.command_timeout_s;
        TRY(const CommandResult listed, must(std::move(list), "pg_restore --list"));
        if (listed.output.find(';') == std::string::npos) {
            return fail(ErrorCode::kServer, file.string() + ": the dump lists nothing");
        }
        result_.files.push_back(file.string());
        return {};
    }

    Result<> dump_touched(const std::string& snapshot) {
        std::map<std::string, std::int64_t> expected;
        std::vector<std::string> options{"--data-only"};
        for (const TouchedTable& table : call_.touched) {
            TRY(const std::vector<std::string> names, with_dependents(table));
            for (const std::string& name : names) {
                if (expected.contains(name)) {
                    continue;
                }
                TRY(const pg::Rows count,
                    db_.query("select count(*) from only " + name, {}, pg::kNoDeadline));
                expected[name] = count.integer(0, 0);
                options.push_back("--table=" + name);
                result_.tables.push_back(name);
            }
        }
        return expected.empty() ? Result<>() : dump_rows(snapshot, options, expected);
    }

    // The table, its partitions and children, and what its rows take with them along foreign keys;
    // of a schema all its tables. Nothing when this very deploy makes it.
    Result<std::vector<std::string>> with_dependents(const TouchedTable& table) {
        const SearchPath path(db_, table.search_path);
        TRY(const pg::Rows rows,
            db_.query(
                "with recursive hit(oid) as (select c.oid from pg_class c where case when $2 then "
                "c.relnamespace = (select oid from pg_namespace where nspname = "
                "(parse_ident($1))[1]) else c.oid = to_regclass($1) end union select next.oid from "
                "hit cross join lateral (select inhrelid from pg_inherits where inhparent = "
                "hit.oid "
                "union all select conrelid from pg_constraint where contype = 'f' and confrelid = "
                "hit.oid and $3 and (confdeltype in ('c', 'n', 'd') or $4)) next(oid)) select "
                "quote_ident(n.nspname) || '.' || quote_ident(c.relname) from hit join pg_class c "
                "using (oid) join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' "
                "order by 1",
                {table.name, table.schema ? "t" : "f", table.rows_go ? "t" : "f",
                 table.truncated ? "t" : "f"}));
        std::vector<std::string> names;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            names.push_back(rows.string(i, 0));
        }
        return names;
    }

    Result<> dump_rows(const std::string& snapshot, const std::vector<std::string>& options,
                       const std::map<std::string, std::int64_t>& expected) {
        TRY_VOID(dump("rows", snapshot, options));
        TRY(const auto found, count_rows(result_.files.back(), call_.config.command_timeout_s));
        for (const auto& [table, rows] : expected) {
            const auto dumped = found.find(table);
            const std::int64_t there = dumped == found.end() ? 0 : dumped->second;
            if (there != rows) {
                return fail(ErrorCode::kServer,
                            fmt::format("the backup holds {} rows of {}, the table {}", there,
                                        table, rows));
            }
        }
        return {};
    }

    pg::Connection& db_;
    const BackupCall& call_;
    Environment environment_;
    BackupResult result_;
};

Result<BackupResult> by_command(const BackupCall& call) {
    BackupResult result;
    std::error_code error;
    fs::create_directories(call.config.backup_folder, error);
    const fs::path file = call.config.backup_folder / (call.id + ".backup");
    CommandCall command;
    command.shell = call.config.backup_command;
    command.environment = {{"HOWDAH_BACKUP_FILE", file.string()}, {"HOWDAH_DEPLOY_ID", call.id}};
    command.timeout_s = call.config.command_timeout_s;
    TRY(const CommandResult done, must(command, "the backup command"));
    result.summary = "backup command: " + last_line(done.output);
    if (fs::exists(file)) {
        result.files.push_back(file.string());
    }
    if (!call.config.backup_verify.empty()) {
        command.shell = call.config.backup_verify;
        TRY_VOID(must(command, "the backup's verification"));
    } else if (result.files.empty() || fs::file_size(file, error) == 0) {
        return fail(Error(ErrorCode::kServer, "",
                          "the backup command left nothing in $HOWDAH_BACKUP_FILE",
                          "write it there, or set backup_verify to a command that proves it"));
    }
    return result;
}

Result<BackupResult> by_restore_point(pg::Connection& db, const BackupCall& call) {
    BackupResult result;
    TRY(const pg::Rows rows,
        db.query("select pg_create_restore_point($1), current_setting('archive_mode')",
                 {"howdah-" + call.id}));
    if (rows.text(0, 1) == "off") {
        return fail(Error(ErrorCode::kRefused, "",
                          "a restore point needs WAL archiving, and archive_mode is off",
                          "backup = \"pg_dump\", or turn archiving on"));
    }
    result.lsn = rows.string(0, 0);
    result.summary = fmt::format("restore point howdah-{} at {}", call.id, result.lsn);
    return result;
}

}  // namespace

namespace {

void add_touched(const Change& change, std::vector<TouchedTable>& tables) {
    const bool destroys =
        change.kind == ChangeKind::kDropTable || change.kind == ChangeKind::kDropSchema ||
        change.kind == ChangeKind::kDropColumn || change.kind == ChangeKind::kTruncate ||
        change.kind == ChangeKind::kDelete || change.kind == ChangeKind::kUpdate ||
        change.kind == ChangeKind::kOther;
    const bool truncated = change.kind == ChangeKind::kTruncate;
    const TouchedTable table{.name = change.relation,
                             .search_path = change.search_path,
                             .schema = change.kind == ChangeKind::kDropSchema,
                             .rows_go = truncated || change.kind == ChangeKind::kDelete,
                             .truncated = truncated};
    if (destroys && !table.name.empty() && std::ranges::find(tables, table) == tables.end()) {
        tables.push_back(table);
    }
}

}  // namespace

std::vector<TouchedTable> touched_tables(const Plan& plan) {
    std::vector<TouchedTable> tables;
    for (const PlannedMigration& planned : plan.migrations) {
        for (const Step& step : planned.steps) {
            for (const Statement& statement : step.statements) {
                for (const Change& change : statement.facts.changes) {
                    add_touched(change, tables);
                }
            }
        }
    }
    return tables;
}

Result<BackupResult> take_backup(pg::Connection& db, const BackupCall& call) {
    switch (call.config.backup) {
        case BackupKind::kPgDump:
            return PgDump(db, call).run();
        case BackupKind::kCommand:
            return by_command(call);
        case BackupKind::kRestorePoint:
            return by_restore_point(db, call);
        case BackupKind::kNone:
            break;
    }
    BackupResult none;
    none.summary = "none: backup = \"none\"";
    return none;
}

std::string restore_text(const DeployConfig& config, const BackupResult& backup) {
    if (!config.restore_command.empty()) {
        return config.restore_command;
    }
    if (config.backup == BackupKind::kPgDump && config.backup_scope == BackupScope::kFull) {
        return fmt::format("pg_restore --clean --if-exists --single-transaction -d DATABASE {}",
                           backup.files.empty() ? "" : backup.files.front());
    }
    if (config.backup == BackupKind::kPgDump && backup.files.size() > 1) {
        return fmt::format("pg_restore --data-only -d DATABASE {}  (rows of {})",
                           backup.files.back(), fmt::join(backup.tables, ", "));
    }
    return backup.lsn.empty() ? std::string() : "recover to " + backup.lsn;
}

Result<> restore_backup(const DeployConfig& config, const std::string& conninfo,
                        const BackupResult& backup) {
    CommandCall call;
    call.timeout_s = config.command_timeout_s;
    TRY(call.environment, environment_for(conninfo));
    if (!config.restore_command.empty()) {
        call.shell = config.restore_command;
        call.environment.emplace_back("HOWDAH_BACKUP_FILE",
                                      backup.files.empty() ? "" : backup.files.front());
    } else if (config.backup == BackupKind::kPgDump && config.backup_scope == BackupScope::kFull &&
               !backup.files.empty()) {
        std::string database;
        for (const auto& [name, value] : call.environment) {
            database = name == "PGDATABASE" ? value : database;
        }
        call.program = {"pg_restore",  "--no-password",        "--clean",
                        "--if-exists", "--single-transaction", "-d",
                        database,      backup.files.front()};
    } else {
        return fail(Error(ErrorCode::kRefused, "", "this backup cannot be put back as a whole",
                          "backup_scope = \"full\" or restore_command in [deploy]; by hand: " +
                              restore_text(config, backup)));
    }
    TRY_VOID(must(std::move(call), "the restore"));
    return {};
}

}  // namespace howdah::migrate::runner
