#include "migrate/deploy/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <thread>

#include "http/get.hpp"
#include "migrate/deploy/command.hpp"
#include "migrate/history/host_table.hpp"
#include "migrate/lint/lint.hpp"
#include "migrate/lint/live.hpp"
#include "migrate/lint/settings.hpp"

namespace howdah::migrate::runner {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kTransactionsLeast = 20;  // fewer say nothing about a ratio
constexpr double kCallsLeast = 5;
constexpr std::size_t kBodyMax = 1 << 20;

lint::Tool lint_tool(HostTool tool) {
    switch (tool) {
        case HostTool::kDrizzle0:
            return lint::Tool::kDrizzle;
        case HostTool::kDrizzle1:
            return lint::Tool::kDrizzle1;
        case HostTool::kPrisma:
            return lint::Tool::kPrisma;
        case HostTool::kPlain:
            return lint::Tool::kPlain;
        case HostTool::kDbmate:
            return lint::Tool::kDbmate;
        case HostTool::kGolangMigrate:
            return lint::Tool::kGolangMigrate;
        case HostTool::kGoose:
            return lint::Tool::kGoose;
        case HostTool::kFlyway:
            return lint::Tool::kFlyway;
    }
    return lint::Tool::kPlain;
}

std::string check_http(const SmokeTest& test) {
    const Result<http::Answer> answer =
        http::get({.url = test.url, .timeout_ms = test.timeout_ms, .body_bytes_max = kBodyMax});
    if (!answer) {
        return answer.error().message;
    }
    if (answer->status != test.status) {
        return fmt::format("status {} instead of {}", answer->status, test.status);
    }
    const bool there =
        test.contains.empty() || answer->body.find(test.contains) != std::string::npos;
    return there ? std::string() : fmt::format("no \"{}\" in the answer", test.contains);
}

std::string check_sql(pg::Connection& db, const SmokeTest& test) {
    const auto rows = db.query(test.sql, {}, pg::Milliseconds(test.timeout_ms));
    if (!rows) {
        return rows.error().message;
    }
    if (rows->size() != 1 || rows->columns() < 1) {
        return fmt::format("{} rows instead of one", rows->size());
    }
    return rows->boolean(0, 0) ? std::string()
                               : fmt::format("it says \"{}\", not true", rows->text(0, 0));
}

std::string check_command(const SmokeTest& test) {
    CommandCall call;
    call.shell = test.command;
    call.timeout_s = std::max<std::int64_t>(1, test.timeout_ms / 1000);
    const auto done = run_command(call);
    if (!done) {
        return done.error().message;
    }
    if (done->status == 0) {
        return {};
    }
    return fmt::format("{} {}: {}", done->timed_out ? "no end in time, killed:" : "ended with",
                       done->status, done->output.substr(0, 500));
}

bool is_planned(const Plan& plan, const Script& script) {
    return std::ranges::any_of(plan.migrations, [&](const PlannedMigration& planned) {
        return planned.script == &script && !planned.down;
    });
}

}  // namespace

Result<GateVerdict> lint_gate(const GateCall& call) {
    const Project& project = call.project;
    lint::LintConfig lint_settings;
    if (!call.settings_file.empty()) {
        TRY(const std::string text, read_file(call.settings_file));
        TRY(lint::Settings settings, lint::read_settings(text, call.settings_file.string()));
        lint_settings = std::move(settings.lint);
    }
    lint::Project linted;
    linted.tool = lint_tool(project.tool);
    linted.folder = project.folder.string();
    std::map<std::string, const Script*> texts;
    for (const Script& script : project.scripts) {
        const bool planned = is_planned(call.plan, script);
        const std::string path = script.up.file.string();
        texts[path] = &script;
        linted.files.push_back({.path = path,
                                .name = script.name,
                                .judged = planned,
                                .pending = planned,
                                .scope = call.scope == TransactionScope::kStatement
                                             ? lint::Scope::kStatement
                                             : lint::Scope::kRunner});
    }
    lint::LintConfig config = lint_settings;
    config.scope = lint::Scope::kAuto;  // each file's own, as the runner cuts it
    config.lock_timeout_by_runner = true;
    const auto read = [&](const lint::MigrationFile& file) -> Result<std::string> {
        return texts.at(file.path)->whole;
    };
    TRY(lint::LintResult result,
        lint::judge_project(
            {.project = linted, .config = config, .read = read, .keep_actions = true}));
    TRY(lint::LiveDatabase live, lint::LiveDatabase::connect(call.database));
    TRY_VOID(live.judge(linted, config, result));
    GateVerdict verdict;
    verdict.findings = std::move(result.findings);
    lint::sort_findings(verdict.findings);
    for (const Finding& finding : verdict.findings) {
        verdict.risk = std::max(verdict.risk, finding.risk);
    }
    for (const lint::FileVerdict& file : result.files) {
        const bool expands =
            file.order == lint::DeployOrder::kAny || file.order == lint::DeployOrder::kBefore;
        if (expands) {
            verdict.expand_only.push_back(texts.at(file.file)->name);
        }
    }
    return verdict;
}

SmokeResult run_smoke(pg::Connection& db, const SmokeTest& test, const Interrupt& interrupt) {
    SmokeResult result;
    result.name = test.name;
    const auto begun = Clock::now();
    for (int attempt = 1; attempt <= test.attempts && !interrupt.requested(); ++attempt) {
        if (attempt > 1) {
            std::this_thread::sleep_for(std::chrono::seconds(1));
        }
        result.attempts = attempt;
        result.detail = !test.command.empty() ? check_command(test)
                        : !test.url.empty()   ? check_http(test)
                                              : check_sql(db, test);
        result.passed = result.detail.empty();
        if (result.passed) {
            break;
        }
    }
    result.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    return result;
}

// One transaction, which commits even where pg_stat_statements may not be read: an error of the
// watch itself would count as one of the application.
Result<Traffic> read_traffic(pg::Connection& db, int reads) {
    constexpr int kForcesFlush = 150000;
    Traffic traffic;
    traffic.own_commits = reads;
    TRY(pg::Transaction transaction, pg::Transaction::begin(db));
    if (db.server_version() >= kForcesFlush) {
        TRY_VOID(db.execute("select pg_stat_force_next_flush()"));
    }
    TRY(const pg::Rows totals, db.query("select xact_commit, xact_rollback from pg_stat_database "
                                        "where datname = current_database()"));
    traffic.commits = totals.number(0, 0);
    traffic.rollbacks = totals.number(0, 1);
    TRY(const pg::Rows there,
        db.query("select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = "
                 "e.extnamespace where e.extname = 'pg_stat_statements'"));
    if (there.size() > 0) {
        TRY_VOID(db.execute("savepoint statements"));
        const auto rows = db.query(fmt::format(
            "/* howdah deploy's watch */ select queryid, sum(calls), sum(total_exec_time) from "
            "{}.pg_stat_statements where dbid = (select oid from pg_database where datname = "
            "current_database()) and query not like '/* howdah deploy''s watch */%' group by 1 "
            "order by 3 desc limit 1000",
            there.text(0, 0)));
        for (std::size_t i = 0; rows && i < rows->size(); ++i) {
            traffic.statements.push_back(
                {rows->string(i, 0), rows->number(i, 1), rows->number(i, 2)});
        }
        if (!rows) {  // not preloaded, no right to read it: transactions alone are watched
            TRY_VOID(db.execute("rollback to savepoint statements"));
        }
    }
    TRY_VOID(transaction.commit());
    return traffic;
}

double likely_least(double some, double all) {
    if (all <= 0) {
        return 0;
    }
    constexpr double kDeviations = 2;
    constexpr double kSquare = kDeviations * kDeviations;
    const double share = some / all;
    const double spread =
        kDeviations * std::sqrt((share * (1 - share) + kSquare / (4 * all)) / all);
    return std::max(0.0, (share + kSquare / (2 * all) - spread) / (1 + kSquare / all));
}

std::string judge_traffic(const Traffic& before, const Traffic& from, const Traffic& to,
                          const WatchSettings& settings) {
    const double rollbacks = to.rollbacks - from.rollbacks;
    const double commits = to.commits - from.commits - (to.own_commits - from.own_commits);
    const double all = rollbacks + std::max(0.0, commits);
    const double all_before = before.commits + before.rollbacks;
    const double usual = all_before > 0 ? before.rollbacks / all_before : 0;
    const double least = likely_least(rollbacks, all);
    if (all >= kTransactionsLeast && least > settings.error_ratio_max &&
        least > usual * settings.error_growth_max) {
        return fmt::format("{:.1f} % of transactions are rolled back, {:.1f} % before",
                           rollbacks / all * 100, usual * 100);
    }
    std::map<std::string, Traffic::Statement> old;
    std::map<std::string, Traffic::Statement> began;
    for (const Traffic::Statement& statement : before.statements) {
        old[statement.id] = statement;
    }
    for (const Traffic::Statement& statement : from.statements) {
        began[statement.id] = statement;
    }
    for (const Traffic::Statement& statement : to.statements) {
        const Traffic::Statement& base = old[statement.id];
        const double calls = statement.calls - began[statement.id].calls;
        const double mean =
            calls > 0 ? (statement.total_ms - began[statement.id].total_ms) / calls : 0;
        const double mean_before = base.calls > 0 ? base.total_ms / base.calls : 0;
        if (calls >= kCallsLeast && base.calls >= kCallsLeast && mean > settings.slow_ms_min &&
            mean > mean_before * settings.slow_growth_max) {
            return fmt::format("query {} takes {:.1f} ms on average, {:.1f} ms before",
                               statement.id, mean, mean_before);
        }
    }
    return {};
}

}  // namespace howdah::migrate::runner
