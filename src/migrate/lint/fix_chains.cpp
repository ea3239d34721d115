// fix: sqitch's plan and graphile-migrate's chain of hashes.
// Formats: sqitchchanges(5) and sqitch-add(1); graphile-migrate's header.ts, hash.ts, migration.ts.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "migrate/lint/chains.hpp"
#include "migrate/lint/discover.hpp"
#include "migrate/lint/fix_files.hpp"

namespace howdah::migrate::lint {
namespace {

namespace fs = std::filesystem;

// "2024-01-31T12:00:00Z", so many seconds later; "" when it is no such time.
std::string later(const std::string& time, int seconds) {
    std::tm broken{};
    const char* end = strptime(time.c_str(), "%Y-%m-%dT%H:%M:%SZ", &broken);
    if (end == nullptr || *end != '\0') {
        return {};
    }
    const std::time_t moved = timegm(&broken) + seconds;
    gmtime_r(&moved, &broken);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &broken);
    return text;
}

std::string part_name(const std::string& name, std::size_t number, Phase phase) {
    return fmt::format("{}_{}_{}", name, number + 1, phase_name(phase));
}

// The three scripts of one part of `own`: it is undone by the revert script of the change that was
// split, which undoes all of it, and verified when the last part is there.
class SqitchScripts {
  public:
    SqitchScripts(fs::path top, std::string project, std::string own)
        : top_(std::move(top)), project_(std::move(project)), own_(std::move(own)) {
        if (const auto text = read_whole(top_ / "verify" / (own_ + ".sql"))) {
            verify_ = *text;
        }
        std::error_code ignored;
        reverts_ = fs::exists(top_ / "revert" / (own_ + ".sql"), ignored);
    }

    // `before`: the part before it; "" for the change that was split.
    void add(const std::string& name, const std::string& before, const std::string& body,
             FixPlan& plan) const {
        const std::string needs =
            before.empty() ? requires_lines() : "-- requires: " + before + "\n";
        plan_migration(plan, path("deploy", name),
                       fmt::format("-- Deploy {}:{} to pg\n{}\n{}", project_, name, needs, body));
        if (reverts_ && name != own_) {
            plan_file(plan, path("revert", name),
                      fmt::format("-- Revert {}:{} from pg\n\n-- Undone by revert/{}.sql.\n",
                                  project_, name, own_));
        }
    }
    void verify_by(const std::vector<std::string>& names, FixPlan& plan) const {
        for (const std::string& name : names) {
            if (!verify_.empty()) {
                plan_file(plan, path("verify", name),
                          name == names.back()
                              ? verify_
                              : fmt::format("-- Verify {}:{} on pg\n\n-- Verified by "
                                            "verify/{}.sql, when the last part is there.\n",
                                            project_, name, names.back()));
            }
        }
    }

  private:
    // sqitch-add writes them below the first line.
    std::string requires_lines() const {
        const auto text = read_whole(path("deploy", own_));
        std::string lines;
        std::string_view rest = text ? std::string_view(*text) : std::string_view();
        while (rest.starts_with("--")) {
            const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
            lines += rest.starts_with("-- requires: ") ? rest.substr(0, end) : "";
            rest.remove_prefix(end);
        }
        return lines;
    }
    fs::path path(std::string_view kind, const std::string& name) const {
        return top_ / kind / (name + ".sql");
    }

    fs::path top_;
    std::string project_;
    std::string own_;
    std::string verify_;
    bool reverts_ = false;
};

std::string with_hash(const std::string& previous, const std::string& message,
                      const std::string& body, std::string& hash) {
    hash = graphile_hash(body, previous);
    return fmt::format("--! Previous: {}\n--! Hash: {}\n{}\n{}\n",
                       previous.empty() ? "-" : previous, hash,
                       message.empty() ? "" : "--! Message: " + message + "\n", body);
}

// graphile-migrate looks for its mark on the body's first line alone, and then sends the body as
// one query, which must be one statement. An UPDATE stays in the transaction that records it.
std::string graphile_body(const Group& group) {
    std::string body = body_of(group, Tool::kGraphile);
    while (body.ends_with('\n')) {
        body.pop_back();
    }
    const bool by_itself = group.phase == Phase::kIndex ||
                           (group.phase == Phase::kBackfill && body.starts_with("CALL "));
    return by_itself ? "--! no-transaction\n" + body : body;
}

}  // namespace

std::string place_sqitch(const MigrationFile& file, const std::vector<Group>& groups,
                         FixPlan& plan) {
    const fs::path top = fs::path(file.path).parent_path().parent_path();
    const fs::path plan_path = top / "sqitch.plan";
    const auto text = read_whole(plan_path);
    const SqitchPlan known = read_sqitch_plan(text ? *text : "");
    if (known.changes.empty() || known.changes.back().name != file.name) {
        return "it is not the last change of sqitch.plan";
    }
    if (known.tagged) {
        return "a tag of sqitch.plan holds it as it is";
    }
    const SqitchChange& own = known.changes.back();
    if (later(own.time, 0).empty()) {
        return "its line in sqitch.plan has no time and planner";
    }
    const SqitchScripts scripts(top, known.project, own.name);
    std::string lines = *text;
    lines += lines.ends_with('\n') ? "" : "\n";
    std::vector<std::string> names{own.name};
    scripts.add(own.name, "", body_of(groups[0], Tool::kSqitch), plan);
    for (std::size_t i = 1; i < groups.size(); ++i) {
        const std::string name = part_name(own.name, i, groups[i].phase);
        lines += fmt::format("{} [{}] {} {} # {} of {}\n", name, names.back(),
                             later(own.time, static_cast<int>(i)), own.planner,
                             phase_name(groups[i].phase), own.name);
        scripts.add(name, names.back(), body_of(groups[i], Tool::kSqitch), plan);
        names.push_back(name);
    }
    scripts.verify_by(names, plan);
    plan_file(plan, plan_path, lines);
    return {};
}

std::string place_graphile(const Project& project, const MigrationFile& file,
                           const std::vector<Group>& groups, FixPlan& plan) {
    const std::string name = fs::path(file.path).filename().string();
    constexpr std::size_t kDigits = 6;
    const auto text = read_whole(file.path);
    if (!text || name.find_first_not_of("0123456789") != kDigits) {
        return "it is not committed: graphile-migrate keeps one current migration";
    }
    const GraphileFile own = read_graphile_file(*text);
    const long number = std::strtol(name.c_str(), nullptr, 10);
    const std::string slug = name.substr(kDigits, name.size() - kDigits - 4);  // "-add-x" or ""
    std::string previous = own.previous;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const std::string phase(phase_name(groups[i].phase));
        const std::string path =
            i == 0 ? file.path
                   : (fs::path(project.folder) /
                      fmt::format("{:06}{}-{}.sql", number + static_cast<long>(i), slug, phase))
                         .string();
        const std::string message = i == 0                ? own.message
                                    : own.message.empty() ? phase
                                                          : own.message + " " + phase;
        std::string hash;
        const std::string whole = with_hash(previous, message, graphile_body(groups[i]), hash);
        plan_migration(plan, path, whole);
        previous = hash;
    }
    return {};
}

}  // namespace howdah::migrate::lint
