#include "migrate/history/host_table.hpp"

#include <algorithm>
#include <array>

namespace howdah::migrate::runner {

std::string_view state_name(ScriptState state) {
    static constexpr std::array<std::string_view, 4> kStates{"applied", "pending", "failed",
                                                             "skipped"};
    return kStates.at(static_cast<std::size_t>(state));
}

// By name, which is how every tool but Drizzle 0.x does it.
std::vector<Standing> HostTable::compare(const Project& project,
                                         const std::vector<HistoryRow>& rows) const {
    std::vector<Standing> standings;
    for (const Script& script : project.scripts) {
        const std::string& key = script.version.empty() ? script.name : script.version;
        const auto row = std::ranges::find(rows, key, &HistoryRow::name);
        Standing standing;
        if (row != rows.end()) {
            standing.state = row->failed ? ScriptState::kFailed : ScriptState::kApplied;
            standing.edited = !row->failed && !row->hash.empty() && row->hash != script.hash;
            standing.applied_at = row->applied_at;
            standing.log = row->log;
        }
        standings.push_back(std::move(standing));
    }
    return standings;
}

Result<> HostTable::begun(pg::Connection& /*db*/, const Script& /*script*/) {
    return {};
}

Result<> HostTable::failed(pg::Connection& /*db*/, const Script& /*script*/,
                           const std::string& /*log*/) {
    return {};
}

std::vector<std::int64_t> HostTable::lock_keys(const pg::Connection& /*db*/) const {
    return {};
}

std::unique_ptr<HostTable> make_host_table(HostTool tool, const HostNames& names) {
    switch (tool) {
        case HostTool::kDrizzle0:
        case HostTool::kDrizzle1:
            return make_drizzle_table(tool, names);
        case HostTool::kPrisma:
            return make_prisma_table(names);
        case HostTool::kPlain:
            return make_plain_table(names);
        case HostTool::kDbmate:
        case HostTool::kGolangMigrate:
        case HostTool::kGoose:
        case HostTool::kFlyway:
            break;
    }
    return make_version_table(tool, names);
}

namespace {

bool is_explained(const Project& project, const HistoryRow& row) {
    return std::ranges::any_of(project.scripts, [&](const Script& script) {
        const bool same_name =
            !row.name.empty() && (row.name == script.name || row.name == script.version);
        const bool same_row =
            row.name.empty() && (row.hash == script.hash || row.when_ms == script.when_ms);
        return same_name || same_row;
    });
}

}  // namespace

Result<History> read_history(pg::Connection& db, HostTable& table, const Project& project) {
    History history;
    TRY(history.table_exists, table.exists(db));
    std::vector<HistoryRow> rows;
    if (history.table_exists) {
        TRY(rows, table.read(db));
    }
    history.standings = table.compare(project, rows);
    for (const HistoryRow& row : rows) {
        if (!is_explained(project, row)) {
            history.unknown.push_back(row.name.empty() ? "hash " + row.hash : row.name);
        }
    }
    return history;
}

Result<bool> relation_exists(pg::Connection& db, const std::string& schema,
                             const std::string& table) {
    TRY(const pg::Rows rows,
        db.query("select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = "
                 "c.relnamespace where n.nspname = $1 and c.relname = $2",
                 {schema, table}));
    return rows.size() == 1;
}

}  // namespace howdah::migrate::runner
