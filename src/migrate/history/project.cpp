#include "migrate/history/project.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <fstream>
#include <optional>
#include <regex>
#include <sstream>

#include "migrate/history/digest.hpp"
#include "migrate/history/readers.hpp"
#include "migrate/lint/discover.hpp"

namespace howdah::migrate::runner {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::pair<HostTool, std::string_view>, 8> kNames{{
    {HostTool::kDrizzle0, "drizzle"},
    {HostTool::kDrizzle1, "drizzle-1"},
    {HostTool::kPrisma, "prisma"},
    {HostTool::kPlain, "plain"},
    {HostTool::kDbmate, "dbmate"},
    {HostTool::kGolangMigrate, "golang-migrate"},
    {HostTool::kGoose, "goose"},
    {HostTool::kFlyway, "flyway"},
}};

std::vector<fs::path> sql_files(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (entry.is_regular_file() && entry.path().extension() == ".sql") {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    return files;
}

// golang-migrate knows pairs and nothing else; a plain folder may have some down scripts.
bool all_are_pairs(const fs::path& folder) {
    static const std::regex pair("[0-9]+_.*\\.(up|down)\\.sql");
    return std::ranges::all_of(sql_files(folder), [](const fs::path& file) {
        return std::regex_match(file.filename().string(), pair);
    });
}

std::unexpected<Error> refuse_tool(const fs::path& folder, std::string_view name) {
    return fail(Error(ErrorCode::kInvalidInput, "",
                      fmt::format("{} is a {} folder, whose history howdah does not write",
                                  folder.string(), name),
                      fmt::format("howdah lint reads it; run it with {}", name)));
}

// Whose folder it is; nullopt when there is no migration in it. Tools whose history howdah does not
// write are refused.
Result<std::optional<HostTool>> tool_of(const fs::path& folder) {
    if (fs::exists(folder / "atlas.sum")) {
        return refuse_tool(folder, "atlas");
    }
    const std::optional<lint::Tool> found = lint::detect_tool(folder);
    if (!found) {
        return fs::exists(folder / "migration_lock.toml") ? std::optional(HostTool::kPrisma)
                                                          : std::nullopt;
    }
    switch (*found) {
        case lint::Tool::kPlain:
            return HostTool::kPlain;
        case lint::Tool::kDrizzle:
            return HostTool::kDrizzle0;
        case lint::Tool::kDrizzle1:
            return HostTool::kDrizzle1;
        case lint::Tool::kPrisma:
            return HostTool::kPrisma;
        case lint::Tool::kFlyway:
            return HostTool::kFlyway;
        case lint::Tool::kGoose:
            return HostTool::kGoose;
        case lint::Tool::kDbmate:
            return HostTool::kDbmate;
        case lint::Tool::kGolangMigrate:
            return all_are_pairs(folder) ? HostTool::kGolangMigrate : HostTool::kPlain;
        case lint::Tool::kSqitch:
            return refuse_tool(folder, "sqitch");
        case lint::Tool::kGraphile:
            return refuse_tool(folder, "graphile-migrate");
        case lint::Tool::kDiesel:
            return refuse_tool(folder, "diesel");
    }
    return std::nullopt;
}

Error not_found(const fs::path& path) {
    return {ErrorCode::kNotFound, "",
            fmt::format("no migrations at {}: looked there and in {} for meta/_journal.json "
                        "(Drizzle), */migration.sql (Prisma, Drizzle 1.0) and *.sql",
                        path.string(), fmt::join(lint::usual_places(), ", ")),
            "give the migrations folder, or set [migrate] folder in howdah.toml"};
}

// Order of ICU's root collation for what ASCII punctuation occurs in names: before digits, digits
// before letters.
int collation_rank(char c) {
    static constexpr std::string_view kPunctuation = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";
    if (const std::size_t at = kPunctuation.find(c); at != std::string_view::npos) {
        return static_cast<int>(at);
    }
    const auto byte = static_cast<unsigned char>(c);
    return 100 + (std::isupper(byte) != 0 ? std::tolower(byte) : byte);
}

Result<std::vector<Script>> read_scripts(const fs::path& folder, HostTool tool) {
    switch (tool) {
        case HostTool::kDrizzle0:
            return read_drizzle0(folder);
        case HostTool::kDrizzle1:
            return read_drizzle1(folder);
        case HostTool::kPrisma:
            return read_prisma(folder);
        case HostTool::kPlain:
        case HostTool::kDbmate:
        case HostTool::kGolangMigrate:
        case HostTool::kGoose:
        case HostTool::kFlyway:
            return read_files(folder, tool);
    }
    return fail(ErrorCode::kInternal, "unknown tool");
}

// A line "-- howdah:no-transaction": each statement by itself, whatever the tool would do.
bool asks_for_none(std::string_view sql) {
    constexpr std::string_view kMark = "-- howdah:no-transaction";
    return sql.starts_with(kMark) || sql.find("\n" + std::string(kMark)) != std::string_view::npos;
}

}  // namespace

std::string_view tool_name(HostTool tool) {
    return std::ranges::find(kNames, tool, &std::pair<HostTool, std::string_view>::first)->second;
}

Result<HostTool> tool_from_name(std::string_view name) {
    for (const auto& [tool, text] : kNames) {
        if (text == name) {
            return tool;
        }
    }
    return fail(ErrorCode::kInvalidInput,
                fmt::format("no migration tool '{}': drizzle, drizzle-1, prisma, plain, dbmate, "
                            "golang-migrate, goose, flyway",
                            name));
}

const Script* Project::find(std::string_view name) const {
    const auto found = std::ranges::find_if(scripts, [&](const Script& script) {
        return script.name == name || (!script.version.empty() && script.version == name);
    });
    return found == scripts.end() ? nullptr : &*found;
}

bool locale_less(std::string_view left, std::string_view right) {
    for (std::size_t i = 0; i < left.size() && i < right.size(); ++i) {
        const int a = collation_rank(left[i]);
        const int b = collation_rank(right[i]);
        if (a != b) {
            return a < b;
        }
    }
    // Equal but for case and length: the shorter first, then lower case before upper case.
    return left.size() != right.size() ? left.size() < right.size() : left > right;
}

std::int64_t millis_of_digits(std::string_view name) {
    if (name.size() < 14 ||
        !std::ranges::all_of(name.substr(0, 14), [](char c) { return c >= '0' && c <= '9'; })) {
        return -1;
    }
    const auto part = [&](std::size_t from, std::size_t size) {
        return std::stoi(std::string(name.substr(from, size)));
    };
    const auto days = std::chrono::sys_days(std::chrono::year(part(0, 4)) /
                                            std::chrono::month(static_cast<unsigned>(part(4, 2))) /
                                            std::chrono::day(static_cast<unsigned>(part(6, 2))));
    const auto time = days + std::chrono::hours(part(8, 2)) + std::chrono::minutes(part(10, 2)) +
                      std::chrono::seconds(part(12, 2));
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Result<std::string> read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf() || file.peek() == std::ifstream::traits_type::eof())) {
        return fail(ErrorCode::kInvalidInput, fmt::format("cannot read {}", path.string()));
    }
    return std::move(text).str();
}

Result<Project> read_project(const fs::path& path) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) {
        return fail(Error(ErrorCode::kNotFound, "",
                          fmt::format("no migrations at {}: it is no folder", path.string()),
                          "give the migrations folder, or a project that holds one"));
    }
    std::vector<fs::path> places{path};
    for (const std::string_view place : lint::usual_places()) {
        places.push_back(path / place);
    }
    for (const fs::path& place : places) {
        if (!fs::is_directory(place, ignored)) {
            continue;
        }
        TRY(const std::optional<HostTool> tool, tool_of(place));
        if (tool) {
            return read_project_as(place, *tool);
        }
    }
    return fail(not_found(path));
}

Result<Project> read_project_as(const fs::path& folder, HostTool tool) {
    Project project{.tool = tool, .folder = folder, .scripts = {}};
    TRY(project.scripts, read_scripts(folder, tool));
    for (Script& script : project.scripts) {
        for (ScriptText* text : {&script.up, &script.down}) {
            text->in_transaction = text->in_transaction && !asks_for_none(text->sql);
        }
    }
    return project;
}

}  // namespace howdah::migrate::runner
