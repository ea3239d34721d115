#include "migrate/history/scaffold.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <chrono>
#include <fstream>

#include "migrate/history/digest.hpp"
#include "migrate/history/readers.hpp"

namespace howdah::migrate::runner {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

constexpr std::string_view kEmptyUuid = "00000000-0000-0000-0000-000000000000";

using Paths = std::vector<fs::path>;

std::string slug(std::string_view name) {
    std::string text;
    for (const char c : name) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
        text += plain ? static_cast<char>(std::tolower(static_cast<unsigned char>(c))) : '_';
    }
    return text;
}

std::string digits_of(std::int64_t millis) {
    return fmt::format("{:%Y%m%d%H%M%S}", fmt::gmtime(static_cast<std::time_t>(millis / 1000)));
}

Result<> write_new(const fs::path& path, std::string_view text, Paths& written) {
    if (fs::exists(path)) {
        return fail(ErrorCode::kInvalidInput, path.string() + " is there already");
    }
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    std::ofstream file(path, std::ios::binary);
    if (!file.write(text.data(), static_cast<std::streamsize>(text.size())).flush()) {
        return fail(ErrorCode::kIo, "cannot write " + path.string());
    }
    written.push_back(path);
    return {};
}

// Written beside it and renamed over it: a journal is never seen half written.
Result<> replace(const fs::path& path, std::string_view text) {
    const fs::path beside = path.string() + ".new";
    {
        std::ofstream file(beside, std::ios::binary);
        if (!file.write(text.data(), static_cast<std::streamsize>(text.size())).flush()) {
            return fail(ErrorCode::kIo, "cannot write " + beside.string());
        }
    }
    std::error_code error;
    fs::rename(beside, path, error);
    return error ? fail(ErrorCode::kIo,
                        fmt::format("cannot write {}: {}", path.string(), error.message()))
                 : Result<>();
}

// Indented by two, as drizzle-kit writes it, so that a diff shows the new entry alone.
void pretty(const json::value& value, std::string& text, std::size_t depth) {
    const std::string indent(depth * 2 + 2, ' ');
    const std::string outdent(depth * 2, ' ');
    const auto list = [&](const auto& items, char open, char close, const auto& item) {
        text += open;
        bool first = true;
        for (const auto& each : items) {
            text += (first ? "\n" : ",\n") + indent;
            first = false;
            item(each);
        }
        text += first ? "" : "\n" + outdent;
        text += close;
    };
    if (value.is_object()) {
        list(value.get_object(), '{', '}', [&](const auto& each) {
            text += json::serialize(json::string(each.key())) + ": ";
            pretty(each.value(), text, depth + 1);
        });
    } else if (value.is_array()) {
        list(value.get_array(), '[', ']', [&](const auto& each) { pretty(each, text, depth + 1); });
    } else {
        text += json::serialize(value);
    }
}

std::string pretty(const json::value& value) {
    std::string text;
    pretty(value, text, 0);
    return text;
}

std::string first_line(const NewMigration& wanted) {
    return fmt::format("-- {}\n", wanted.name);
}

Result<> add_down(const fs::path& path, const NewMigration& wanted, Paths& written) {
    return wanted.with_down ? write_new(path, "-- undoes: " + wanted.name + "\n", written)
                            : Result<>();
}

// The snapshot of the last migration under a new id: nothing in the schema file has changed.
Result<json::value> next_snapshot(const fs::path& last, std::string_view link) {
    json::value snapshot = json::object{{"id", random_uuid()},
                                        {"prevId", kEmptyUuid},
                                        {"version", "7"},
                                        {"dialect", "postgresql"},
                                        {"tables", json::object()},
                                        {"enums", json::object()},
                                        {"schemas", json::object()},
                                        {"sequences", json::object()},
                                        {"roles", json::object()},
                                        {"policies", json::object()},
                                        {"views", json::object()},
                                        {"_meta", json::object{{"columns", json::object()},
                                                               {"schemas", json::object()},
                                                               {"tables", json::object()}}}};
    if (link == "prevIds") {
        snapshot = json::object{{"version", "8"},       {"dialect", "postgres"},
                                {"id", random_uuid()},  {"prevIds", json::array{kEmptyUuid}},
                                {"ddl", json::array()}, {"renames", json::array()}};
    }
    if (!fs::exists(last)) {
        return snapshot;
    }
    TRY(json::value previous, read_json(last));
    json::object* object = previous.if_object();
    if (object == nullptr || !object->contains("id")) {
        return fail(ErrorCode::kInvalidInput, last.string() + ":1: a snapshot has an \"id\"");
    }
    const json::value id = object->at("id");
    (*object)["id"] = random_uuid();
    (*object)[link] = link == "prevIds" ? json::value(json::array{id}) : id;
    return previous;
}

Result<Paths> create_drizzle0(const Project& project, const NewMigration& wanted) {
    const fs::path journal_path = project.folder / "meta" / "_journal.json";
    TRY(json::value journal, read_json(journal_path));
    json::array& entries = journal.as_object()["entries"].as_array();
    std::int64_t when = wanted.now_ms;
    for (const Script& script : project.scripts) {
        when = std::max(when, script.when_ms + 1);  // an older one would never run
    }
    const std::size_t index = entries.size();
    const std::string last_tag = project.scripts.empty() ? "" : project.scripts.back().name;
    const bool by_time = last_tag.size() > 14 && millis_of_digits(last_tag) >= 0;
    const std::string tag = by_time ? fmt::format("{}_{}", digits_of(when), slug(wanted.name))
                                    : fmt::format("{:04}_{}", index, slug(wanted.name));
    const auto snapshot_of = [&](std::string_view of) {
        const std::string prefix(of.substr(0, of.find('_')));
        return project.folder / "meta" / (prefix + "_snapshot.json");
    };
    TRY(const json::value snapshot, next_snapshot(snapshot_of(last_tag), "prevId"));
    const json::value version =
        entries.empty() ? json::value("7") : entries.back().as_object()["version"];
    entries.push_back(json::object{
        {"idx", index}, {"version", version}, {"when", when}, {"tag", tag}, {"breakpoints", true}});
    Paths written;
    TRY_VOID(write_new(project.folder / (tag + ".sql"), first_line(wanted), written));
    TRY_VOID(add_down(project.folder / (tag + ".down.sql"), wanted, written));
    TRY_VOID(write_new(snapshot_of(tag), pretty(snapshot), written));
    TRY_VOID(replace(journal_path, pretty(journal)));
    written.push_back(journal_path);
    return written;
}

Result<Paths> create_in_folder(const Project& project, const NewMigration& wanted) {
    std::int64_t when = wanted.now_ms;
    for (const Script& script : project.scripts) {
        when = std::max(when, millis_of_digits(script.name) + 1000);
    }
    const fs::path folder =
        project.folder / fmt::format("{}_{}", digits_of(when), slug(wanted.name));
    Paths written;
    TRY_VOID(write_new(folder / "migration.sql", first_line(wanted), written));
    TRY_VOID(add_down(folder / "down.sql", wanted, written));
    if (project.tool == HostTool::kDrizzle1) {
        const fs::path last = project.scripts.empty()
                                  ? fs::path()
                                  : project.folder / project.scripts.back().name / "snapshot.json";
        TRY(const json::value snapshot, next_snapshot(last, "prevIds"));
        TRY_VOID(write_new(folder / "snapshot.json", pretty(snapshot), written));
    }
    return written;
}

// The next number of the same width, or a time where the others have times.
std::string next_version(const Project& project, const NewMigration& wanted) {
    if (project.scripts.empty()) {
        return "0001";
    }
    const Script& last = project.scripts.back();
    const std::string_view text = last.version.empty() ? last.name : last.version;
    const std::size_t width = std::min(text.find_first_not_of("0123456789"), text.size());
    if (width == 0 || width >= 14) {
        return digits_of(std::max(wanted.now_ms, millis_of_digits(text) + 1000));
    }
    const std::uint64_t next = std::stoull(std::string(text.substr(0, width))) + 1;
    return fmt::format("{:0{}}", next, width);
}

Result<Paths> create_file(const Project& project, const NewMigration& wanted) {
    const std::string version = next_version(project, wanted);
    const std::string base = fmt::format("{}_{}", version, slug(wanted.name));
    Paths written;
    if (project.tool == HostTool::kDbmate || project.tool == HostTool::kGoose) {
        const bool dbmate = project.tool == HostTool::kDbmate;
        TRY_VOID(write_new(
            project.folder / (base + ".sql"),
            fmt::format("{}\n{}\n{}\n\n", dbmate ? "-- migrate:up" : "-- +goose Up",
                        first_line(wanted), dbmate ? "-- migrate:down" : "-- +goose Down"),
            written));
        return written;
    }
    if (project.tool == HostTool::kFlyway) {
        const std::string words = slug(wanted.name);
        TRY_VOID(write_new(project.folder / fmt::format("V{}__{}.sql", version, words),
                           first_line(wanted), written));
        TRY_VOID(
            add_down(project.folder / fmt::format("U{}__{}.sql", version, words), wanted, written));
        return written;
    }
    const bool pairs = project.tool == HostTool::kGolangMigrate || wanted.with_down;
    TRY_VOID(write_new(project.folder / (base + (pairs ? ".up.sql" : ".sql")), first_line(wanted),
                       written));
    NewMigration down = wanted;
    down.with_down = pairs;
    TRY_VOID(add_down(project.folder / (base + ".down.sql"), down, written));
    return written;
}

}  // namespace

Result<Paths> create_migration(const Project& project, const NewMigration& wanted) {
    if (slug(wanted.name).find_first_not_of('_') == std::string::npos) {
        return fail(ErrorCode::kInvalidInput, "a migration needs a name: howdah migrate new NAME");
    }
    switch (project.tool) {
        case HostTool::kDrizzle0:
            return create_drizzle0(project, wanted);
        case HostTool::kDrizzle1:
        case HostTool::kPrisma:
            return create_in_folder(project, wanted);
        case HostTool::kPlain:
        case HostTool::kDbmate:
        case HostTool::kGolangMigrate:
        case HostTool::kGoose:
        case HostTool::kFlyway:
            break;
    }
    return create_file(project, wanted);
}

}  // namespace howdah::migrate::runner
