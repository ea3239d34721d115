// The histories of each tool, and what can be wrong with them.
// Formats: drizzle-orm's migrator.ts and pg-core/dialect.ts, prisma-engines'
// migrations_directory.rs, the manuals of Flyway, golang-migrate, goose, dbmate, sqitch and
// graphile-migrate.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <map>

#include "migrate/json_number.hpp"
#include "migrate/lint/chains.hpp"
#include "migrate/lint/discover.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::uint32_t line_at(std::string_view text, std::size_t offset) {
    return 1 + static_cast<std::uint32_t>(std::ranges::count(text.substr(0, offset), '\n'));
}

std::uint32_t line_of(std::string_view text, std::string_view word) {
    const std::size_t at = text.find(word);
    return at == std::string_view::npos ? 0 : line_at(text, at);
}

std::vector<fs::path> sorted_entries(const fs::path& folder, bool folders) {
    std::vector<fs::path> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (folders ? entry.is_directory()
                    : entry.is_regular_file() && entry.path().extension() == ".sql") {
            found.push_back(entry.path());
        }
    }
    // 2017-09-23-182408_x and 20170423101530_y are one row of versions: dashes do not count.
    const auto version = [](const fs::path& path) {
        const std::string name = path.filename().string();
        std::string digits = name.substr(0, name.find_first_not_of("0123456789-"));
        std::erase(digits, '-');
        return std::pair(digits, name);
    };
    std::ranges::sort(found, {}, version);
    return found;
}

// Two snapshots with one prevId: branches that were merged without looking.
void find_two_heads(Project& project) {
    std::map<std::string, std::string> followers;
    const fs::path meta = fs::path(project.folder) / "meta";
    std::error_code ignored;
    std::vector<fs::path> snapshots;
    for (const auto& entry : fs::directory_iterator(meta, ignored)) {
        if (entry.path().filename().string().ends_with("_snapshot.json")) {
            snapshots.push_back(entry.path());
        }
    }
    std::ranges::sort(snapshots);
    for (const fs::path& path : snapshots) {
        const auto text = read_whole(path);
        boost::system::error_code error;
        const json::value root = text ? json::parse(*text, error) : json::value();
        const json::object* object = root.if_object();
        const json::value* previous = object == nullptr ? nullptr : object->if_contains("prevId");
        if (error || previous == nullptr || !previous->is_string()) {
            continue;
        }
        const auto [known, fresh] =
            followers.emplace(std::string(previous->as_string()), path.filename().string());
        if (!fresh) {
            project.findings.push_back(
                history_finding(rule_history_two_heads, path.string(), line_of(*text, "prevId"),
                                fmt::format("{} follows the same snapshot as {}",
                                            path.filename().string(), known->second)));
        }
    }
}

struct Entry {
    std::string tag;
    std::int64_t when = 0;
};

// false: it is not the journal it should be; said where.
bool read_journal(Project& project, const fs::path& path, const std::string& text,
                  std::vector<Entry>& entries) {
    json::stream_parser parser;
    boost::system::error_code error;
    const std::size_t read = parser.write_some(text, error);
    if (!error) {
        parser.finish(error);
    }
    const json::value root = error ? json::value() : parser.release();
    const json::object* object = root.if_object();
    const json::value* list = object == nullptr ? nullptr : object->if_contains("entries");
    if (error || list == nullptr || !list->is_array()) {
        project.findings.push_back(history_finding(
            rule_history_broken_journal, path.string(), line_at(text, read),
            error ? "not JSON: " + error.message() : std::string("there is no list \"entries\"")));
        return false;
    }
    const json::value* dialect = object->if_contains("dialect");
    if (dialect != nullptr && dialect->is_string() && dialect->as_string() != "postgresql" &&
        dialect->as_string() != "pg") {
        project.findings.push_back(history_finding(
            rule_history_provider_mismatch, path.string(), line_of(text, "dialect"),
            fmt::format("the journal is for {}", std::string(dialect->as_string()))));
    }
    for (const json::value& item : list->as_array()) {
        const json::object* fields = item.if_object();
        const json::value* tag = fields == nullptr ? nullptr : fields->if_contains("tag");
        const auto when = journal_number(fields == nullptr ? nullptr : fields->if_contains("when"));
        if (tag == nullptr || !tag->is_string() || !when) {
            project.findings.push_back(history_finding(rule_history_broken_journal, path.string(),
                                                       line_of(text, "entries"),
                                                       "an entry has no tag or no when"));
            continue;
        }
        entries.push_back({std::string(tag->as_string()), *when});
    }
    return true;
}

void check_entries(Project& project, const std::string& journal, const std::string& text,
                   const std::vector<Entry>& entries) {
    std::int64_t newest = -1;
    std::string newest_tag;
    std::map<std::string, int> tags;
    for (const Entry& entry : entries) {
        const std::uint32_t line = line_of(text, "\"" + entry.tag + "\"");
        if (entry.when <= newest) {
            project.findings.push_back(history_finding(
                rule_history_entry_skipped, journal, line,
                fmt::format(
                    "{} has when {}, not after {} of {} before it: a database that has that "
                    "one skips this one silently",
                    entry.tag, entry.when, newest, newest_tag)));
        } else {
            newest = entry.when;
            newest_tag = entry.tag;
        }
        if (++tags[entry.tag] == 2) {
            project.findings.push_back(
                history_finding(rule_history_duplicate_version, journal, line,
                                fmt::format("{} is listed twice", entry.tag)));
        }
    }
}

}  // namespace

void read_drizzle(Project& project) {
    const fs::path folder(project.folder);
    const fs::path journal = folder / "meta" / "_journal.json";
    std::vector<Entry> entries;
    const auto text = read_whole(journal);
    if (!text || !read_journal(project, journal, *text, entries)) {
        read_plain(project);
        return;
    }
    check_entries(project, journal.string(), *text, entries);
    for (const Entry& entry : entries) {
        const fs::path path = folder / (entry.tag + ".sql");
        if (fs::exists(path)) {
            project.files.push_back({.path = path.string(), .name = entry.tag});
        } else {
            project.findings.push_back(history_finding(
                rule_history_file_missing, journal.string(), line_of(*text, entry.tag),
                fmt::format("{} is not there", path.string())));
        }
    }
    for (const fs::path& path : sorted_entries(folder, false)) {
        const std::string tag = path.stem().string();
        if (std::ranges::find(entries, tag, &Entry::tag) == entries.end()) {
            project.findings.push_back(history_finding(
                rule_history_file_not_listed, path.string(), 1,
                fmt::format("{} is not in meta/_journal.json: it never runs", tag)));
        }
    }
    find_two_heads(project);
}

void read_folders(Project& project) {
    const fs::path folder(project.folder);
    const std::string script = project.tool == Tool::kDiesel ? "up.sql" : "migration.sql";
    for (const fs::path& path : sorted_entries(folder, true)) {
        const std::string name = path.filename().string();
        if (!fs::exists(path / script)) {
            if (project.tool == Tool::kPrisma) {
                project.findings.push_back(
                    history_finding(rule_history_file_missing, path.string(), 0,
                                    fmt::format("{} holds no {}", name, script)));
            }
            continue;
        }
        MigrationFile file{.path = (path / script).string(), .name = name};
        if (project.tool == Tool::kDiesel) {
            const auto metadata = read_whole(path / "metadata.toml");
            const bool none =
                metadata && metadata->find("run_in_transaction = false") != std::string::npos;
            file.scope = none ? Scope::kStatement : Scope::kAuto;
        }
        project.files.push_back(std::move(file));
    }
    const fs::path lock = folder / "migration_lock.toml";
    const auto text = read_whole(lock);
    if (project.tool == Tool::kPrisma && text && text->find("provider") != std::string::npos &&
        text->find("\"postgresql\"") == std::string::npos &&
        text->find("\"cockroachdb\"") == std::string::npos) {
        project.findings.push_back(history_finding(rule_history_provider_mismatch, lock.string(),
                                                   line_of(*text, "provider"),
                                                   "migration_lock.toml is not for postgresql"));
    }
    std::error_code ignored;
    if (project.tool == Tool::kDrizzle1 && fs::exists(folder / "meta" / "_journal.json", ignored)) {
        project.findings.push_back(
            history_finding(rule_history_broken_journal, (folder / "meta/_journal.json").string(),
                            1, "Drizzle 1.0 refuses a folder with a journal: run drizzle-kit up"));
    }
}

namespace {

// "^7.4.1" is 7.4; "workspace:*" and "latest" are nothing.
bool read_version(std::string_view text, Project& project) {
    const std::size_t at = text.find_first_of("0123456789");
    if (at == std::string_view::npos ||
        text.substr(0, at).find_first_not_of("^~<>= v") != std::string_view::npos) {
        return false;
    }
    const std::string from(text.substr(at));
    project.tool_major = std::atoi(from.c_str());
    const std::size_t dot = from.find_first_not_of("0123456789");
    const bool minor = dot != std::string::npos && from[dot] == '.';
    project.tool_minor = minor ? std::atoi(from.c_str() + dot + 1) : 0;
    return true;
}

bool read_package(const fs::path& path, Project& project) {
    const auto text = read_whole(path);
    boost::system::error_code error;
    const json::value root = text ? json::parse(*text, error) : json::value();
    const json::object* package = root.if_object();
    if (error || package == nullptr) {
        return false;
    }
    const auto has = [&](const json::object* object, std::string_view name) {
        const json::value* value = object == nullptr ? nullptr : object->if_contains(name);
        return value != nullptr && value->is_string() && read_version(value->as_string(), project);
    };
    if (path.parent_path().filename() == "prisma") {
        return has(package, "version");
    }
    for (const std::string_view name : {"prisma", "@prisma/client"}) {
        for (const std::string_view list : {"devDependencies", "dependencies"}) {
            const json::value* found = package->if_contains(list);
            if (has(found == nullptr ? nullptr : found->if_object(), name)) {
                return true;
            }
        }
    }
    return false;
}

}  // namespace

void read_prisma_version(Project& project) {
    fs::path folder = fs::absolute(project.folder);
    for (int up = 0; up < 6 && folder.has_parent_path(); ++up, folder = folder.parent_path()) {
        if (read_package(folder / "node_modules/prisma/package.json", project) ||
            read_package(folder / "package.json", project)) {
            return;
        }
    }
}

void read_sqitch(Project& project) {
    fs::path folder(project.folder);
    if (folder.filename() == "deploy") {
        folder = folder.parent_path();
    }
    const fs::path plan = folder / "sqitch.plan";
    const auto text = read_whole(plan);
    for (const SqitchChange& change : read_sqitch_plan(text ? *text : "").changes) {
        const fs::path path = folder / "deploy" / (change.name + ".sql");
        if (fs::exists(path)) {
            project.files.push_back({.path = path.string(), .name = change.name});
        } else {
            project.findings.push_back(history_finding(rule_history_file_missing, plan.string(),
                                                       change.line,
                                                       path.string() + " is not there"));
        }
    }
}

namespace {

// Each file names the hash of the one before it, and its own over that and its text.
void check_chain(Project& project) {
    std::string previous;
    for (const MigrationFile& file : project.files) {
        const auto text = read_whole(file.path);
        if (!text) {
            continue;
        }
        const GraphileFile head = read_graphile_file(*text);
        if (head.previous_line == 0 || head.hash_line == 0) {
            project.findings.push_back(history_finding(
                rule_history_broken_journal, file.path, 1,
                file.name + " has no \"--! Previous:\" or no \"--! Hash:\" at its head"));
        } else if (head.previous != previous) {
            project.findings.push_back(
                history_finding(rule_history_broken_journal, file.path, head.previous_line,
                                fmt::format("{} follows {}, but the one before it has {}",
                                            file.name, head.previous.empty() ? "-" : head.previous,
                                            previous.empty() ? "-" : previous)));
        }
        if (head.hash_line != 0 && !head.allows_invalid_hash &&
            graphile_hash(head.body, head.previous) != head.hash) {
            project.findings.push_back(history_finding(
                rule_history_edited_file, file.path, head.hash_line,
                file.name + " has another text than its hash says: graphile-migrate refuses it"));
        }
        previous = head.hash;
    }
}

}  // namespace

// migrations/committed/000001.sql, ..., and behind them what is being worked on.
void read_graphile(Project& project) {
    std::error_code ignored;
    fs::path folder(project.folder);
    if (fs::is_directory(folder / "committed", ignored)) {
        folder /= "committed";
        project.folder = folder.string();
    }
    read_plain(project);
    check_chain(project);
    const fs::path current = folder.parent_path() / "current.sql";
    const auto text = read_whole(current);
    if (folder.filename() == "committed" && text &&
        !read_script(*text, project.tool).statements.empty()) {
        project.files.push_back({.path = current.string(), .name = "current.sql"});
    }
}

namespace {

// The number (Flyway: the dotted numbers) that orders a file among its tool's; empty = by name.
std::vector<long> version_of(const std::string& name, Tool tool) {
    std::vector<long> version;
    const bool flyway = tool == Tool::kFlyway;
    const bool numbered = flyway || tool == Tool::kGolangMigrate || tool == Tool::kGoose ||
                          tool == Tool::kDbmate || tool == Tool::kGraphile;
    if (!numbered || (flyway && name[0] != 'V')) {
        return version;
    }
    std::size_t at = flyway ? 1 : 0;
    while (at < name.size() && name[at] >= '0' && name[at] <= '9') {
        char* end = nullptr;
        version.push_back(std::strtol(name.c_str() + at, &end, 10));
        at = static_cast<std::size_t>(end - name.c_str());
        const bool more = flyway && at + 1 < name.size() &&
                          (name[at] == '.' || (name[at] == '_' && name[at + 1] != '_'));
        if (!more) {
            break;
        }
        ++at;
    }
    return version;
}

// V2__x.sql.conf beside V2__x.sql: executeInTransaction=false, and mixed statements are its right.
Scope flyway_scope(const fs::path& script) {
    const auto settings = read_whole(script.string() + ".conf");
    if (!settings) {
        return Scope::kAuto;
    }
    return settings->find("executeInTransaction=false") != std::string::npos  ? Scope::kStatement
           : settings->find("executeInTransaction=true") != std::string::npos ? Scope::kFile
                                                                              : Scope::kAuto;
}

}  // namespace

void read_plain(Project& project) {
    struct Found {
        std::vector<long> version;
        std::size_t number;  // by name
        fs::path path;
    };
    std::vector<Found> found;
    for (const fs::path& path : sorted_entries(project.folder, false)) {
        const std::string name = path.filename().string();
        const bool down = name.ends_with(".down.sql") || name.ends_with("_down.sql");
        const bool undo = project.tool == Tool::kFlyway && name[0] == 'U';
        if (!down && !undo) {
            found.push_back({version_of(name, project.tool), found.size(), path});
        }
    }
    // dbmate sorts by name: 10_b.sql runs before 9_a.sql.
    const bool by_name = project.tool == Tool::kDbmate;
    // Repeatable migrations (no version) run after all versioned ones.
    std::ranges::sort(found, [by_name](const Found& a, const Found& b) {
        if (by_name) {
            return a.path.filename() < b.path.filename();
        }
        return std::tuple(a.version.empty(), a.version, a.number) <
               std::tuple(b.version.empty(), b.version, b.number);
    });
    for (std::size_t i = 0; i < found.size(); ++i) {
        project.files.push_back(
            {.path = found[i].path.string(),
             .name = found[i].path.filename().string(),
             .scope = project.tool == Tool::kFlyway ? flyway_scope(found[i].path) : Scope::kAuto});
        const bool twice =
            i > 0 && !found[i].version.empty() && found[i].version == found[i - 1].version;
        if (twice) {
            project.findings.push_back(
                history_finding(rule_history_duplicate_version, found[i].path.string(), 1,
                                fmt::format("{} and {} have the same version",
                                            found[i - 1].path.filename().string(),
                                            found[i].path.filename().string())));
        }
    }
}

}  // namespace howdah::migrate::lint
