#include "migrate/runner/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "migrate/history/digest.hpp"

namespace howdah::migrate::runner {
namespace {

Finding problem(std::string rule, const Script& script, std::string message, std::string fix) {
    Finding finding;
    finding.rule = std::move(rule);
    finding.severity = Severity::kError;
    finding.risk = Risk::kHigh;
    finding.file = script.up.file.string();
    finding.line = 1;
    finding.message = std::move(message);
    finding.fix = std::move(fix);
    finding.confidence = "certain";
    return finding;
}

void warn_edited(Plan& plan, const Script& script) {
    Finding finding = problem("edited-after-apply", script,
                              fmt::format("{} was edited after it ran", script.name),
                              "restore the file; write the change as a new migration");
    finding.severity = Severity::kWarning;
    finding.risk = Risk::kMedium;
    finding.why = "other databases got another text than this one";
    plan.findings.push_back(std::move(finding));
}

// How far an unfinished migration is: its done steps must be the first ones, unedited.
Result<std::size_t> resume_point(const PlannedMigration& planned,
                                 const std::vector<StepRow>& rows) {
    std::size_t done = 0;
    for (const StepRow& row : rows) {
        if (!row.done) {
            continue;
        }
        if (row.number != done || row.number >= planned.steps.size() ||
            row.hash != planned.steps[row.number].hash) {
            return fail(Error(
                ErrorCode::kInvalidInput, "",
                fmt::format("{}: step {} has run and was edited since",
                            planned.script->up.file.string(), row.number + 1),
                "restore the file as it was when it ran, or settle it by hand and tell: howdah "
                "migrate repair --applied NAME or --rolled-back NAME"));
        }
        ++done;
    }
    return done;
}

Result<> find_progress(const PlanInput& input, PlannedMigration& planned) {
    const LedgerKey key{input.host_table, planned.script->name, planned.down};
    TRY(const std::vector<StepRow> rows, Ledger::steps(input.db, key));
    planned.begun = !rows.empty();
    TRY(planned.resume_at, resume_point(planned, rows));
    return {};
}

void seal(Plan& plan, const PlanInput& input) {
    std::string all = fmt::format("{}\n{}\n", tool_name(input.project.tool), input.host_table);
    for (const PlannedMigration& planned : plan.migrations) {
        all += fmt::format("{} {} {}\n", planned.down ? "down" : "up", planned.script->name,
                           planned.resume_at);
        for (const Step& step : planned.steps) {
            all += step.hash + "\n";
        }
    }
    plan.hash = sha256_hex(all);
}

Result<> add_up(Plan& plan, const PlanInput& input, const Script& script,
                const PlanOptions& options) {
    PlannedMigration planned;
    planned.script = &script;
    TRY(planned.steps, plan_steps(script.up, options.scope));
    TRY_VOID(find_progress(input, planned));
    plan.migrations.push_back(std::move(planned));
    return {};
}

// A migration that the host tool calls failed: ours to resume when the ledger knows its steps.
Result<> add_failed(Plan& plan, const PlanInput& input, std::size_t at,
                    const PlanOptions& options) {
    const Script& script = input.project.scripts[at];
    TRY(const std::vector<StepRow> rows,
        Ledger::steps(input.db, {input.host_table, script.name, false}));
    if (!rows.empty()) {
        return add_up(plan, input, script, options);
    }
    const std::string& log = input.history.standings[at].log;
    Finding finding =
        problem("failed-migration", script,
                fmt::format("{} was begun and never finished (Prisma P3009, golang-migrate dirty)",
                            script.name),
                fmt::format("look at what of it is there, then: howdah migrate repair --applied "
                            "{0} (it is all there) or --rolled-back {0} (none of it is)",
                            script.name));
    finding.evidence = log.substr(0, log.find('\n'));
    plan.findings.push_back(std::move(finding));
    return {};
}

Result<> add_skipped(Plan& plan, const PlanInput& input, const Script& script,
                     const PlanOptions& options) {
    if (options.on_skipped == OnSkipped::kRun) {
        return add_up(plan, input, script, options);
    }
    Finding finding = problem(
        "skipped-migration", script,
        fmt::format("{} has not run, and Drizzle would never run it: its \"when\" is older than "
                    "what has run",
                    script.name),
        "--skipped=run runs it, --skipped=ignore does as Drizzle does");
    finding.why = "it was merged after a younger migration had been applied";
    if (options.on_skipped == OnSkipped::kIgnore) {
        finding.severity = Severity::kWarning;
    }
    plan.findings.push_back(std::move(finding));
    return {};
}

}  // namespace

bool Plan::blocked() const {
    return std::ranges::any_of(
        findings, [](const Finding& finding) { return finding.severity == Severity::kError; });
}

Result<Plan> plan_up(const PlanInput& input, const PlanOptions& options) {
    if (!options.to.empty() && input.project.find(options.to) == nullptr) {
        return fail(ErrorCode::kInvalidInput, fmt::format("no migration '{}' in {}", options.to,
                                                          input.project.folder.string()));
    }
    Plan plan;
    for (std::size_t i = 0; i < input.project.scripts.size(); ++i) {
        const Script& script = input.project.scripts[i];
        const Standing& standing = input.history.standings[i];
        switch (standing.state) {
            case ScriptState::kApplied:
                if (standing.edited) {
                    warn_edited(plan, script);
                }
                break;
            case ScriptState::kPending:
                TRY_VOID(add_up(plan, input, script, options));
                break;
            case ScriptState::kFailed:
                TRY_VOID(add_failed(plan, input, i, options));
                break;
            case ScriptState::kSkipped:
                TRY_VOID(add_skipped(plan, input, script, options));
                break;
        }
        if (!options.to.empty() && (script.name == options.to || script.version == options.to)) {
            break;
        }
    }
    TRY(const std::vector<LedgerKey> unfinished, Ledger::unfinished(input.db, input.host_table));
    for (const LedgerKey& key : unfinished) {
        const Script* script = input.project.find(key.migration);
        if (key.down && script != nullptr) {
            plan.findings.push_back(
                problem("unfinished-down", *script,
                        fmt::format("a down of {} was cut half way", key.migration),
                        "finish it: howdah migrate down"));
        }
    }
    seal(plan, input);
    return plan;
}

Result<Plan> plan_down(const PlanInput& input, const PlanOptions& options) {
    if (!options.to.empty() && input.project.find(options.to) == nullptr) {
        return fail(ErrorCode::kInvalidInput, fmt::format("no migration '{}' in {}", options.to,
                                                          input.project.folder.string()));
    }
    Plan plan;
    const auto& scripts = input.project.scripts;
    for (std::size_t i = scripts.size(); i-- > 0;) {
        const Script& script = scripts[i];
        const bool stop = options.to.empty()
                              ? plan.migrations.size() == options.count
                              : script.name == options.to || script.version == options.to;
        if (stop && options.only.empty()) {
            break;
        }
        if (!options.only.empty() &&
            std::ranges::find(options.only, script.name) == options.only.end()) {
            continue;
        }
        PlannedMigration planned;
        planned.script = &script;
        planned.down = true;
        TRY(const std::vector<StepRow> up_rows,
            Ledger::steps(input.db, {input.host_table, script.name, false}));
        const bool half = !up_rows.empty();  // an up that stopped half way: undo what it did
        if (!half && input.history.standings[i].state != ScriptState::kApplied) {
            continue;
        }
        if (script.down.exists() && !half) {
            TRY(planned.steps, plan_steps(script.down, options.scope));
            if (planned.steps.empty()) {
                return fail(Error(ErrorCode::kInvalidInput, "",
                                  script.down.file.string() + ":1: the down script is empty",
                                  "write what undoes the migration, or remove the file: howdah "
                                  "makes the inverse itself where it can"));
            }
        } else {
            TRY(std::vector<Step> steps, plan_steps(script.up, options.scope));
            if (half) {
                const auto begun = std::min(steps.size(), up_rows.back().number + 1);
                steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(begun), steps.end());
            }
            TRY(planned.steps, inverse_of(script, steps));
            planned.generated = true;
        }
        TRY_VOID(find_progress(input, planned));
        plan.migrations.push_back(std::move(planned));
    }
    seal(plan, input);
    return plan;
}

}  // namespace howdah::migrate::runner
