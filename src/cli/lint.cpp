// howdah lint, howdah optimize-migrations.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>

#include "cli/commands.hpp"
#include "cli/exit_status.hpp"
#include "cli/judging.hpp"
#include "cli/lint_modes.hpp"
#include "cli/lint_select.hpp"
#include "cli/running_traffic.hpp"
#include "migrate/deploy/config.hpp"
#include "migrate/lint/discover.hpp"
#include "migrate/lint/live.hpp"
#include "migrate/lint/settings.hpp"

namespace howdah::cli {
namespace {

namespace fs = std::filesystem;
namespace ml = migrate::lint;

constexpr std::string_view kExamples =
    "\nExamples:\n"
    "  howdah lint                          the migrations of this project\n"
    "  howdah lint drizzle --since main     only what this branch adds\n"
    "  howdah lint migrations/0042_x.sql    one file, held against its folder's history\n"
    "  howdah lint --format sarif > lint.sarif\n"
    "  howdah lint --explain set-not-null-scans\n"
    "  howdah lint --diff migrations/0042_x.sql\n"
    "  howdah lint --database postgres://me@db/shop   with sizes, traffic and data checks\n"
    "  howdah lint --stats http://127.0.0.1:6433      with what a running howdah has seen\n"
    "  howdah lint --trace                  proved on a throw-away server\n"
    "Exit status: 0 clean, 1 findings at or above --fail-on, 2 wrong usage or input, 3 could not "
    "run\n";

struct Options {
    JudgingOptions judging;
    std::vector<std::string> paths;
    std::string config;
    std::string since;
    std::string transaction;
    std::vector<std::string> enable;
    int postgres = 0;
    bool changed = false;
    bool trace = false;
    bool clone = false;
    bool diff = false;
    bool fix = false;
    std::string database;
    std::string stats;
    std::string stats_token_file;
};

void declare(CLI::App& app, Options& options) {
    app.add_option("PATH", options.paths, "migrations folder, project, or files of one folder");
    app.add_option("--config", options.config, "howdah.toml (found upwards otherwise)");
    app.add_option("--since", options.since, "judge only files changed since this git revision");
    app.add_flag("--changed", options.changed, "judge only files that are not committed");
    app.add_option("--transaction", options.transaction,
                   "how files run: auto, statement, file, query, all, runner");
    app.add_option("--postgres", options.postgres, "major version of the server (15)");
    app.add_option("--enable", options.enable, "rules to switch on")->delimiter(',');
    declare_judging(app, options.judging);
    app.add_flag("--trace", options.trace,
                 "run them on a throw-away PostgreSQL and compare with the prediction");
    app.add_flag("--clone", options.clone,
                 "with --trace and --database: only what is pending, on a copy of its schema");
    app.add_option(
        "--database", options.database,
        "look at this database too (with --trace: a database beside it is made for the run)");
    app.add_option("--stats", options.stats,
                   "http://... of a running howdah: what its queries read, and how often");
    app.add_option("--stats-token-file", options.stats_token_file,
                   "the token of its HTTP interface");
    app.add_flag("--fix", options.fix, "write split, safe migration files");
    app.add_flag("--diff", options.diff, "show what --fix would write");
    app.footer(std::string(kExamples));
}

// The howdah.toml given, or the nearest one above the working folder; no file = defaults.
Result<ml::Settings> load_settings(const std::string& given) {
    const fs::path path =
        given.empty() ? migrate::runner::find_project_config(fs::current_path()) : fs::path(given);
    if (path.empty()) {
        return ml::Settings{};
    }
    TRY(const std::string text, ml::read_whole(path));
    TRY(ml::Settings settings, ml::read_settings(text, path.string()));
    if (!settings.path.empty() && path.has_parent_path()) {
        settings.path = (path.parent_path() / settings.path).string();
    }
    return settings;
}

// `howdah lint` itself, or `howdah optimize-migrations`.
class Lint {
  public:
    Lint(std::string_view command, const Options& options);
    int run() const { return run_judging(options_.judging, judging_); }

  private:
    struct Prepared {
        ml::Settings settings;
        ml::Project project;
    };
    Result<> apply_options(ml::Settings& settings) const;
    Result<Prepared> prepare() const;
    Result<int> once(findings::Format format) const;
    std::size_t state() const;
    void report(const ml::LintResult& result, findings::Format format) const;

    const Options& options_;
    Judging judging_;
};

Lint::Lint(std::string_view command, const Options& options) : options_(options) {
    judging_.command = command;
    for (const ml::Rule* rule : ml::all_rules()) {
        judging_.rules.push_back({.name = std::string(rule->name),
                                  .title = std::string(rule->title),
                                  .help = std::string(rule->why) + " " + std::string(rule->fix),
                                  .severity = rule->severity});
    }
    judging_.explain = [](const std::string& name) { return ml::explain(*ml::find_rule(name)); };
    judging_.explain_all = ml::explain_all;
    judging_.check = [this](findings::Format) {
        ml::Settings settings;
        return apply_options(settings);
    };
    judging_.once = [this](findings::Format format) { return once(format); };
    judging_.state = [this] { return state(); };
}

Result<> Lint::apply_options(ml::Settings& settings) const {
    const JudgingOptions& judging = options_.judging;
    TRY_VOID(check_rule_names(judging_, "--enable", options_.enable));
    TRY_VOID(check_rule_names(judging_, "--disable", judging.disable));
    for (const std::string& name : options_.enable) {
        settings.lint.enabled.insert(name);
        settings.lint.disabled.erase(name);
    }
    settings.lint.disabled.insert(judging.disable.begin(), judging.disable.end());
    if (options_.clone && !options_.trace) {
        return fail(ErrorCode::kInvalidInput, "--clone goes with --trace");
    }
    if (!options_.transaction.empty() &&
        !ml::scope_from_name(options_.transaction, settings.lint.scope)) {
        return fail(ErrorCode::kInvalidInput,
                    "--transaction is auto, statement, file, query, all or runner");
    }
    settings.lint.postgres = options_.postgres != 0 ? options_.postgres : settings.lint.postgres;
    settings.lint.threads = judging.threads;
    settings.fail_on = judging.fail_on.empty() ? settings.fail_on : judging.fail_on;
    return check_fail_on(settings.fail_on);
}

std::vector<findings::LockedTransaction> ledger_of(const ml::FileVerdict& verdict) {
    std::vector<findings::LockedTransaction> transactions;
    for (const ml::LedgerTransaction& locked : verdict.transactions) {
        findings::LockedTransaction& made = transactions.emplace_back();
        made.first_line = locked.first_line;
        made.last_line = locked.last_line;
        for (const ml::LedgerLock& lock : locked.locks) {
            made.locks.push_back({.table = lock.table,
                                  .lock = std::string(migrate::lock_name(lock.lock)),
                                  .line = lock.line,
                                  .held_across = lock.held_across,
                                  .work = lock.work});
        }
    }
    return transactions;
}

void Lint::report(const ml::LintResult& result, findings::Format format) const {
    std::vector<findings::FileSummary> files;
    for (const ml::FileVerdict& verdict : result.files) {
        files.push_back({.file = verdict.file,
                         .risk = verdict.risk,
                         .verdict = std::string(ml::deploy_order_name(verdict.order)),
                         .impacts = verdict.impacts,
                         .transactions = ledger_of(verdict)});
    }
    print_report({.title = "Migration report",
                  .command = "howdah lint",
                  .findings = result.findings,
                  .rules = judging_.rules,
                  .files = files,
                  .files_read = result.files.size(),
                  .statements = result.statements,
                  .suppressed = result.suppressed},
                 format, options_.judging);
}

Result<Lint::Prepared> Lint::prepare() const {
    TRY(ml::Settings settings, load_settings(options_.config));
    TRY_VOID(apply_options(settings));
    std::vector<std::string> paths = options_.paths;
    if (paths.empty() && !settings.path.empty()) {
        paths.push_back(settings.path);
    }
    TRY(ml::Project project, ml::discover(paths));
    if (settings.runner && project.tool == ml::Tool::kPlain &&
        settings.lint.scope == ml::Scope::kAuto) {
        settings.lint.scope = ml::Scope::kRunner;
    }
    for (ml::MigrationFile& file : project.files) {
        for (const std::string& pattern : settings.ignore_paths) {
            file.judged = file.judged && !matches(pattern, file.path);
        }
    }
    if (options_.changed || !options_.since.empty()) {
        TRY_VOID(select_changed(project, options_.since));
    }
    return Prepared{std::move(settings), std::move(project)};
}

Result<std::string> read_token(const std::string& path) {
    if (path.empty()) {
        return std::string();
    }
    TRY(std::string token, ml::read_whole(path));
    token.erase(token.find_last_not_of(" \t\r\n") + 1);
    return token;
}

// What the running application does to the tables, where somebody can tell.
struct Observed {
    std::optional<ml::LiveDatabase> live;
    std::optional<RunningTraffic> running;
};

// With --stats as asked for; through howdah's own port from its console, where that is allowed.
Result<> observe_traffic(const Options& options, Observed& observed) {
    const std::string database = observed.live ? observed.live->database() : std::string();
    if (!options.stats.empty()) {
        TRY(const std::string token, read_token(options.stats_token_file));
        TRY(RunningTraffic running, RunningTraffic::over_http(options.stats, token, database));
        if (!running.knows_database()) {
            fmt::print(stderr, "howdah lint: {} knows no database {}: the queries of all count\n",
                       options.stats, database);
        }
        observed.running.emplace(std::move(running));
    } else if (observed.live) {
        if (auto console = observed.live->console()) {
            auto running = RunningTraffic::from_console(std::move(*console), database);
            if (running) {
                observed.running.emplace(std::move(*running));
            }
        }
    }
    return {};
}

Result<> judge_observed(const ml::Project& project, const ml::LintConfig& config,
                        Observed& observed, ml::LintResult& result) {
    if (observed.running && ml::stops_queries(result)) {
        TRY_VOID(observed.running->sample());
    }
    if (observed.live) {
        if (observed.running) {
            observed.live->add_traffic(observed.running->traffic());
        }
        TRY_VOID(observed.live->judge(project, config, result));
    } else if (observed.running) {
        ml::judge_traffic(project, config, observed.running->traffic(), result);
    }
    return {};
}

Result<Observed> observe(const Options& options, ml::Project& project) {
    Observed observed;
    if (!options.database.empty()) {
        TRY(ml::LiveDatabase connected, ml::LiveDatabase::connect(options.database));
        observed.live.emplace(std::move(connected));
        if (const std::string note = observed.live->mark_pending(project); !note.empty()) {
            fmt::print(stderr, "howdah lint: {}\n", note);
        }
    }
    TRY_VOID(observe_traffic(options, observed));
    return observed;
}

// A copy of the schema has what has run already.
Result<> mark_for_clone(const Options& options, ml::Project& project) {
    if (options.database.empty()) {
        return fail(ErrorCode::kInvalidInput, "--clone needs --database: whose schema?");
    }
    for (ml::MigrationFile& file : project.files) {
        file.pending = file.judged;
    }
    TRY(ml::LiveDatabase live, ml::LiveDatabase::connect(options.database));
    const std::string note = live.mark_pending(project);
    if (!note.empty()) {
        return fail(ErrorCode::kUnavailable, note);
    }
    return {};
}

Result<int> Lint::once(findings::Format format) const {
    TRY(Prepared prepared, prepare());
    const auto read = [](const ml::MigrationFile& file) { return ml::read_whole(file.path); };
    ml::LintInput input{
        .project = prepared.project, .config = prepared.settings.lint, .read = read};
    if (options_.trace) {
        if (options_.clone) {
            TRY_VOID(mark_for_clone(options_, prepared.project));
        }
        return run_trace(input, {.database = options_.database,
                                 .clone = options_.clone,
                                 .json = format == findings::Format::kJson,
                                 .all = options_.judging.verbose});
    }
    if (options_.fix || options_.diff) {
        return run_fix(input, options_.diff);
    }
    input.with_edits = format == findings::Format::kJson || format == findings::Format::kSarif;
    // What the files say is said all the same where the database cannot be asked; then the error.
    Result<Observed> observed = observe(options_, prepared.project);
    if (!observed && observed.error().code == ErrorCode::kInvalidInput) {
        return fail(std::move(observed).error());
    }
    input.keep_actions = observed && (observed->live.has_value() || observed->running.has_value());
    TRY(ml::LintResult result, ml::judge_project(input));
    const Result<> looked =
        observed ? judge_observed(prepared.project, prepared.settings.lint, *observed, result)
                 : Result<>(fail(std::move(observed).error()));
    if (!looked) {
        report(result, format);
        return fail(looked.error());
    }
    TRY(const bool written, apply_baselines(options_.judging, result.findings, result.suppressed));
    if (written) {
        return kFine;
    }
    report(result, format);
    return status_of_findings(result.findings, prepared.settings.fail_on);
}

// Names, sizes and times of the judged files.
std::size_t Lint::state() const {
    std::size_t state = 0;
    const auto prepared = prepare();
    if (!prepared) {
        return 0;
    }
    for (const ml::MigrationFile& file : prepared->project.files) {
        std::error_code ignored;
        const auto written = fs::last_write_time(file.path, ignored).time_since_epoch().count();
        state = state * 31 + static_cast<std::size_t>(written) + fs::file_size(file.path, ignored);
    }
    return state + prepared->project.findings.size();
}

int parse_and_run(int argc, char** argv, Options options) {
    const std::string command = argv[0];
    CLI::App app("Judges migrations before they run.", "howdah " + command);
    declare(app, options);
    if (const auto ended = parse_arguments(app, argc, argv)) {
        return *ended;
    }
    return Lint(command, options).run();
}

}  // namespace

int run_lint(int argc, char** argv) {
    return parse_and_run(argc, argv, {});
}

// The Markdown report of the project's folder.
int run_optimize_migrations(int argc, char** argv) {
    Options options;
    options.judging.format = "markdown";
    return parse_and_run(argc, argv, options);
}

}  // namespace howdah::cli
