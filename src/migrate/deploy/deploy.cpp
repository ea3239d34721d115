#include "migrate/deploy/deploy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "migrate/deploy/command.hpp"
#include "migrate/history/digest.hpp"

namespace howdah::migrate::runner {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

std::string_view risk_text(Risk risk) {
    static constexpr std::array<std::string_view, 4> kRisks{"none", "low", "medium", "high"};
    return kRisks.at(static_cast<std::size_t>(risk));
}

std::string tail(const std::string& output) {
    constexpr std::size_t kTailMax = 500;
    return output.size() <= kTailMax ? output : "..." + output.substr(output.size() - kTailMax);
}

}  // namespace

Deploy::Deploy(ProjectConfig config, DeployOptions options, Narrator& narrator,
               Interrupt& interrupt)
    : config_(std::move(config)),
      options_(std::move(options)),
      narrator_(narrator),
      interrupt_(interrupt) {}

void Deploy::save() {
    std::error_code error;
    const fs::path folder = config_.deploy.records;
    fs::create_directories(folder, error);
    for (const bool markdown : {false, true}) {
        const fs::path file = folder / (record_.id + (markdown ? ".md" : ".json"));
        std::ofstream out(file);
        out << (markdown ? to_markdown(record_) : boost::json::serialize(to_json(record_)) + "\n");
        if (!out.flush()) {
            narrator_.say("cannot write " + file.string());
        }
    }
}

bool Deploy::stage(const std::string& name, const Work& work) {
    narrator_.say(name + " ...");
    const auto begun = Clock::now();
    Result<std::string> done =
        interrupt_.requested()
            ? Result<std::string>(fail(Error(ErrorCode::kCancelled, "57014", "interrupted", "")))
            : work();
    StageRecord one;
    one.name = name;
    one.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    one.outcome = done ? "done" : "failed";
    one.detail = done ? *done : done.error().message;
    narrator_.say(fmt::format("{} {}: {}{}", name, one.outcome, one.detail,
                              one.seconds >= 1 ? " (" + duration_text(one.seconds) + ")" : ""));
    if (!done && record_.error.empty()) {
        record_.error = name + ": " + done.error().message;
        record_.hint = done.error().hint;
    }
    record_.stages.push_back(std::move(one));
    if (!options_.dry_run) {
        save();
    }
    return done.has_value();
}

void Deploy::skip(const std::string& name, const std::string& why) {
    record_.stages.push_back({.name = name, .outcome = "skipped", .seconds = 0, .detail = why});
}

Result<std::string> Deploy::make_plan() {
    TRY(plan_, runner_->plan());
    record_.plan_hash = plan_.hash;
    record_.findings = plan_.findings;
    for (const Finding& finding : plan_.findings) {
        const bool drift = finding.rule == "schema-drift" && config_.deploy.stop_on_drift &&
                           !options_.ignore_drift;
        if (drift || finding.severity == Severity::kError) {
            return fail(
                Error(ErrorCode::kRefused, "",
                      finding.message +
                          (finding.evidence.empty() || !drift ? "" : ": " + finding.evidence),
                      drift ? finding.fix + "; --ignore-drift goes on" : finding.fix));
        }
    }
    return fmt::format("{} migration{}, plan {}", plan_.migrations.size(),
                       plan_.migrations.size() == 1 ? "" : "s", plan_.hash);
}

Result<std::string> Deploy::gate() {
    if (!config_.deploy.lint_command.empty()) {
        TRY(const CommandResult lint, run_command({.shell = config_.deploy.lint_command,
                                                   .program = {},
                                                   .environment = command_environment(),
                                                   .timeout_s = config_.deploy.command_timeout_s,
                                                   .on_output = {}}));
        if (lint.status != 0 && options_.approved != plan_.hash) {
            return fail(ErrorCode::kRefused, fmt::format("lint_command ended with {}: {}",
                                                         lint.status, tail(lint.output)));
        }
        return "lint_command passed";
    }
    TRY(verdict_, lint_gate({.project = runner_->project(),
                             .plan = plan_,
                             .settings_file = config_.file,
                             .scope = config_.migrate.plan.scope,
                             .database = config_.migrate.database}));
    record_.risk = risk_text(verdict_.risk);
    record_.findings.insert(record_.findings.end(), verdict_.findings.begin(),
                            verdict_.findings.end());
    const Risk limit = config_.deploy.gate == GateLevel::kMedium ? Risk::kMedium : Risk::kHigh;
    const bool over = config_.deploy.gate != GateLevel::kOff && verdict_.risk >= limit;
    if (over && options_.approved != plan_.hash) {
        const Finding& worst = verdict_.findings.front();
        return fail(Error(
            ErrorCode::kRefused, "",
            fmt::format("risk {}: {}:{}: {}", record_.risk, worst.file, worst.line, worst.message),
            "make it safe (howdah lint says how), or approve this very plan: "
            "--approve " +
                plan_.hash));
    }
    return fmt::format("risk {}, {} finding{}{}", record_.risk, verdict_.findings.size(),
                       verdict_.findings.size() == 1 ? "" : "s", over ? ", approved" : "");
}

Result<std::string> Deploy::back_up() {
    const BackupCall call{.config = config_.deploy,
                          .conninfo = config_.migrate.database,
                          .id = record_.id,
                          .touched = touched_tables(plan_)};
    TRY(record_.backup, take_backup(runner_->db(), call));
    return record_.backup.summary;
}

Result<std::string> Deploy::migrate() {
    runner_->set_plan(config_.migrate.plan, plan_.hash);
    TRY(record_.run, runner_->up());
    if (record_.run->outcome != "done") {
        return fail(Error(ErrorCode::kServer, "", record_.run->error, record_.run->hint));
    }
    return fmt::format("{} applied", record_.run->migrations.size());
}

Result<std::string> Deploy::validate() {
    for (const Finding& finding : record_.run->findings) {
        if (finding.severity == Severity::kError) {
            return fail(Error(ErrorCode::kServer, "", finding.message, finding.fix));
        }
    }
    return fmt::format("{} remark{}", record_.run->findings.size(),
                       record_.run->findings.size() == 1 ? "" : "s");
}

Environment Deploy::command_environment() const {
    return {{"HOWDAH_DEPLOY_ID", record_.id},
            {"HOWDAH_PLAN_HASH", record_.plan_hash},
            {"HOWDAH_RISK", record_.risk}};
}

Result<std::string> Deploy::deploy_application() {
    application_begun_ = true;
    TRY(const CommandResult done, run_command({.shell = config_.deploy.application,
                                               .program = {},
                                               .environment = command_environment(),
                                               .timeout_s = config_.deploy.command_timeout_s,
                                               .on_output = {}}));
    if (done.status != 0) {
        return fail(ErrorCode::kServer, fmt::format("the application's command ended with {}: {}",
                                                    done.status, tail(done.output)));
    }
    return std::string("the application's command ended with 0");
}

Result<std::string> Deploy::smoke() {
    std::size_t failed = 0;
    for (const SmokeTest& test : config_.deploy.smoke) {
        SmokeResult result = run_smoke(runner_->db(), test, interrupt_);
        narrator_.say(fmt::format("  {} {}{}", result.passed ? "passed" : "FAILED", result.name,
                                  result.passed ? "" : ": " + result.detail));
        failed += result.passed ? 0 : 1;
        record_.smoke.push_back(std::move(result));
    }
    if (failed > 0) {
        return fail(ErrorCode::kServer,
                    fmt::format("{} of {} smoke tests failed", failed, record_.smoke.size()));
    }
    return fmt::format("{} passed", record_.smoke.size());
}

bool Deploy::pause(std::chrono::milliseconds time) const {
    std::this_thread::sleep_for(time);
    return !interrupt_.requested();
}

Result<std::string> Deploy::watch() {
    // A session reports what it did at most once a second, or when it ends: what the smoke tests
    // and this deploy did is counted by then, and not as the application's.
    constexpr auto kReports = std::chrono::milliseconds(1000);
    constexpr auto kLooks = std::chrono::milliseconds(500);
    const Error interrupted(ErrorCode::kCancelled, "57014", "interrupted", "");
    const WatchSettings& settings = config_.deploy.watch;
    TRY([[maybe_unused]] const Traffic at_once, read_traffic(runner_->db(), 0));
    if (!pause(kReports)) {
        return fail(interrupted);
    }
    int reads = 1;
    TRY(const Traffic from, read_traffic(runner_->db(), reads));
    const auto until = Clock::now() + std::chrono::seconds(settings.seconds);
    while (Clock::now() < until) {
        if (!pause(kLooks)) {
            return fail(interrupted);
        }
        TRY(const Traffic now, read_traffic(runner_->db(), ++reads));
        if (const std::string worse = judge_traffic(before_, from, now, settings); !worse.empty()) {
            return fail(ErrorCode::kServer, worse);
        }
        narrator_.progress(
            fmt::format("  {:.0f} transactions watched",
                        std::max(0.0, now.commits + now.rollbacks - from.commits - from.rollbacks -
                                          (now.own_commits - from.own_commits))));
    }
    narrator_.progress("");
    return fmt::format("nothing got worse in {} s", settings.seconds);
}

bool Deploy::before_changes() {
    if (!stage("plan", [this] { return make_plan(); }) ||
        !stage("lint", [this] { return gate(); })) {
        record_.outcome = "refused";
        return false;
    }
    if (options_.dry_run) {
        record_.outcome = "planned";
        return false;
    }
    if (plan_.migrations.empty()) {
        skip("backup", "no migration to run");
    } else if (!stage("backup", [this] { return back_up(); })) {
        record_.outcome = "failed";
        return false;
    }
    return true;
}

bool Deploy::changes() {
    if (const auto traffic = read_traffic(runner_->db(), 0)) {
        before_ = *traffic;
    }
    if (plan_.migrations.empty()) {
        skip("migrate", "no migration to run");
    } else if (!stage("migrate", [this] { return migrate(); }) ||
               !stage("validate", [this] { return validate(); })) {
        return false;
    }
    if (config_.deploy.application.empty()) {
        skip("application", "no command in [deploy] application");
    } else if (!stage("application", [this] { return deploy_application(); })) {
        return false;
    }
    if (config_.deploy.smoke.empty()) {
        skip("smoke", "no [[deploy.smoke]]");
    } else if (!stage("smoke", [this] { return smoke(); })) {
        return false;
    }
    if (config_.deploy.watch.seconds == 0) {
        skip("watch", "watch_seconds is 0");
        return true;
    }
    return stage("watch", [this] { return watch(); });
}

Result<DeployRecord> Deploy::run() {
    record_.id = random_uuid();
    record_.started_at = utc_now();
    TRY(runner_, Runner::open(config_.migrate, narrator_, interrupt_));
    record_.folder = runner_->project().folder.string();
    if (before_changes()) {
        if (changes()) {
            record_.outcome = "done";
        } else {
            roll_back();
        }
    }
    record_.finished_at = utc_now();
    if (!options_.dry_run) {
        save();
    }
    return record_;
}

Result<std::string> Deploy::roll_back_application() {
    TRY(const CommandResult done, run_command({.shell = config_.deploy.application_rollback,
                                               .program = {},
                                               .environment = command_environment(),
                                               .timeout_s = config_.deploy.command_timeout_s,
                                               .on_output = {}}));
    if (done.status != 0) {
        return fail(ErrorCode::kServer, fmt::format("application_rollback ended with {}: {}",
                                                    done.status, tail(done.output)));
    }
    return std::string("the application before is back");
}

// What of this run has to go: half a migration always; of the whole ones, by policy, those from the
// first on that the application before cannot live with.
std::vector<std::string> Deploy::to_undo() const {
    std::vector<std::string> names;
    if (!record_.run) {
        return names;
    }
    const bool never = config_.deploy.roll_back_schema == SchemaRollback::kNever;
    bool needed = config_.deploy.roll_back_schema == SchemaRollback::kAlways;
    for (const MigrationRecord& migration : record_.run->migrations) {
        const bool whole = migration.outcome == "done";
        const bool expands =
            std::ranges::find(verdict_.expand_only, migration.name) != verdict_.expand_only.end();
        needed = needed || (whole && !expands);
        if (migration.outcome == "failed" || (whole && needed && !never)) {
            names.push_back(migration.name);
        }
    }
    return names;
}

Result<std::string> Deploy::roll_back_schema(const std::vector<std::string>& names) {
    PlanOptions options = config_.migrate.plan;
    options.only = names;
    runner_->set_plan(options, "");
    TRY(record_.rollback, runner_->down());
    if (record_.rollback->outcome != "done") {
        return fail(Error(ErrorCode::kServer, "", record_.rollback->error, record_.rollback->hint));
    }
    const std::size_t undone = record_.rollback->migrations.size();
    return undone == 0 ? std::string("nothing was left of it")
                       : fmt::format("{} migration{} undone", undone, undone == 1 ? "" : "s");
}

// What failed may have taken the connection with it.
void Deploy::connect_again() {
    const auto until = Clock::now() + std::chrono::seconds(20);
    while (!runner_->db().is_open() && Clock::now() < until && !interrupt_.requested()) {
        if (auto again = Runner::open(config_.migrate, narrator_, interrupt_)) {
            plan_.migrations.clear();  // they point into the runner that goes
            runner_ = std::move(*again);
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
}

void Deploy::roll_back() {
    interrupt_.reset();
    connect_again();
    bool good = true;
    if (application_begun_ && !config_.deploy.application_rollback.empty()) {
        good = stage("roll back application", [this] { return roll_back_application(); });
    } else if (application_begun_) {
        skip("roll back application", "no command in [deploy] application_rollback");
        good = false;
    }
    const std::vector<std::string> names = to_undo();
    const bool any_run = record_.run && !record_.run->migrations.empty();
    if (names.empty() && any_run) {
        skip("roll back schema",
             "the application before can live with it, or roll_back_schema "
             "says never: the schema stays");
    } else if (!names.empty() &&
               !stage("roll back schema", [&] { return roll_back_schema(names); })) {
        good = false;
        const std::string how = restore_text(config_.deploy, record_.backup);
        if (options_.restore) {
            good = stage("restore", [this]() -> Result<std::string> {
                TRY_VOID(restore_backup(config_.deploy, config_.migrate.database, record_.backup));
                return std::string("the backup is back");
            });
        } else if (!how.empty()) {
            record_.hint = "the schema is not as before; the backup: " + how;
        }
    }
    record_.outcome = good ? "rolled-back" : "failed";
}

}  // namespace howdah::migrate::runner
