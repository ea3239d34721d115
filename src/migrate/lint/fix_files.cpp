// fix: names, journals and files of the steps.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "base/prng.hpp"
#include "migrate/json_number.hpp"
#include "migrate/lint/discover.hpp"
#include "migrate/lint/fix_files.hpp"

namespace howdah::migrate::lint {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// Statements that need no transaction of their own share a file; each index and backfill has one.
std::vector<Group> group_steps(std::vector<FixStep> steps) {
    std::vector<Group> groups;
    for (FixStep& step : steps) {
        const bool alone = step.phase == Phase::kIndex || step.phase == Phase::kBackfill;
        if (groups.empty() || alone || groups.back().phase != step.phase ||
            groups.back().round != step.round) {
            groups.push_back({.round = step.round,
                              .phase = step.phase,
                              .statements = {},
                              .transactional = !alone,
                              .in_block = step.in_block && !alone});
        }
        groups.back().statements.push_back(std::move(step.sql));
    }
    return groups;
}

bool sets_lock_timeout(const std::vector<std::string>& statements) {
    return std::ranges::any_of(statements, [](const std::string& statement) {
        return statement.find("lock_timeout") != std::string::npos;
    });
}

}  // namespace

std::string_view separator_of(Tool tool) {
    return tool == Tool::kDrizzle || tool == Tool::kDrizzle1 ? "\n--> statement-breakpoint\n"
                                                             : "\n";
}

std::string body_of(const Group& group, Tool tool) {
    const std::string_view separator = separator_of(tool);
    std::string body;
    const bool locks = group.phase == Phase::kExpand || group.phase == Phase::kKeys ||
                       group.phase == Phase::kContract;
    std::vector<std::string> statements = group.statements;
    if (locks && !sets_lock_timeout(statements)) {
        // Put back at the end: a lock_timeout that stays would cut an index build later on.
        statements.insert(statements.begin(), "SET lock_timeout = '2s';");
        statements.emplace_back("RESET lock_timeout;");
    }
    if (group.in_block && statements.size() > 1) {
        statements.insert(statements.begin(), "BEGIN;");
        statements.emplace_back("COMMIT;");
    }
    body += fmt::format("{}\n", fmt::join(statements, separator));
    std::string head;
    switch (tool) {
        case Tool::kGoose:
            head =
                group.transactional ? "-- +goose Up\n" : "-- +goose NO TRANSACTION\n-- +goose Up\n";
            if (body.find("$body$") != std::string::npos) {
                body = "-- +goose StatementBegin\n" + body + "-- +goose StatementEnd\n";
            }
            break;
        case Tool::kDbmate:
            head = group.transactional ? "-- migrate:up\n" : "-- migrate:up transaction:false\n";
            body += "\n-- migrate:down\n";
            break;
        case Tool::kDrizzle:
        case Tool::kDrizzle1:
            head = group.transactional || group.phase == Phase::kBackfill
                       ? ""
                       : "-- howdah:no-transaction\n-- Run it with howdah migrate: "
                         "drizzle-kit puts every file into one transaction.\n";
            break;
        case Tool::kSqitch:
        case Tool::kGraphile:
            break;
        default:
            // CREATE INDEX CONCURRENTLY is known for what it is; a procedure that commits is not.
            head = group.phase == Phase::kBackfill && body.find("CALL ") != std::string::npos
                       ? "-- howdah:no-transaction\n"
                       : "";
            break;
    }
    return head + body;
}

void plan_file(FixPlan& plan, const fs::path& path, std::string after) {
    const auto before = read_whole(path);
    plan.files.push_back({.path = path.string(),
                          .before = before ? *before : std::string(),
                          .after = std::move(after)});
}

void plan_migration(FixPlan& plan, const fs::path& path, std::string after) {
    plan_file(plan, path, std::move(after));
    plan.files.back().migration = true;
}

namespace {

// "0007" -> "0008"; fourteen digits are a time and count in seconds.
std::string next_number(const std::string& digits, int step) {
    if (digits.size() == 14) {
        std::tm time{};
        if (strptime(digits.c_str(), "%Y%m%d%H%M%S", &time) != nullptr) {
            std::time_t seconds = timegm(&time) + step;
            gmtime_r(&seconds, &time);
            char text[16];
            std::strftime(text, sizeof text, "%Y%m%d%H%M%S", &time);
            return text;
        }
    }
    const std::string next = std::to_string(std::strtoll(digits.c_str(), nullptr, 10) + step);
    return next.size() < digits.size() ? std::string(digits.size() - next.size(), '0') + next
                                       : next;
}

struct Name {
    std::string lead;     // "V" of Flyway
    std::string digits;   // may be empty
    std::string rest;     // behind them, with its separator
    bool dashed = false;  // the digits stood as 2024-01-31-120000
};

constexpr std::string_view kDashedTime = "dddd-dd-dd-dddddd";

bool starts_with_dashed_time(std::string_view name) {
    for (std::size_t i = 0; i < kDashedTime.size(); ++i) {
        const bool digit = i < name.size() && name[i] >= '0' && name[i] <= '9';
        if (i >= name.size() || (kDashedTime[i] == 'd' ? !digit : name[i] != '-')) {
            return false;
        }
    }
    return true;
}

std::string with_dashes(std::string digits) {
    for (const std::size_t at : {std::size_t{4}, std::size_t{7}, std::size_t{10}}) {
        digits.insert(at, 1, '-');
    }
    return digits;
}

Name take_apart(const std::string& name) {
    Name parts;
    if (starts_with_dashed_time(name)) {  // diesel's
        parts.digits = name.substr(0, kDashedTime.size());
        std::erase(parts.digits, '-');
        parts.rest = name.substr(kDashedTime.size());
        parts.dashed = true;
        return parts;
    }
    std::size_t at = !name.empty() && name[0] == 'V' ? 1 : 0;
    parts.lead = name.substr(0, at);
    const std::size_t end = std::min(name.find_first_not_of("0123456789", at), name.size());
    parts.digits = name.substr(at, end - at);
    parts.rest = name.substr(end);
    return parts;
}

std::string name_of(const Name& name, int step, Phase phase) {
    if (name.digits.empty()) {
        return fmt::format("{}{}_{}_{}", name.lead, name.rest, step + 1, phase_name(phase));
    }
    const std::string number = next_number(name.digits, step);
    return fmt::format("{}{}{}_{}", name.lead, name.dashed ? with_dashes(number) : number,
                       name.rest, phase_name(phase));
}

// From the text before it: --diff and --fix give the same.
std::string uuid_after(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    }
    Prng prng(hash);
    const std::uint64_t high = prng.next();
    const std::uint64_t low = prng.next();
    return fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", high >> 32U,
                       (high >> 16U) & 0xffffU, high & 0xfffU, low >> 52U, low & 0xffffffffffffULL);
}

// The snapshot before, as the new migration's own: the schema that drizzle-kit compares with stays.
std::string next_snapshot(const std::string& text) {
    boost::system::error_code error;
    json::value root = json::parse(text, error);
    json::object* object = root.if_object();
    if (error || object == nullptr || !object->contains("id")) {
        return {};
    }
    // A copy: operator[] may move the elements, even when it finds the key.
    const json::value id = object->at("id");
    if (object->contains("prevId")) {
        (*object)["prevId"] = id;
    } else if (object->contains("prevIds")) {
        (*object)["prevIds"] = json::array{id};
    }
    (*object)["id"] = uuid_after(text);
    return json::serialize(root) + "\n";
}

// Journal entries behind the last one, each a millisecond later.
class DrizzleJournal {
  public:
    explicit DrizzleJournal(fs::path folder) : folder_(std::move(folder)) {
        const auto text = read_whole(folder_ / "meta/_journal.json");
        text_ = text ? *text : std::string();
        boost::system::error_code error;
        const json::value root = json::parse(text_, error);
        if (error || root.if_object() == nullptr ||
            root.as_object().if_contains("entries") == nullptr || !root.at("entries").is_array() ||
            root.at("entries").as_array().empty()) {
            return;
        }
        const json::value& last = root.at("entries").as_array().back();
        const json::object* fields = last.if_object();
        const auto when = journal_number(fields == nullptr ? nullptr : fields->if_contains("when"));
        const auto idx = journal_number(fields == nullptr ? nullptr : fields->if_contains("idx"));
        if (when && idx) {
            when_ = *when;
            idx_ = *idx;
            close_ = text_.rfind(']');
        }
    }

    bool good() const { return close_ != std::string::npos; }

    void add(const std::string& tag, FixPlan& plan) {
        const std::string before = last_snapshot_.empty() ? snapshot_text(idx_) : last_snapshot_;
        ++idx_;
        ++when_;
        added_ += fmt::format(
            ",\n    {{\n      \"idx\": {},\n      \"version\": \"7\",\n      "
            "\"when\": {},\n      \"tag\": \"{}\",\n      \"breakpoints\": true\n    }}",
            idx_, when_, tag);
        last_snapshot_ = next_snapshot(before);
        if (!last_snapshot_.empty()) {
            plan_file(plan, snapshot_path(idx_), last_snapshot_);
        }
    }

    void finish(FixPlan& plan) {
        const std::size_t end = text_.find_last_not_of(" \t\r\n", close_ - 1) + 1;
        plan_file(plan, folder_ / "meta/_journal.json",
                  text_.substr(0, end) + added_ + text_.substr(end));
    }

  private:
    fs::path snapshot_path(std::int64_t idx) const {
        return folder_ / "meta" / fmt::format("{:04}_snapshot.json", idx);
    }
    std::string snapshot_text(std::int64_t idx) const {
        const auto text = read_whole(snapshot_path(idx));
        return text ? *text : std::string();
    }

    fs::path folder_;
    std::string text_;
    std::string added_;
    std::string last_snapshot_;
    std::int64_t when_ = 0;
    std::int64_t idx_ = 0;
    std::size_t close_ = std::string::npos;
};

bool place_drizzle(const Project& project, const MigrationFile& file,
                   const std::vector<Group>& groups, FixPlan& plan) {
    DrizzleJournal journal(project.folder);
    if (!journal.good()) {
        return false;
    }
    const Name name = take_apart(file.name);
    plan_migration(plan, file.path, body_of(groups[0], project.tool));
    for (std::size_t i = 1; i < groups.size(); ++i) {
        const std::string tag = name_of(name, static_cast<int>(i), groups[i].phase);
        plan_migration(plan, fs::path(project.folder) / (tag + ".sql"),
                       body_of(groups[i], project.tool));
        journal.add(tag, plan);
    }
    journal.finish(plan);
    return true;
}

void place_folders(const Project& project, const MigrationFile& file,
                   const std::vector<Group>& groups, FixPlan& plan) {
    const Name name = take_apart(file.name);
    const std::string script = fs::path(file.path).filename().string();
    const fs::path own = fs::path(file.path).parent_path();
    const auto snapshot = read_whole(own / "snapshot.json");
    std::string last_snapshot = snapshot ? *snapshot : std::string();
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const fs::path folder =
            i == 0 ? own
                   : fs::path(project.folder) / name_of(name, static_cast<int>(i), groups[i].phase);
        plan_migration(plan, folder / script, body_of(groups[i], project.tool));
        if (project.tool == Tool::kDrizzle1 && i > 0) {
            last_snapshot = next_snapshot(last_snapshot);
            plan_file(plan, folder / "snapshot.json", last_snapshot);
        }
        if (project.tool == Tool::kDiesel && !groups[i].transactional) {
            plan.files.back().scope = Scope::kStatement;
            plan_file(plan, folder / "metadata.toml", "run_in_transaction = false\n");
        }
        if (project.tool == Tool::kDiesel && i > 0) {
            plan_file(plan, folder / "down.sql", "-- Undone by the migration that began it.\n");
        }
    }
}

void place_flat(const Project& project, const MigrationFile& file, const std::vector<Group>& groups,
                FixPlan& plan) {
    const std::string file_name = fs::path(file.path).filename().string();
    const std::string suffix = file_name.ends_with(".up.sql") ? ".up.sql" : ".sql";
    const std::string stem = file_name.substr(0, file_name.size() - suffix.size());
    const Name name = take_apart(stem);
    const bool has_down =
        suffix == ".up.sql" && fs::exists(fs::path(file.path).parent_path() / (stem + ".down.sql"));
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const fs::path path =
            i == 0 ? fs::path(file.path)
                   : fs::path(project.folder) /
                         (name_of(name, static_cast<int>(i), groups[i].phase) + suffix);
        std::string body = body_of(groups[i], project.tool);
        if (i == 0 && (project.tool == Tool::kGoose || project.tool == Tool::kDbmate)) {
            const auto before = read_whole(path);
            const std::string_view mark =
                project.tool == Tool::kGoose ? "-- +goose Down" : "-- migrate:down";
            const std::size_t down = before ? before->find(mark) : std::string::npos;
            if (down != std::string::npos) {
                const std::size_t own = body.find(mark);
                body = (own == std::string::npos ? body + "\n" : body.substr(0, own)) +
                       before->substr(down);
            }
        }
        plan_migration(plan, path, std::move(body));
        if (i > 0 && has_down) {
            plan_file(plan,
                      fs::path(project.folder) /
                          (name_of(name, static_cast<int>(i), groups[i].phase) + ".down.sql"),
                      "-- Undone by the migration that began it.\n");
        }
    }
}

void add_lines(std::string& out, std::string_view text, char sign) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1);
        out += sign;
        out += text.substr(0, end + 1);
        if (out.back() != '\n') {
            out += "\n\\ No newline at end of file\n";
        }
        text.remove_prefix(end + 1);
    }
}

}  // namespace

std::string place_steps(const Project& project, std::size_t file, const Script& script,
                        std::vector<FixStep> steps, FixPlan& plan) {
    const MigrationFile& own = project.files[file];
    if (script.text.find("howdah-ignore-file") != std::string::npos) {
        return "howdah-ignore-file would not count for the new files";
    }
    if (script.rewritten) {
        return "it holds placeholders, psql commands or COPY data";
    }
    const std::vector<Group> groups = group_steps(std::move(steps));
    switch (project.tool) {
        case Tool::kDrizzle:
            return place_drizzle(project, own, groups, plan)
                       ? ""
                       : "meta/_journal.json is not the journal that it should be";
        case Tool::kDrizzle1:
        case Tool::kPrisma:
        case Tool::kDiesel:
            place_folders(project, own, groups, plan);
            return "";
        case Tool::kSqitch:
            return place_sqitch(own, groups, plan);
        case Tool::kGraphile:
            return place_graphile(project, own, groups, plan);
        default:
            place_flat(project, own, groups, plan);
            return "";
    }
}

// Files are short: the whole of the old, the whole of the new.
std::string show_plan(const FixPlan& plan) {
    std::string out;
    for (const PlannedFile& file : plan.files) {
        const auto lines = [](const std::string& text) {
            return std::ranges::count(text, '\n') + (text.empty() || text.ends_with('\n') ? 0 : 1);
        };
        const auto before = lines(file.before);
        const auto after = lines(file.after);
        out += fmt::format("--- {}\n+++ {}\n@@ -{},{} +{},{} @@\n",
                           before == 0 ? "/dev/null" : "a/" + file.path, "b/" + file.path,
                           before == 0 ? 0 : 1, before, after == 0 ? 0 : 1, after);
        add_lines(out, file.before, '-');
        add_lines(out, file.after, '+');
    }
    for (const std::string& reason : plan.left) {
        out += fmt::format("# left as it is: {}\n", reason);
    }
    return out;
}

Result<> write_plan(const FixPlan& plan) {
    for (const PlannedFile& file : plan.files) {
        const fs::path path = file.path;
        std::error_code error;
        fs::create_directories(path.parent_path(), error);
        const fs::path beside = path.string() + ".howdah-new";
        std::ofstream out(beside, std::ios::binary | std::ios::trunc);
        out << file.after;
        out.close();
        if (!out) {
            return fail(ErrorCode::kIo, fmt::format("{}: cannot be written", beside.string()));
        }
        fs::rename(beside, path, error);
        if (error) {
            return fail(ErrorCode::kIo, fmt::format("{}: {}", path.string(), error.message()));
        }
    }
    return {};
}

}  // namespace howdah::migrate::lint
