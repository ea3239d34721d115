#include "migrate/lint/discover.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 13> kUsualPlaces{"drizzle",
                                                        "prisma/migrations",
                                                        "migrations",
                                                        "db/migrations",
                                                        "db/migrate",
                                                        "supabase/migrations",
                                                        "database/migrations",
                                                        "sql/migrations",
                                                        "src/main/resources/db/migration",
                                                        "migrations/committed",
                                                        "sql",
                                                        "deploy",
                                                        "src/db/migrations"};

bool is_sql(const fs::directory_entry& entry) {
    return entry.is_regular_file() && entry.path().extension() == ".sql";
}

std::string first_bytes(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(4096, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return text;
}

bool has_folder_migrations(const fs::path& folder, const std::string& script) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (entry.is_directory() && fs::exists(entry.path() / script, ignored)) {
            return true;
        }
    }
    return false;
}

bool has_snapshot_folders(const fs::path& folder) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (entry.is_directory() && fs::exists(entry.path() / "snapshot.json", ignored)) {
            return true;
        }
    }
    return false;
}

bool flyway_name(const std::string& name) {
    return name.size() > 4 && (name[0] == 'V' || name[0] == 'R' || name[0] == 'U') &&
           name.find("__") != std::string::npos &&
           (name[0] == 'R' || (name[1] >= '0' && name[1] <= '9'));
}

std::optional<Tool> detect_by_files(const fs::path& folder) {
    std::error_code ignored;
    std::optional<Tool> found;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (!is_sql(entry)) {
            continue;
        }
        const std::string name = entry.path().filename().string();
        if (flyway_name(name)) {
            return Tool::kFlyway;
        }
        if (name.ends_with(".up.sql")) {
            return Tool::kGolangMigrate;
        }
        if (!found) {
            const std::string text = first_bytes(entry.path());
            found = text.find("-- +goose") != std::string::npos       ? Tool::kGoose
                    : text.find("-- migrate:up") != std::string::npos ? Tool::kDbmate
                    : text.find("--! Previous:") != std::string::npos ? Tool::kGraphile
                                                                      : Tool::kPlain;
        }
    }
    return found;
}

std::string shown(const fs::path& path) {
    const std::string text = path.lexically_normal().string();
    return text.starts_with("./") ? text.substr(2) : text;
}

Result<Project> read_project(const fs::path& folder, Tool tool) {
    Project project;
    project.tool = tool;
    project.folder = shown(folder);
    switch (tool) {
        case Tool::kDrizzle:
            read_drizzle(project);
            break;
        case Tool::kPrisma:
            read_prisma_version(project);
            [[fallthrough]];
        case Tool::kDrizzle1:
        case Tool::kDiesel:
            read_folders(project);
            break;
        case Tool::kSqitch:
            read_sqitch(project);
            break;
        case Tool::kGraphile:
            read_graphile(project);
            break;
        default:
            read_plain(project);
            break;
    }
    return project;
}

std::unexpected<Error> nothing_found(const fs::path& path) {
    return fail(
        {ErrorCode::kNotFound, "", fmt::format("{}: no migrations here", path.string()),
         fmt::format("looked for *.sql files, meta/_journal.json (Drizzle), folders with "
                     "migration.sql (Prisma, Drizzle 1.0) or up.sql (diesel), V1__x.sql "
                     "(Flyway), 1_x.up.sql (golang-migrate), sqitch.plan, and the same in {}",
                     fmt::join(kUsualPlaces, ", "))});
}

Result<Project> discover_folder(const fs::path& path) {
    std::error_code ignored;
    if (const auto tool = detect_tool(path)) {
        const bool plan = *tool == Tool::kSqitch && !fs::exists(path / "deploy", ignored);
        return read_project(plan ? path.parent_path() : path, *tool);
    }
    for (const std::string_view place : kUsualPlaces) {
        if (const auto tool = detect_tool(path / place)) {
            return read_project(path / place, *tool);
        }
    }
    return nothing_found(path);
}

// The folder that owns a file: its parent, or for folder-shaped tools the parent's parent.
fs::path owner_of(const fs::path& file) {
    const std::string name = file.filename().string();
    const fs::path parent = file.has_parent_path() ? file.parent_path() : fs::path(".");
    if (name == "migration.sql" || name == "up.sql") {
        return parent.has_parent_path() ? parent.parent_path() : fs::path("..");
    }
    return parent;
}

void judge_only(Project& project, const std::vector<std::string>& files) {
    for (MigrationFile& file : project.files) {
        file.judged = std::ranges::any_of(files, [&](const std::string& wanted) {
            std::error_code ignored;
            return fs::equivalent(file.path, wanted, ignored);
        });
        file.named = file.judged;
    }
}

}  // namespace

std::span<const std::string_view> usual_places() {
    return kUsualPlaces;
}

Result<std::string> read_whole(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf() || file.peek() == std::ifstream::traits_type::eof())) {
        return fail(ErrorCode::kInvalidInput, fmt::format("{}: cannot be read", path.string()));
    }
    return std::move(text).str();
}

Finding history_finding(const Rule& rule, std::string file, std::uint32_t line,
                        std::string message) {
    Finding finding;
    finding.rule = rule.name;
    finding.severity = rule.severity;
    finding.risk = rule.risk;
    finding.file = std::move(file);
    finding.line = line;
    finding.message = std::move(message);
    finding.why = rule.why;
    finding.fix = rule.fix;
    finding.confidence = "certain";
    return finding;
}

std::optional<Tool> detect_tool(const fs::path& folder) {
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) {
        return std::nullopt;
    }
    if (fs::exists(folder / "meta" / "_journal.json", ignored)) {
        return Tool::kDrizzle;
    }
    if (fs::exists(folder / "sqitch.plan", ignored) ||
        (folder.filename() == "deploy" && fs::exists(folder / ".." / "sqitch.plan", ignored))) {
        return Tool::kSqitch;
    }
    if (has_folder_migrations(folder, "migration.sql")) {
        return has_snapshot_folders(folder) ? Tool::kDrizzle1 : Tool::kPrisma;
    }
    if (has_folder_migrations(folder, "up.sql")) {
        return Tool::kDiesel;
    }
    // graphile-migrate's folder holds current.sql, which says nothing, and what was committed.
    if (detect_by_files(folder / "committed") == Tool::kGraphile) {
        return Tool::kGraphile;
    }
    return detect_by_files(folder);
}

Result<Project> discover(const std::vector<std::string>& paths) {
    const std::vector<std::string> wanted = paths.empty() ? std::vector<std::string>{"."} : paths;
    std::error_code ignored;
    for (const std::string& path : wanted) {
        if (!fs::exists(path, ignored)) {
            return fail(ErrorCode::kNotFound,
                        fmt::format("{}: there is no such file or folder", path));
        }
    }
    if (fs::is_directory(wanted.front(), ignored)) {
        if (wanted.size() > 1) {
            return fail(ErrorCode::kInvalidInput, "one folder at a time, or files of one folder");
        }
        return discover_folder(wanted.front());
    }
    if (std::ranges::any_of(
            wanted, [&](const std::string& path) { return fs::is_directory(path, ignored); })) {
        return fail(ErrorCode::kInvalidInput, "one folder at a time, or files of one folder");
    }
    const fs::path owner = owner_of(wanted.front());
    const auto tool = detect_tool(owner);
    if (!tool) {
        return nothing_found(owner);
    }
    TRY(Project project, read_project(owner, *tool));
    judge_only(project, wanted);
    if (std::ranges::none_of(project.files, &MigrationFile::judged)) {
        // Files that their tool would not run: judged by themselves.
        project.tool = Tool::kPlain;
        project.files.clear();
        project.findings.clear();
        for (const std::string& path : wanted) {
            project.files.push_back({.path = shown(path), .name = shown(path)});
        }
    }
    return project;
}

}  // namespace howdah::migrate::lint
