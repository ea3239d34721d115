// howdah migrate status|up|down|repair|new
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <iostream>

#include "base/clock.hpp"
#include "cli/commands.hpp"
#include "cli/exit_status.hpp"
#include "cli/runner_settings.hpp"
#include "cli/terminal.hpp"
#include "migrate/deploy/config.hpp"
#include "migrate/history/scaffold.hpp"
#include "migrate/runner/runner.hpp"

namespace howdah::cli {
namespace {

namespace json = boost::json;
using namespace migrate::runner;

constexpr const char* kExamples = R"(
Examples:
  howdah migrate status                         what has run, what is pending
  howdah migrate up --dry-run                   the plan, step by step
  howdah migrate up --database postgresql://app@db/shop prisma/migrations
  howdah migrate down                           undo the last one
  howdah migrate repair                         what a cut run left, and what to do
  howdah migrate repair --baseline 0001_init    count as run what is there already
  howdah migrate new "add orders"               an empty migration, named as the tool does

Drizzle 0.x and 1.0, Prisma, dbmate, golang-migrate, goose, Flyway and plain folders of *.sql are
told apart by their files; their own history tables are read and written. Settings: [migrate] in
howdah.toml. Exit status: 0 done, 1 failed or refused, 2 wrong usage or input, 3 could not run.)";

struct Options {
    CommonOptions common;
    std::string record;
    std::string skipped;
    std::string transaction;
    std::string on_block;
    std::int64_t lock_timeout_ms = -1;
    std::int64_t wait_s = -1;
    std::int64_t attempts = -1;
    std::int64_t batch = -1;
    std::string to;
    std::size_t count = 1;
    std::string name;
    bool dry_run = false;
    bool allow_data_loss = false;
    bool with_down = false;
    std::string plan_hash;
    std::string applied, rolled_back, baseline, step_done, step_again;
};

void add_running(CLI::App& app, Options& options) {
    declare_common(app, options.common);
    app.add_flag("--dry-run", options.dry_run, "show the plan, change nothing");
    app.add_option("--plan", options.plan_hash, "run only the plan with this hash");
    app.add_option("--to", options.to, "up: the last to run; down: the one that stays on top");
    app.add_option("--transaction", options.transaction, "one per file or per statement")
        ->check(CLI::IsMember({"file", "statement"}));
    app.add_option("--lock-timeout", options.lock_timeout_ms, "milliseconds; 2000 unless told");
    app.add_option("--attempts", options.attempts, "for a step that gets no lock; 10 unless told");
    app.add_option("--wait", options.wait_s, "seconds for another run to end; 60 unless told");
    app.add_option("--on-block", options.on_block,
                   "long transactions in the way: wait, fail, cancel")
        ->check(CLI::IsMember({"wait", "fail", "cancel"}));
    app.add_option("--batch", options.batch, "rows of a backfill's batch; 5000 unless told");
    app.add_option("--record", options.record, "write the run's record to FILE.json and FILE.md");
}

void add_repair(CLI::App& app, Options& options) {
    declare_common(app, options.common);
    app.add_option("--applied", options.applied, "all of this migration is there");
    app.add_option("--rolled-back", options.rolled_back, "nothing of this migration is there");
    app.add_option("--baseline", options.baseline, "this one and all before it are there");
    app.add_option("--done", options.step_done, "the cut step of this migration took effect");
    app.add_option("--again", options.step_again, "the cut step of this migration did not");
    app.add_option("--wait", options.wait_s, "seconds for another run to end; 60 unless told");
}

Result<RunnerSettings> settings_of(const Options& options) {
    TRY(ProjectConfig config, project_config(options.common));
    RunnerSettings& settings = config.migrate;
    if (!options.transaction.empty()) {
        settings.plan.scope = options.transaction == "statement" ? TransactionScope::kStatement
                                                                 : TransactionScope::kFile;
    }
    if (!options.skipped.empty()) {
        settings.plan.on_skipped = options.skipped == "run"      ? OnSkipped::kRun
                                   : options.skipped == "ignore" ? OnSkipped::kIgnore
                                                                 : OnSkipped::kStop;
    }
    if (!options.on_block.empty()) {
        settings.executor.on_block = options.on_block == "fail"     ? OnBlock::kFail
                                     : options.on_block == "cancel" ? OnBlock::kCancel
                                                                    : OnBlock::kWait;
    }
    if (options.lock_timeout_ms >= 0) {
        settings.executor.lock_timeout = pg::Milliseconds(options.lock_timeout_ms);
    }
    if (options.attempts > 0) {
        settings.executor.attempts_max = static_cast<int>(options.attempts);
    }
    if (options.wait_s >= 0) {
        settings.wait_for_lock = std::chrono::seconds(options.wait_s);
    }
    if (options.batch > 0) {
        settings.backfill.batch = options.batch;
    }
    settings.plan.to = options.to;
    settings.plan.count = options.count;
    settings.allow_data_loss = options.allow_data_loss;
    settings.approved_plan = options.plan_hash;
    return std::move(settings);
}

void print_findings(const std::vector<Finding>& findings) {
    for (const Finding& finding : findings) {
        const char* level = finding.severity == Severity::kError     ? "ERROR"
                            : finding.severity == Severity::kWarning ? "WARNING"
                                                                     : "INFO";
        fmt::print("[{}] {}{}: {}\n", level, finding.file.empty() ? "" : finding.file + ": ",
                   finding.rule, finding.message);
        if (!finding.evidence.empty()) {
            fmt::print("    {}\n", finding.evidence);
        }
        if (!finding.fix.empty()) {
            fmt::print("    {}\n", finding.fix);
        }
    }
}

json::object status_json(const Status& status) {
    json::array scripts;
    for (const ScriptStatus& script : status.scripts) {
        scripts.push_back(json::object{{"name", script.name},
                                       {"file", script.file},
                                       {"state", state_name(script.state)},
                                       {"edited", script.edited},
                                       {"has_down", script.has_down},
                                       {"applied_at", script.applied_at},
                                       {"steps", script.steps},
                                       {"steps_done", script.steps_done},
                                       {"begun", script.begun}});
    }
    json::array unknown;
    for (const std::string& name : status.unknown) {
        unknown.emplace_back(name);
    }
    json::array findings;
    for (const Finding& finding : status.findings) {
        findings.push_back(finding_json(finding));
    }
    return {{"schema", "howdah.migrate-status/1"},
            {"tool", status.tool},
            {"folder", status.folder},
            {"host_table", status.host_table},
            {"host_table_exists", status.table_exists},
            {"server", status.server},
            {"applied", status.count(ScriptState::kApplied)},
            {"pending", status.count(ScriptState::kPending)},
            {"failed", status.count(ScriptState::kFailed)},
            {"skipped", status.count(ScriptState::kSkipped)},
            {"migrations", std::move(scripts)},
            {"not_on_disk", std::move(unknown)},
            {"findings", std::move(findings)}};
}

void print_status(const Status& status, bool markdown) {
    fmt::print("{}{} ({}), history in {} on {}\n{}", markdown ? "# " : "", status.folder,
               status.tool, status.host_table, status.server,
               markdown ? "\n| migration | state | |\n|---|---|---|\n" : "");
    for (const ScriptStatus& script : status.scripts) {
        std::string note = script.applied_at;
        if (script.begun) {
            note = fmt::format("cut: {} of {} steps done", script.steps_done, script.steps);
        } else if (script.edited) {
            note += " edited since";
        }
        fmt::print(fmt::runtime(markdown ? "| {} | {} | {} |\n" : "  {:<40} {:<8} {}\n"),
                   script.name, state_name(script.state), note);
    }
    fmt::print("{}{} applied, {} pending, {} failed, {} skipped\n", markdown ? "\n" : "",
               status.count(ScriptState::kApplied), status.count(ScriptState::kPending),
               status.count(ScriptState::kFailed), status.count(ScriptState::kSkipped));
    print_findings(status.findings);
}

json::object plan_json(const Plan& plan) {
    json::array migrations;
    for (const PlannedMigration& planned : plan.migrations) {
        json::array steps;
        for (const Step& step : planned.steps) {
            json::array statements;
            for (const Statement& statement : step.statements) {
                statements.push_back(json::object{{"line", statement.line},
                                                  {"sql", without_literals(statement.sql)}});
            }
            steps.push_back(json::object{{"kind", step_kind_name(step.kind)},
                                         {"hash", step.hash},
                                         {"statements", std::move(statements)}});
        }
        migrations.push_back(json::object{{"name", planned.script->name},
                                          {"direction", planned.down ? "down" : "up"},
                                          {"generated", planned.generated},
                                          {"resume_at", planned.resume_at},
                                          {"steps", std::move(steps)}});
    }
    json::array findings;
    for (const Finding& finding : plan.findings) {
        findings.push_back(finding_json(finding));
    }
    return {{"schema", "howdah.migrate-plan/1"},
            {"hash", plan.hash},
            {"blocked", plan.blocked()},
            {"migrations", std::move(migrations)},
            {"findings", std::move(findings)}};
}

void print_plan(const Plan& plan) {
    fmt::print("plan {}\n", plan.hash);
    for (const PlannedMigration& planned : plan.migrations) {
        fmt::print("{} {}{}\n", planned.down ? "undo" : "run", planned.script->name,
                   planned.generated ? " (inverse made from its up script)" : "");
        print_steps(planned);
    }
    if (plan.migrations.empty()) {
        fmt::print("nothing to run\n");
    }
    print_findings(plan.findings);
}

Result<> write_record(const std::string& path, const RunRecord& record) {
    for (const bool markdown : {false, true}) {
        const std::string file = path + (markdown ? ".md" : ".json");
        std::ofstream out(file);
        out << (markdown ? to_markdown(record) : json::serialize(to_json(record)) + "\n");
        if (!out.flush()) {
            return fail(ErrorCode::kIo, "cannot write " + file);
        }
    }
    return {};
}

int show_run(const RunRecord& record, const Options& options) {
    if (options.common.format == "json") {
        std::cout << json::serialize(to_json(record)) << '\n';
    } else if (options.common.format == "markdown") {
        std::cout << to_markdown(record);
    } else {
        std::size_t done = 0;
        for (const MigrationRecord& migration : record.migrations) {
            done += migration.outcome == "done" ? 1 : 0;
        }
        print_findings(record.findings);
        if (record.outcome == "done") {
            fmt::print("{} migration{} {}\n", done, done == 1 ? "" : "s",
                       record.command == "up" ? "applied" : "undone");
        } else if (record.outcome == "failed") {
            fmt::print(stderr, "howdah migrate {}: {}\n  {}\n", record.command, record.error,
                       record.hint);
        }
    }
    const bool failed_checks =
        std::any_of(record.findings.begin(), record.findings.end(),
                    [](const Finding& finding) { return finding.severity == Severity::kError; });
    return record.outcome == "done" && !failed_checks ? kFine : kFound;
}

Result<int> run_runs(Options& options, bool down) {
    TRY(RunnerSettings settings, settings_of(options));
    Interrupt interrupt;
    const SignalWatch signals(interrupt);
    Terminal terminal(options.common.quiet);
    TRY(Runner runner, Runner::open(std::move(settings), terminal, interrupt));
    if (options.dry_run) {
        TRY(const Plan plan, down ? runner.down_plan() : runner.plan());
        if (options.common.format == "json") {
            std::cout << json::serialize(plan_json(plan)) << '\n';
        } else {
            print_plan(plan);
        }
        return plan.blocked() ? kFound : kFine;
    }
    TRY(const RunRecord record, down ? runner.down() : runner.up());
    if (!options.record.empty()) {
        TRY_VOID(write_record(options.record, record));
    }
    return show_run(record, options);
}

Result<int> run_status(Options& options) {
    TRY(RunnerSettings settings, settings_of(options));
    Interrupt interrupt;
    Terminal terminal(options.common.quiet);
    TRY(Runner runner, Runner::open(std::move(settings), terminal, interrupt));
    TRY(const Status status, runner.status());
    if (options.common.format == "json") {
        std::cout << json::serialize(status_json(status)) << '\n';
    } else {
        print_status(status, options.common.format == "markdown");
    }
    const bool problem = std::ranges::any_of(status.findings, [](const Finding& finding) {
        return finding.severity == Severity::kError;
    });
    return problem ? kFound : kFine;
}

Result<int> run_repair(Options& options) {
    TRY(RunnerSettings settings, settings_of(options));
    RepairOptions repair;
    const std::pair<const std::string*, RepairKind> kinds[] = {
        {&options.applied, RepairKind::kApplied},
        {&options.rolled_back, RepairKind::kRolledBack},
        {&options.baseline, RepairKind::kBaseline},
        {&options.step_done, RepairKind::kStepDone},
        {&options.step_again, RepairKind::kStepAgain}};
    for (const auto& [name, kind] : kinds) {
        if (!name->empty()) {
            repair = {.kind = kind, .name = *name};
        }
    }
    Interrupt interrupt;
    Terminal terminal(options.common.quiet);
    TRY(Runner runner, Runner::open(std::move(settings), terminal, interrupt));
    TRY(const std::vector<std::string> lines, runner.repair(repair));
    if (options.common.format == "json") {
        json::array array(lines.begin(), lines.end());
        std::cout << json::serialize(json::object{{"schema", "howdah.migrate-repair/1"},
                                                  {"lines", std::move(array)}})
                  << '\n';
    } else {
        fmt::print("{}\n", fmt::join(lines, "\n"));
    }
    return kFine;
}

Result<int> run_new(Options& options) {
    TRY(const RunnerSettings settings, settings_of(options));
    const auto project = settings.tool ? read_project_as(settings.folder, *settings.tool)
                                       : read_project(settings.folder);
    if (!project) {
        return std::unexpected(project.error());
    }
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(wall_now().time_since_epoch());
    TRY(const auto written, create_migration(*project, {.name = options.name,
                                                        .now_ms = now.count(),
                                                        .with_down = options.with_down}));
    for (const auto& path : written) {
        fmt::print("{}\n", path.string());
    }
    return kFine;
}

}  // namespace

int run_migrate(int argc, char** argv) {
    Options options;
    CLI::App app{"runs migrations safely, as Drizzle, Prisma and others record them",
                 "howdah migrate"};
    app.footer(kExamples);
    app.require_subcommand(1);
    CLI::App& status =
        *app.add_subcommand("status", "what has run, what is pending, what is wrong");
    CLI::App& up = *app.add_subcommand("up", "run what is pending");
    CLI::App& down = *app.add_subcommand("down", "undo the last migration, or more");
    CLI::App& repair = *app.add_subcommand("repair", "find and settle what a cut run left");
    CLI::App& create = *app.add_subcommand("new", "an empty migration, named as the tool does");
    declare_common(status, options.common);
    add_running(up, options);
    up.add_option("--skipped", options.skipped,
                  "Drizzle entries older than what has run: stop, run or ignore")
        ->check(CLI::IsMember({"stop", "run", "ignore"}));
    add_running(down, options);
    down.add_option("--count", options.count, "how many; 1 unless told")
        ->check(CLI::PositiveNumber);
    down.add_flag("--allow-data-loss", options.allow_data_loss, "even where tables hold data");
    add_repair(repair, options);
    create.add_option("name", options.name, "in words")->required();
    declare_common(create, options.common);
    create.add_flag("--down", options.with_down, "with a down script");
    if (const auto ended = parse_arguments(app, argc, argv)) {
        return *ended;
    }

    Result<int> done = 0;
    if (status.parsed()) {
        done = run_status(options);
    } else if (up.parsed() || down.parsed()) {
        done = run_runs(options, down.parsed());
    } else if (repair.parsed()) {
        done = run_repair(options);
    } else {
        done = run_new(options);
    }
    return status_of("migrate", done);
}

}  // namespace howdah::cli
