// Folders of *.sql files: plain, dbmate, golang-migrate, goose, Flyway.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <regex>

#include "migrate/history/digest.hpp"
#include "migrate/history/readers.hpp"

namespace howdah::migrate::runner {
namespace fs = std::filesystem;
namespace {

// A part of a file between two marker lines.
ScriptText section(const fs::path& file, std::string_view text, std::size_t begin,
                   std::size_t end) {
    ScriptText part;
    part.file = file;
    part.sql = std::string(text.substr(begin, end - begin));
    part.first_line = line_at(text, begin);
    return part;
}

// dbmate and goose keep both directions in one file, each behind a marker line.
struct Markers {
    std::string_view up;
    std::string_view down;
    std::string_view no_transaction;
};

std::size_t line_end(std::string_view text, std::size_t at) {
    const std::size_t end = text.find('\n', at);
    return end == std::string_view::npos ? text.size() : end + 1;
}

Result<> split_directions(Script& script, const fs::path& file, const Markers& markers) {
    const std::string_view text = script.whole;
    const std::size_t up = text.find(markers.up);
    if (up == std::string_view::npos) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("{}:1: no line '{}'", file.string(), markers.up));
    }
    const std::size_t down = text.find(markers.down, up);
    script.up = section(file, text, line_end(text, up), std::min(down, text.size()));
    const auto asks_for_none = [&](std::size_t at) {
        const std::string_view line = text.substr(at, line_end(text, at) - at);
        return line.find(markers.no_transaction) != std::string_view::npos;
    };
    script.up.in_transaction = !asks_for_none(up);
    if (down != std::string_view::npos) {
        script.down = section(file, text, line_end(text, down), text.size());
        script.down.in_transaction = !asks_for_none(down);
    }
    if (markers.no_transaction == "NO TRANSACTION" &&
        text.substr(0, up).find("-- +goose NO TRANSACTION") != std::string_view::npos) {
        script.up.in_transaction = script.down.in_transaction = false;
    }
    return {};
}

struct FileName {
    std::string version;
    std::string name;
    bool down = false;
};

std::optional<FileName> parse_name(const std::string& file, HostTool tool) {
    static const std::regex golang("([0-9]+)_(.*)\\.(up|down)\\.sql");
    static const std::regex numbered("([0-9]+)_?(.*)\\.sql");
    static const std::regex flyway("([VU])([0-9][0-9._]*)__(.*)\\.sql");
    std::smatch match;
    if (tool == HostTool::kGolangMigrate) {
        if (!std::regex_match(file, match, golang)) {
            return std::nullopt;
        }
        return FileName{match[1].str(), fmt::format("{}_{}", match[1].str(), match[2].str()),
                        match[3] == "down"};
    }
    if (tool == HostTool::kFlyway) {
        if (!std::regex_match(file, match, flyway)) {
            return std::nullopt;
        }
        std::string version = match[2].str();
        std::ranges::replace(version, '_', '.');
        return FileName{std::move(version), "V" + match[2].str() + "__" + match[3].str(),
                        match[1] == "U"};
    }
    if (tool == HostTool::kDbmate || tool == HostTool::kGoose) {
        if (!std::regex_match(file, match, numbered)) {
            return std::nullopt;
        }
        return FileName{match[1].str(), file.substr(0, file.size() - 4), false};
    }
    std::string name = file.substr(0, file.size() - 4);
    const bool down = name.ends_with(".down");
    if (down || name.ends_with(".up")) {
        name.resize(name.rfind('.'));
    }
    return FileName{"", std::move(name), down};
}

// "1.10" behind "1.9": number by number where both are numbers.
bool version_less(std::string_view left, std::string_view right) {
    const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
    std::size_t a = 0;
    std::size_t b = 0;
    while (a < left.size() && b < right.size()) {
        if (digit(left[a]) && digit(right[b])) {
            const auto number = [&](std::string_view text, std::size_t& at) {
                const std::size_t begin = std::min(text.find_first_not_of('0', at), text.size());
                at = begin;
                while (at < text.size() && digit(text[at])) {
                    ++at;
                }
                return text.substr(begin, at - begin);
            };
            const std::string_view x = number(left, a);
            const std::string_view y = number(right, b);
            if (x.size() != y.size() || x != y) {
                return x.size() != y.size() ? x.size() < y.size() : x < y;
            }
        } else if (left[a] != right[b]) {
            return left[a] < right[b];
        } else {
            ++a;
            ++b;
        }
    }
    return left.size() - a < right.size() - b;
}

Result<> read_script(Script& script, const fs::path& file, HostTool tool) {
    TRY(script.whole, read_file(file));
    script.hash = tool == HostTool::kFlyway ? std::to_string(flyway_checksum(script.whole))
                                            : sha256_hex(script.whole);
    if (tool == HostTool::kDbmate) {
        return split_directions(script, file,
                                {"-- migrate:up", "-- migrate:down", "transaction:false"});
    }
    if (tool == HostTool::kGoose) {
        return split_directions(script, file, {"-- +goose Up", "-- +goose Down", "NO TRANSACTION"});
    }
    script.up = section(file, script.whole, 0, script.whole.size());
    return {};
}

}  // namespace

Result<std::vector<Script>> read_files(const fs::path& folder, HostTool tool) {
    std::map<std::string, Script> by_name;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (!entry.is_regular_file() || entry.path().extension() != ".sql") {
            continue;
        }
        const auto name = parse_name(entry.path().filename().string(), tool);
        if (!name) {
            continue;  // not a migration by that tool's rules; it leaves the file alone too
        }
        Script& script = by_name[name->name];
        script.name = name->name;
        script.version = name->version;
        if (name->down) {
            TRY(const std::string text, read_file(entry.path()));
            script.down = section(entry.path(), text, 0, text.size());
        } else {
            TRY_VOID(read_script(script, entry.path(), tool));
        }
    }
    if (error) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("cannot read {}: {}", folder.string(), error.message()));
    }
    std::vector<Script> scripts;
    for (auto& [name, script] : by_name) {
        if (!script.up.exists()) {
            return fail(
                ErrorCode::kInvalidInput,
                fmt::format("{}: a down script without its up script", script.down.file.string()));
        }
        scripts.push_back(std::move(script));
    }
    const bool named = tool == HostTool::kDbmate;  // 10_b.sql runs before 9_a.sql
    std::ranges::sort(scripts, [named](const Script& a, const Script& b) {
        return named               ? a.name < b.name
               : a.version.empty() ? version_less(a.name, b.name)
                                   : version_less(a.version, b.version);
    });
    for (std::size_t i = 1; i < scripts.size(); ++i) {
        if (!scripts[i].version.empty() && scripts[i].version == scripts[i - 1].version) {
            return fail(
                ErrorCode::kInvalidInput,
                fmt::format("{} and {} have the same version {}", scripts[i - 1].up.file.string(),
                            scripts[i].up.file.string(), scripts[i].version));
        }
    }
    return scripts;
}

}  // namespace howdah::migrate::runner
