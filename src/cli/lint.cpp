// howdah lint, howdah optimize-migrations.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "cli/commands.hpp"
#include "cli/lint_modes.hpp"
#include "cli/lint_select.hpp"
#include "cli/running_traffic.hpp"
#include "findings/render.hpp"
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
    std::vector<std::string> paths;
    std::string format = "text";
    std::string config;
    std::string fail_on;
    std::string since;
    std::string baseline;
    std::string write_baseline;
    std::string explain;
    std::string transaction;
    std::vector<std::string> enable;
    std::vector<std::string> disable;
    int postgres = 0;
    unsigned threads = 0;
    bool changed = false;
    bool watch = false;
    bool verbose = false;
    bool list_rules = false;
    bool no_colour = false;
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
    app.add_option("--format", options.format, "text, json, sarif, github, gitlab, markdown");
    app.add_option("--config", options.config, "howdah.toml (found upwards otherwise)");
    app.add_option("--fail-on", options.fail_on,
                   "error, warning, info, high, medium, low or never (warning)");
    app.add_option("--since", options.since, "judge only files changed since this git revision");
    app.add_flag("--changed", options.changed, "judge only files that are not committed");
    app.add_option("--baseline", options.baseline, "leave out the findings listed in this file");
    app.add_option("--write-baseline", options.write_baseline, "write that file, and end");
    app.add_option("--explain", options.explain, "what a rule says, and why");
    app.add_flag("--list-rules", options.list_rules, "all rules, one a line");
    app.add_option("--transaction", options.transaction,
                   "how files run: auto, statement, file, query, all");
    app.add_option("--postgres", options.postgres, "major version of the server (15)");
    app.add_option("--enable", options.enable, "rules to switch on")->delimiter(',');
    app.add_option("--disable", options.disable, "rules to switch off")->delimiter(',');
    app.add_option("--threads", options.threads, "threads that read ahead (as many as cores)");
    app.add_flag("--watch", options.watch, "again whenever a file changes");
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
    app.add_flag("--verbose", options.verbose, "why and fix with every finding");
    app.add_flag("--no-colour,--no-color", options.no_colour, "no colours on a terminal");
    app.footer(std::string(kExamples));
}

int complain(const Error& error) {
    fmt::print(stderr, "howdah lint: {}\n", error.message);
    if (!error.hint.empty()) {
        fmt::print(stderr, "  {}\n", error.hint);
    }
    const bool could_not_run =
        error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kTimeout;
    return could_not_run ? 3 : 2;
}

int explain_rule(const std::string& name) {
    if (name == "all") {
        fmt::print("{}", ml::explain_all());
        return 0;
    }
    const ml::Rule* rule = ml::find_rule(name);
    if (rule == nullptr) {
        fmt::print(stderr, "howdah lint: there is no rule {}; --list-rules names them\n", name);
        return 2;
    }
    fmt::print("{}", ml::explain(*rule));
    return 0;
}

int list_rules() {
    for (const ml::Rule* rule : ml::all_rules()) {
        fmt::print("{:<44} {}\n", rule->name, rule->title);
    }
    return 0;
}

// The howdah.toml given, or the nearest one above the working folder; no file = defaults.
Result<ml::Settings> load_settings(const std::string& given) {
    fs::path path = given;
    if (given.empty()) {
        std::error_code ignored;
        for (fs::path folder = fs::current_path();; folder = folder.parent_path()) {
            path = folder / "howdah.toml";
            if (fs::exists(path, ignored)) {
                break;
            }
            if (!folder.has_relative_path()) {
                return ml::Settings{};
            }
        }
    }
    TRY(const std::string text, ml::read_whole(path));
    TRY(ml::Settings settings, ml::read_settings(text, path.string()));
    if (!settings.path.empty() && path.has_parent_path()) {
        settings.path = (path.parent_path() / settings.path).string();
    }
    return settings;
}

Result<> apply_options(const Options& options, ml::Settings& settings) {
    for (const std::string& name : options.enable) {
        if (ml::find_rule(name) == nullptr) {
            return fail(ErrorCode::kInvalidInput, "--enable: there is no rule " + name);
        }
        settings.lint.enabled.insert(name);
        settings.lint.disabled.erase(name);
    }
    for (const std::string& name : options.disable) {
        if (ml::find_rule(name) == nullptr) {
            return fail(ErrorCode::kInvalidInput, "--disable: there is no rule " + name);
        }
        settings.lint.disabled.insert(name);
    }
    if (!options.transaction.empty() &&
        !ml::scope_from_name(options.transaction, settings.lint.scope)) {
        return fail(ErrorCode::kInvalidInput,
                    "--transaction is auto, statement, file, query or all");
    }
    settings.lint.postgres = options.postgres != 0 ? options.postgres : settings.lint.postgres;
    settings.lint.threads = options.threads;
    settings.fail_on = options.fail_on.empty() ? settings.fail_on : options.fail_on;
    for (const std::string_view known :
         {"error", "warning", "info", "high", "medium", "low", "never"}) {
        if (settings.fail_on == known) {
            return {};
        }
    }
    return fail(ErrorCode::kInvalidInput,
                "--fail-on is error, warning, info, high, medium, low or never");
}

bool fails(const Finding& finding, std::string_view fail_on) {
    if (fail_on == "error" || fail_on == "warning" || fail_on == "info") {
        const Severity least = fail_on == "error"     ? Severity::kError
                               : fail_on == "warning" ? Severity::kWarning
                                                      : Severity::kInfo;
        return finding.severity >= least;
    }
    const Risk least = fail_on == "high"     ? Risk::kHigh
                       : fail_on == "medium" ? Risk::kMedium
                                             : Risk::kLow;
    return fail_on != "never" && finding.risk >= least;
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

void print_report(const ml::LintResult& result, const Options& options, findings::Format format) {
    std::vector<findings::RuleText> rules;
    for (const ml::Rule* rule : ml::all_rules()) {
        rules.push_back({.name = std::string(rule->name),
                         .title = std::string(rule->title),
                         .help = std::string(rule->why) + " " + std::string(rule->fix),
                         .severity = rule->severity});
    }
    std::vector<findings::FileSummary> files;
    for (const ml::FileVerdict& verdict : result.files) {
        files.push_back({.file = verdict.file,
                         .risk = verdict.risk,
                         .verdict = std::string(ml::deploy_order_name(verdict.order)),
                         .impacts = verdict.impacts,
                         .transactions = ledger_of(verdict)});
    }
    const findings::Report report{.title = "Migration report",
                                  .command = "howdah lint",
                                  .findings = result.findings,
                                  .rules = rules,
                                  .files = files,
                                  .files_read = result.files.size(),
                                  .statements = result.statements,
                                  .suppressed = result.suppressed};
    const bool colour =
        !options.no_colour && isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    const std::string text =
        findings::render(report, {.format = format, .colour = colour, .verbose = options.verbose});
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

struct Prepared {
    ml::Settings settings;
    ml::Project project;
};

Result<Prepared> prepare(const Options& options) {
    TRY(ml::Settings settings, load_settings(options.config));
    TRY_VOID(apply_options(options, settings));
    std::vector<std::string> paths = options.paths;
    if (paths.empty() && !settings.path.empty()) {
        paths.push_back(settings.path);
    }
    TRY(ml::Project project, ml::discover(paths));
    for (ml::MigrationFile& file : project.files) {
        for (const std::string& pattern : settings.ignore_paths) {
            file.judged = file.judged && !matches(pattern, file.path);
        }
    }
    if (options.changed || !options.since.empty()) {
        TRY_VOID(select_changed(project, options.since));
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

Result<> judge_observed(const Prepared& prepared, Observed& observed, ml::LintResult& result) {
    if (observed.running && ml::stops_queries(result)) {
        TRY_VOID(observed.running->sample());
    }
    if (observed.live) {
        if (observed.running) {
            observed.live->add_traffic(observed.running->traffic());
        }
        TRY_VOID(observed.live->judge(prepared.project, prepared.settings.lint, result));
    } else if (observed.running) {
        ml::judge_traffic(prepared.project, prepared.settings.lint, observed.running->traffic(),
                          result);
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

Result<int> run_once(const Options& options, findings::Format format) {
    TRY(Prepared prepared, prepare(options));
    const auto read = [](const ml::MigrationFile& file) { return ml::read_whole(file.path); };
    ml::LintInput input{
        .project = prepared.project, .config = prepared.settings.lint, .read = read};
    if (options.trace) {
        if (options.clone) {
            TRY_VOID(mark_for_clone(options, prepared.project));
        }
        return run_trace(input, {.database = options.database,
                                 .clone = options.clone,
                                 .json = format == findings::Format::kJson,
                                 .all = options.verbose});
    }
    if (options.fix || options.diff) {
        return run_fix(input, options.diff);
    }
    TRY(Observed observed, observe(options, prepared.project));
    input.keep_actions = observed.live.has_value() || observed.running.has_value();
    TRY(ml::LintResult result, ml::judge_project(input));
    TRY_VOID(judge_observed(prepared, observed, result));
    if (!options.write_baseline.empty()) {
        TRY_VOID(write_baseline(options.write_baseline, result.findings));
        return 0;
    }
    if (!options.baseline.empty()) {
        TRY(const std::set<std::string> known, read_baseline(options.baseline));
        result.suppressed += drop_known(result.findings, known);
    }
    print_report(result, options, format);
    const bool failed = std::ranges::any_of(result.findings, [&](const Finding& finding) {
        return fails(finding, prepared.settings.fail_on);
    });
    return failed ? 1 : 0;
}

volatile std::sig_atomic_t stop_watching = 0;

// The newest change below the judged folder, as a number that differs when something did.
std::size_t state_of(const Options& options) {
    std::size_t state = 0;
    const auto prepared = prepare(options);
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

int watch(const Options& options, findings::Format format) {
    std::signal(SIGINT, [](int) { stop_watching = 1; });
    int status = 0;
    for (std::size_t seen = 0; stop_watching == 0;) {
        const std::size_t now = state_of(options);
        if (now != seen) {
            seen = now;
            const auto result = run_once(options, format);
            status = result ? *result : complain(result.error());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    return status;
}

int run(const Options& options) {
    if (!options.explain.empty()) {
        return explain_rule(options.explain);
    }
    if (options.list_rules) {
        return list_rules();
    }
    findings::Format format = findings::Format::kText;
    if (!findings::format_from_name(options.format, format)) {
        return complain({ErrorCode::kInvalidInput,
                         "--format is text, json, sarif, github, gitlab or markdown"});
    }
    if (options.watch) {
        return watch(options, format);
    }
    const auto status = run_once(options, format);
    return status ? *status : complain(status.error());
}

int parse_and_run(int argc, char** argv, Options options) {
    CLI::App app("Judges migrations before they run.", "howdah " + std::string(argv[0]));
    declare(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return run(options);
}

}  // namespace

int run_lint(int argc, char** argv) {
    return parse_and_run(argc, argv, {});
}

// The Markdown report of the project's folder.
int run_optimize_migrations(int argc, char** argv) {
    Options options;
    options.format = "markdown";
    return parse_and_run(argc, argv, options);
}

}  // namespace howdah::cli
