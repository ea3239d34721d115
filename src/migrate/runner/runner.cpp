#include "migrate/runner/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "migrate/history/digest.hpp"
#include "migrate/runner/locks.hpp"
#include "migrate/runner/validate.hpp"

namespace howdah::migrate::runner {
namespace {

constexpr std::size_t kEvidenceMax = 2'000;

// Pairs of up and down scripts are golang-migrate's or plain: what has run here decides.
Result<> settle_tool(pg::Connection& db, const RunnerSettings& settings, Project& project) {
    if (settings.tool || project.tool != HostTool::kGolangMigrate) {
        return {};
    }
    TRY(const bool ours, make_plain_table({})->exists(db));
    TRY(const bool theirs,
        make_version_table(HostTool::kGolangMigrate, settings.names)->exists(db));
    if (ours && !theirs) {
        TRY(project, read_project_as(project.folder, HostTool::kPlain));
    }
    return {};
}

}  // namespace

std::string split_prisma_url(const std::string& url, std::string& schema) {
    static constexpr std::array<std::string_view, 11> kPrismaOnly{"connection_limit",
                                                                  "pool_timeout",
                                                                  "pgbouncer",
                                                                  "socket_timeout",
                                                                  "sslidentity",
                                                                  "sslaccept",
                                                                  "schema",
                                                                  "statement_cache_size",
                                                                  "sslcert_password",
                                                                  "single_use_connections",
                                                                  "max_idle_connection_lifetime"};
    const std::size_t question = url.find('?');
    if (!url.starts_with("postgres") || question == std::string::npos) {
        return url;
    }
    std::string kept;
    std::size_t at = question + 1;
    while (at <= url.size()) {
        const std::size_t end = std::min(url.find('&', at), url.size());
        const std::string part = url.substr(at, end - at);
        const std::string name = part.substr(0, part.find('='));
        if (name == "schema" && part.size() > name.size()) {
            schema = part.substr(name.size() + 1);
        } else if (!part.empty() && std::ranges::find(kPrismaOnly, name) == kPrismaOnly.end()) {
            kept += (kept.empty() ? "?" : "&") + part;
        }
        at = end + 1;
    }
    return url.substr(0, question) + kept;
}

std::size_t Status::count(ScriptState state) const {
    return static_cast<std::size_t>(std::ranges::count(scripts, state, &ScriptStatus::state));
}

Runner::Runner(RunnerSettings settings, Project project, Executor executor, Narrator& narrator)
    : settings_(std::move(settings)),
      project_(std::move(project)),
      executor_(std::move(executor)),
      table_(make_host_table(project_.tool, settings_.names)),
      narrator_(&narrator) {}

Result<Runner> Runner::open(RunnerSettings settings, Narrator& narrator, Interrupt& interrupt) {
    TRY(Project project, settings.tool ? read_project_as(settings.folder, *settings.tool)
                                       : read_project(settings.folder));
    std::string schema;
    const std::string conninfo = split_prisma_url(settings.database, schema);
    const bool prisma = project.tool == HostTool::kPrisma;
    if (prisma && settings.names.schema.empty()) {
        settings.names.schema = schema;
    }
    pg::Target target{.conninfo = conninfo, .application_name = "howdah migrate"};
    TRY(pg::Connection work, pg::Connection::connect(target));
    TRY_VOID(refuse_transaction_pooler(work, target));
    target.application_name = "howdah migrate watch";
    TRY(pg::Connection watch, pg::Connection::connect(target));
    if (prisma && !schema.empty()) {
        TRY_VOID(work.execute("set search_path = " + pg::quoted_name(schema)));
    }
    TRY_VOID(settle_tool(work, settings, project));
    Executor executor(std::move(work), std::move(watch), settings.executor);
    Runner runner(std::move(settings), std::move(project), std::move(executor), narrator);
    runner.interrupt_ = &interrupt;
    TRY(const pg::Rows path, runner.executor_.db().query("select current_setting('search_path')"));
    runner.search_path_ = path.string(0, 0);
    return runner;
}

std::string Runner::server_text() {
    pg::Connection& db = executor_.db();
    return fmt::format("{}/{} as {}, PostgreSQL {}", db.host(), db.database(), db.user(),
                       db.parameter("server_version"));
}

LedgerKey Runner::key_of(const PlannedMigration& planned) const {
    return {table_->name(), planned.script->name, planned.down};
}

std::vector<std::int64_t> Runner::lock_keys() {
    std::vector<std::int64_t> keys = table_->lock_keys(executor_.db());
    keys.insert(keys.begin(), kHowdahLock);
    return keys;
}

const Script* Runner::before(const Script& script) const {
    const auto* at = &script;
    return at == project_.scripts.data() ? nullptr : at - 1;
}

Result<Plan> Runner::make_plan(bool down) {
    TRY(const History history, read_history(executor_.db(), *table_, project_));
    const PlanInput input{executor_.db(), project_, history, table_->name()};
    TRY(Plan plan, down ? plan_down(input, settings_.plan) : plan_up(input, settings_.plan));
    for (const std::string& name : history.unknown) {
        Finding finding;
        finding.rule = "not-on-disk";
        finding.severity = Severity::kWarning;
        finding.message =
            fmt::format("{} has run here and is not in {}", name, project_.folder.string());
        finding.fix = "is this the right branch and the right database?";
        plan.findings.push_back(std::move(finding));
    }
    TRY(std::vector<Finding> drifted, drift());
    std::ranges::move(drifted, std::back_inserter(plan.findings));
    return plan;
}

Result<Plan> Runner::plan() {
    return make_plan(false);
}
Result<Plan> Runner::down_plan() {
    return make_plan(true);
}

Result<std::vector<Finding>> Runner::drift() {
    TRY(const std::string applied, applied_fingerprint());
    return find_drift(executor_.db(), table_->name(), applied);
}

// Which migrations the host tool's table holds, as one hash: tells our runs from other tools'.
Result<std::string> Runner::applied_fingerprint() {
    TRY(const bool there, table_->exists(executor_.db()));
    std::string all;
    if (there) {
        TRY(const std::vector<HistoryRow> rows, table_->read(executor_.db()));
        for (const HistoryRow& row : rows) {
            all += fmt::format("{} {} {}\n", row.name, row.hash, row.when_ms);
        }
    }
    return sha256_hex(all);
}

Result<Status> Runner::status() {
    TRY(const History history, read_history(executor_.db(), *table_, project_));
    Status status;
    status.tool = tool_name(project_.tool);
    status.folder = project_.folder.string();
    status.host_table = table_->name();
    status.server = server_text();
    status.table_exists = history.table_exists;
    status.unknown = history.unknown;
    for (std::size_t i = 0; i < project_.scripts.size(); ++i) {
        const Script& script = project_.scripts[i];
        const Standing& standing = history.standings[i];
        ScriptStatus one;
        one.name = script.name;
        one.file = script.up.file.string();
        one.state = standing.state;
        one.edited = standing.edited;
        one.has_down = script.down.exists();
        one.applied_at = standing.applied_at;
        if (const auto steps = plan_steps(script.up, settings_.plan.scope)) {
            one.steps = steps->size();
        }
        TRY(const std::vector<StepRow> rows,
            Ledger::steps(executor_.db(), {table_->name(), script.name, false}));
        one.begun = !rows.empty();
        one.steps_done = static_cast<std::size_t>(std::ranges::count(rows, true, &StepRow::done));
        status.scripts.push_back(std::move(one));
    }
    TRY(Plan plan, make_plan(false));
    status.findings = std::move(plan.findings);
    return status;
}

Result<> Runner::in_transaction(const std::function<Result<>()>& inside) {
    TRY(pg::Transaction transaction, pg::Transaction::begin(executor_.db()));
    TRY_VOID(inside());
    return transaction.commit();
}

// Before the first of several steps: both tables know of it from here on.
Result<> Runner::begin_migration(const PlannedMigration& planned) {
    if (planned.begun || planned.steps.empty()) {
        return {};
    }
    const bool one_transaction =
        planned.steps.size() == 1 && planned.steps.front().kind == StepKind::kTransaction;
    if (one_transaction) {
        return {};
    }
    return in_transaction([&]() -> Result<> {
        TRY_VOID(
            Ledger::step_begun(executor_.db(), key_of(planned), 0, planned.steps.front().hash));
        return planned.down ? Result<>() : table_->begun(executor_.db(), *planned.script);
    });
}

// In the transaction of each step: that it is done, or with the last one that the migration is.
Result<> Runner::after_step(const PlannedMigration& planned, std::size_t number) {
    pg::Connection& db = executor_.db();
    if (number + 1 < planned.steps.size()) {
        return Ledger::step_done(db, key_of(planned), number, planned.steps[number].hash);
    }
    TRY_VOID(Ledger::forget_steps(db, key_of(planned)));
    if (!planned.down) {
        return table_->finished(db, *planned.script);
    }
    TRY_VOID(Ledger::forget_steps(db, {table_->name(), planned.script->name, false}));
    return table_->undone(db, *planned.script, before(*planned.script));
}

Result<StepRun> Runner::run_lone_statement(const PlannedMigration& planned, std::size_t number,
                                           StepRecord& record) {
    const Step& step = planned.steps[number];
    const Statement& statement = step.statements.front();
    TRY(const std::vector<StepRow> rows, Ledger::steps(executor_.db(), key_of(planned)));
    const bool was_begun = planned.begun && std::ranges::any_of(rows, [&](const StepRow& row) {
                               return row.number == number && !row.done;
                           });
    StepRun run;
    if (was_begun) {
        TRY(record.resumed, executor_.has_happened(statement));
    } else {
        TRY_VOID(Ledger::step_begun(executor_.db(), key_of(planned), number, step.hash));
    }
    if (!record.resumed) {
        TRY(run, executor_.run_autocommit(statement));
    }
    TRY_VOID(in_transaction([&] { return after_step(planned, number); }));
    return run;
}

Result<StepRun> Runner::run_step(const PlannedMigration& planned, std::size_t number,
                                 StepRecord& record) {
    const Step& step = planned.steps[number];
    switch (step.kind) {
        case StepKind::kTransaction:
            return executor_.run_transaction(step, [&] { return after_step(planned, number); });
        case StepKind::kAutocommit:
            return run_lone_statement(planned, number, record);
        case StepKind::kBackfill:
            break;
    }
    const std::string cursor =
        fmt::format("{}/{}/{}", table_->name(), planned.script->name, step.hash);
    TRY(const BackfillRun filled, run_backfill(executor_, step, cursor, settings_.backfill));
    TRY_VOID(in_transaction([&]() -> Result<> {
        TRY_VOID(Ledger::forget_cursor(executor_.db(), cursor));
        return after_step(planned, number);
    }));
    narrator_->say(fmt::format("  {} rows in {} batches", filled.rows, filled.batches));
    StepRun run;
    run.attempts = 1;
    run.rows = static_cast<std::uint64_t>(filled.rows);
    run.waited_s = filled.throttled_s;
    return run;
}

// Nothing of it is there: as if it had never begun. Something is: the host tool must not go over
// it, and says so.
Result<> Runner::settle_failure(const PlannedMigration& planned, const Error& error) {
    pg::Connection& db = executor_.db();
    if (!db.is_open() || planned.down) {
        return {};
    }
    TRY(const std::vector<StepRow> rows, Ledger::steps(db, key_of(planned)));
    if (rows.empty()) {
        return {};
    }
    const bool untouched = std::ranges::none_of(rows, &StepRow::done) && rows.size() == 1 &&
                           planned.steps.front().kind == StepKind::kTransaction;
    if (!untouched) {
        return table_->failed(db, *planned.script, error.message);
    }
    return in_transaction([&]() -> Result<> {
        TRY_VOID(Ledger::forget_steps(db, key_of(planned)));
        return table_->undone(db, *planned.script, before(*planned.script));
    });
}

// A rerun begins in a session of its own: what the steps before have SET in theirs is set again,
// so that names mean what they meant.
Result<> Runner::set_again(const PlannedMigration& planned) {
    for (std::size_t number = 0; number < planned.resume_at; ++number) {
        for (const Statement& statement : planned.steps[number].statements) {
            if (!statement.facts.sets.empty()) {
                TRY_VOID(executor_.db().execute(statement.sql));
            }
        }
    }
    return {};
}

// The next migration begins as it would in a run of its own.
Result<> Runner::take_back_settings(const PlannedMigration& planned) {
    std::set<std::string> names;
    for (const Step& step : planned.steps) {
        for (const Statement& statement : step.statements) {
            names.insert(statement.facts.sets);
        }
    }
    names.erase("");
    for (const std::string& name : names) {
        TRY_VOID(name == "search_path"
                     ? executor_.db().execute("select set_config('search_path', $1, false)",
                                              {search_path_})
                     : executor_.db().execute("reset " + name));
    }
    return {};
}

Result<> Runner::run_migration(const PlannedMigration& planned, MigrationRecord& record) {
    TRY_VOID(set_again(planned));
    Result<> done = run_steps(planned, record);
    const Result<> back = executor_.db().is_open() ? take_back_settings(planned) : Result<>();
    return done ? back : done;
}

Result<> Runner::run_steps(const PlannedMigration& planned, MigrationRecord& record) {
    const ScriptText& text =
        planned.down && !planned.generated ? planned.script->down : planned.script->up;
    if (planned.steps.empty()) {
        TRY_VOID(in_transaction([&]() -> Result<> {
            return planned.down
                       ? table_->undone(executor_.db(), *planned.script, before(*planned.script))
                       : table_->finished(executor_.db(), *planned.script);
        }));
        return {};
    }
    TRY_VOID(begin_migration(planned));
    for (std::size_t number = 0; number < planned.steps.size(); ++number) {
        const Step& step = planned.steps[number];
        StepRecord one;
        one.number = number;
        one.kind = step_kind_name(step.kind);
        one.statements = step.statements.size();
        one.first = without_literals(step.statements.front().sql);
        one.resumed = number < planned.resume_at;
        if (!one.resumed) {
            if (planned.steps.size() > 1) {
                narrator_->say(fmt::format("  step {} of {} ({}): {}", number + 1,
                                           planned.steps.size(), one.kind, one.first));
            }
            Result<StepRun> run = run_step(planned, number, one);
            if (!run) {
                record.steps.push_back(std::move(one));
                (void)settle_failure(planned, run.error());
                return fail_in(fmt::format("{}{}", text.file.string(),
                                           planned.generated ? " (generated inverse)" : ""),
                               std::move(run.error()));
            }
            one.run = std::move(*run);
        }
        record.steps.push_back(std::move(one));
    }
    return {};
}

Result<> Runner::run_plan(const Plan& plan, RunRecord& record) {
    for (std::size_t i = 0; i < plan.migrations.size(); ++i) {
        const PlannedMigration& planned = plan.migrations[i];
        MigrationRecord& one = record.migrations[i];
        narrator_->say(fmt::format("{} {}{}", planned.down ? "undoing" : "running", one.name,
                                   planned.resume_at > 0
                                       ? fmt::format(", from step {}", planned.resume_at + 1)
                                       : std::string()));
        if (auto done = run_migration(planned, one); !done) {
            one.outcome = "failed";
            return done;
        }
        one.outcome = "done";
    }
    return {};
}

// A down that destroys what tables hold needs the word for it.
Result<> Runner::check_stakes(const Plan& plan) {
    if (settings_.allow_data_loss) {
        return {};
    }
    for (const PlannedMigration& planned : plan.migrations) {
        const std::vector<Step> left(
            planned.steps.begin() + static_cast<std::ptrdiff_t>(planned.resume_at),
            planned.steps.end());
        TRY(const std::vector<std::string> stakes, data_at_stake(executor_.db(), left));
        if (!stakes.empty()) {
            return fail(Error(ErrorCode::kRefused, "",
                              fmt::format("undoing {} would destroy data: {}", planned.script->name,
                                          fmt::join(stakes, "; ")),
                              "--allow-data-loss does it; a backup first is a good idea"));
        }
    }
    return {};
}

Result<> Runner::finish_run(const Plan& plan, RunRecord& record) {
    if (!executor_.db().is_open()) {
        return {};
    }
    if (record.outcome == "done" && !plan.migrations.empty()) {
        TRY(record.findings, validate_run(executor_.db(), plan.migrations));
        TRY(const std::string applied, applied_fingerprint());
        TRY_VOID(record_schema(executor_.db(), table_->name(), applied));
    }
    return Ledger::run_finished(executor_.db(), record.id, record.outcome,
                                record.error.substr(0, kEvidenceMax));
}

Result<RunRecord> Runner::run(bool down) {
    executor_.report_to(*narrator_, *interrupt_);
    pg::Connection& db = executor_.db();
    TRY_VOID(take_run_locks(db, lock_keys(), settings_.wait_for_lock, *narrator_, *interrupt_));
    const HeldLocks held(db, lock_keys());
    TRY_VOID(Ledger::prepare(db));
    TRY_VOID(table_->prepare(db, project_));
    TRY(Plan plan, make_plan(down));
    if (!settings_.approved_plan.empty() && settings_.approved_plan != plan.hash) {
        return fail(Error(
            ErrorCode::kRefused, "",
            fmt::format("the plan is {}, approved was {}", plan.hash, settings_.approved_plan),
            "look at the plan again: files or database have changed since"));
    }
    RunRecord record;
    record.id = random_uuid();
    record.command = down ? "down" : "up";
    record.tool = tool_name(project_.tool);
    record.folder = project_.folder.string();
    record.host_table = table_->name();
    record.server = server_text();
    record.plan_hash = plan.hash;
    record.started_at = utc_now();
    for (const PlannedMigration& planned : plan.migrations) {
        MigrationRecord one;
        one.name = planned.script->name;
        one.file = (planned.down && !planned.generated ? planned.script->down : planned.script->up)
                       .file.string();
        one.down = planned.down;
        record.migrations.push_back(std::move(one));
    }
    record.findings = plan.findings;
    if (plan.blocked()) {
        record.outcome = "refused";
        record.finished_at = utc_now();
        return record;
    }
    if (down) {
        TRY_VOID(check_stakes(plan));
    }
    TRY_VOID(Ledger::run_begun(
        db, {record.id, record.command, record.tool, record.folder, record.plan_hash}));
    const Result<> done = run_plan(plan, record);
    record.outcome = done ? "done" : "failed";
    if (!done) {
        record.error = done.error().message +
                       (done.error().sqlstate.empty() ? "" : " (" + done.error().sqlstate + ")");
        record.hint = done.error().hint.empty()
                          ? "put it right and run again: what is done is not repeated"
                          : done.error().hint;
    }
    if (const auto finished = finish_run(plan, record); !finished && done) {
        record.outcome = "failed";
        record.error = "validation: " + finished.error().message;
    }
    record.finished_at = utc_now();
    return record;
}

Result<RunRecord> Runner::up() {
    return run(false);
}
Result<RunRecord> Runner::down() {
    return run(true);
}

}  // namespace howdah::migrate::runner
