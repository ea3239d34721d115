// Folders whose tool keeps one sub-folder or a journal: Drizzle 0.x and 1.0, Prisma.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "migrate/history/digest.hpp"
#include "migrate/history/readers.hpp"
#include "migrate/json_number.hpp"

namespace howdah::migrate::runner {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

ScriptText script_text(const fs::path& file, std::string sql) {
    ScriptText text;
    text.file = file;
    text.sql = std::move(sql);
    return text;
}

// A down script is no file of theirs: howdah reads it where people put it.
Result<ScriptText> read_down(const fs::path& file) {
    if (!fs::exists(file)) {
        return ScriptText();
    }
    TRY(std::string sql, read_file(file));
    return script_text(file, std::move(sql));
}

// Where the n-th object inside the root object begins (the journal's n-th entry).
std::size_t offset_of_entry(std::string_view text, std::size_t n) {
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' && ++depth == 2 && n-- == 0) {
            return i;
        } else if (c == '}') {
            --depth;
        }
    }
    return 0;
}

struct JournalEntry {
    std::string tag;
    std::int64_t when_ms = 0;
};

std::optional<JournalEntry> journal_entry(const json::value& value) {
    const json::object* entry = value.if_object();
    const json::value* tag = entry != nullptr ? entry->if_contains("tag") : nullptr;
    const auto when = journal_number(entry != nullptr ? entry->if_contains("when") : nullptr);
    if (tag == nullptr || !tag->is_string() || !when) {
        return std::nullopt;
    }
    return JournalEntry{.tag = std::string(tag->get_string()), .when_ms = *when};
}

Result<std::vector<JournalEntry>> read_journal(const fs::path& path) {
    TRY(const json::value journal, read_json(path));
    TRY(const std::string text, read_file(path));
    const json::object* root = journal.if_object();
    const json::value* entries = root != nullptr ? root->if_contains("entries") : nullptr;
    if (entries == nullptr || !entries->is_array()) {
        return fail(
            ErrorCode::kInvalidInput,
            fmt::format("{}:1: no array \"entries\": is this Drizzle's journal?", path.string()));
    }
    std::vector<JournalEntry> read;
    for (const json::value& value : entries->get_array()) {
        auto entry = journal_entry(value);
        if (!entry) {
            const std::size_t line = line_at(text, offset_of_entry(text, read.size()));
            return fail(ErrorCode::kInvalidInput,
                        fmt::format("{}:{}: entry {} needs \"tag\" (text) and \"when\" "
                                    "(milliseconds)",
                                    path.string(), line, read.size()));
        }
        read.push_back(std::move(*entry));
    }
    return read;
}

Result<std::vector<fs::path>> folders_with_script(const fs::path& folder) {
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (entry.is_directory()) {
            found.push_back(entry.path());
        }
    }
    if (error) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("cannot read {}: {}", folder.string(), error.message()));
    }
    std::ranges::sort(found, [](const fs::path& a, const fs::path& b) {
        return locale_less(a.filename().string(), b.filename().string());
    });
    return found;
}

Result<Script> read_folder_script(const fs::path& folder) {
    Script script;
    script.name = folder.filename().string();
    TRY(script.whole, read_file(folder / "migration.sql"));
    script.hash = sha256_hex(script.whole);
    script.up = script_text(folder / "migration.sql", script.whole);
    TRY(script.down, read_down(folder / "down.sql"));
    return script;
}

}  // namespace

std::size_t line_at(std::string_view text, std::size_t offset) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(offset, text.size()));
    return 1 + static_cast<std::size_t>(std::count(text.begin(), end, '\n'));
}

Result<json::value> read_json(const fs::path& path) {
    TRY(const std::string text, read_file(path));
    json::stream_parser parser;
    boost::system::error_code error;
    const std::size_t read = parser.write_some(text, error);
    if (!error && text.find_first_not_of(" \t\r\n", read) != std::string::npos) {
        error = json::make_error_code(json::error::extra_data);
    }
    if (!error) {
        parser.finish(error);
    }
    if (error) {
        return fail(ErrorCode::kInvalidInput, fmt::format("{}:{}: broken JSON: {}", path.string(),
                                                          line_at(text, read), error.message()));
    }
    return parser.release();
}

Result<std::vector<Script>> read_drizzle0(const fs::path& folder) {
    const fs::path journal = folder / "meta" / "_journal.json";
    TRY(const std::vector<JournalEntry> entries, read_journal(journal));
    TRY(const std::string text, read_file(journal));
    std::vector<Script> scripts;
    for (const JournalEntry& entry : entries) {
        Script script;
        script.name = entry.tag;
        script.when_ms = entry.when_ms;
        const fs::path file = folder / (entry.tag + ".sql");
        if (!fs::exists(file)) {
            const std::size_t line = line_at(text, offset_of_entry(text, scripts.size()));
            return fail(ErrorCode::kInvalidInput,
                        fmt::format("{}:{}: entry '{}' has no file {}", journal.string(), line,
                                    entry.tag, file.string()));
        }
        TRY(script.whole, read_file(file));
        script.hash = sha256_hex(script.whole);
        script.up = script_text(file, script.whole);
        TRY(script.down, read_down(folder / (entry.tag + ".down.sql")));
        scripts.push_back(std::move(script));
    }
    return scripts;
}

Result<std::vector<Script>> read_drizzle1(const fs::path& folder) {
    TRY(const std::vector<fs::path> folders, folders_with_script(folder));
    std::vector<Script> scripts;
    for (const fs::path& place : folders) {
        if (!fs::exists(place / "migration.sql")) {
            continue;
        }
        TRY(Script script, read_folder_script(place));
        script.when_ms = millis_of_digits(script.name);
        if (script.when_ms < 0) {
            return fail(
                ErrorCode::kInvalidInput,
                fmt::format("{}: Drizzle 1.0 names folders YYYYMMDDHHMMSS_name", place.string()));
        }
        scripts.push_back(std::move(script));
    }
    return scripts;
}

Result<std::vector<Script>> read_prisma(const fs::path& folder) {
    if (const fs::path lock = folder / "migration_lock.toml"; fs::exists(lock)) {
        TRY(const std::string text, read_file(lock));
        const std::size_t at = text.find("provider");
        const bool right =
            at == std::string::npos || text.find("postgres", at) != std::string::npos;
        if (!right) {
            return fail(Error(ErrorCode::kInvalidInput, "",
                              fmt::format("{}:{}: the provider is not postgresql", lock.string(),
                                          line_at(text, at)),
                              "these migrations were made for another database (Prisma P3019)"));
        }
    }
    TRY(const std::vector<fs::path> folders, folders_with_script(folder));
    std::vector<Script> scripts;
    for (const fs::path& place : folders) {
        if (!fs::exists(place / "migration.sql")) {
            return fail(Error(ErrorCode::kInvalidInput, "",
                              fmt::format("{} has no migration.sql", place.string()),
                              "restore the file or remove the folder (Prisma P3015)"));
        }
        TRY(Script script, read_folder_script(place));
        scripts.push_back(std::move(script));
    }
    return scripts;
}

}  // namespace howdah::migrate::runner
