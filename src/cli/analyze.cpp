// howdah analyze.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "cli/commands.hpp"
#include "cli/fetch.hpp"
#include "cli/lint_select.hpp"
#include "findings/render.hpp"
#include "insight/project.hpp"
#include "insight/schema_database.hpp"

namespace howdah::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExamples =
    "\nExamples:\n"
    "  howdah analyze                            the project in this folder\n"
    "  howdah analyze src --format sarif         for code review\n"
    "  howdah analyze q.sql --database postgres://app@db/shop\n"
    "  howdah analyze q.sql --schema dump.sql    pg_dump --schema-only > dump.sql\n"
    "  psql -c 'select * from pg_stat_statements' --csv | howdah analyze - --language statements\n"
    "  howdah analyze src --verdict --format json\n"
    "  howdah analyze src --verdict --stats http://127.0.0.1:6433\n"
    "  howdah analyze src --write-baseline known.json; howdah analyze src --baseline known.json\n"
    "  howdah analyze --explain n-plus-one\n"
    "Exit status: 0 clean, 1 findings at or above --fail-on, 2 wrong usage or input, 3 could not "
    "run\n";

struct Options {
    std::vector<std::string> paths;
    std::vector<std::string> schemas;
    std::string database;
    std::string stats;
    std::string stats_token_file;
    double days = 0;  // 0 = as the source says, or one
    std::string format = "text";
    std::string language = "auto";
    std::string fail_on = "warning";
    std::string baseline;
    std::string write_baseline;
    std::string explain;
    std::vector<std::string> disable;
    unsigned threads = 0;
    bool verdict = false;
    bool watch = false;
    bool verbose = false;
    bool list_rules = false;
    bool no_colour = false;
};

void declare(CLI::App& app, Options& options) {
    app.add_option("PATH", options.paths, "files, folders, or - for standard input");
    app.add_option("--format", options.format, "text, json, sarif, github, gitlab, markdown");
    app.add_option("--language", options.language,
                   "of standard input or files: sql, ts, tsx, js, prisma, statements, log");
    app.add_option("--schema", options.schemas,
                   "a dump, schema.prisma or pgTable files to hold "
                   "queries against; not judged themselves");
    app.add_option("--database", options.database, "URI or keywords of a server to ask instead");
    app.add_option("--stats", options.stats,
                   "real numbers for --verdict: http://HOST:PORT of a running howdah, a dump of "
                   "pg_stat_statements (CSV, JSON), or a log");
    app.add_option("--stats-token-file", options.stats_token_file,
                   "file with the token of that howdah's HTTP interface");
    app.add_option("--days", options.days,
                   "days that the numbers cover (since its start for a running howdah, else 1)")
        ->check(CLI::PositiveNumber);
    app.add_option("--fail-on", options.fail_on,
                   "error, warning, info, high, medium, low or never (warning)");
    app.add_option("--baseline", options.baseline, "leave out the findings listed in this file");
    app.add_option("--write-baseline", options.write_baseline, "write that file, and end");
    app.add_option("--explain", options.explain, "what a rule says, and why; all = every one");
    app.add_flag("--list-rules", options.list_rules, "all rules, one a line");
    app.add_option("--disable", options.disable, "rules to switch off")->delimiter(',');
    app.add_option("--threads", options.threads, "threads (as many as cores)");
    app.add_flag("--verdict", options.verdict,
                 "a score for each query in place of findings (text, json, markdown)");
    app.add_flag("--watch", options.watch, "again whenever a file changes");
    app.add_flag("--verbose", options.verbose, "why and fix with every finding");
    app.add_flag("--no-colour,--no-color", options.no_colour, "no colours on a terminal");
    app.footer(std::string(kExamples));
}

int complain(const Error& error) {
    fmt::print(stderr, "howdah analyze: {}\n", error.message);
    if (!error.hint.empty()) {
        fmt::print(stderr, "  {}\n", error.hint);
    }
    const bool could_not_run = error.code == ErrorCode::kUnavailable ||
                               error.code == ErrorCode::kTimeout ||
                               error.code == ErrorCode::kServer || error.code == ErrorCode::kIo;
    return could_not_run ? 3 : 2;
}

int explain_rule(const std::string& name) {
    if (name == "all") {
        fmt::print("{}", insight::explain_all());
        return 0;
    }
    const insight::Rule* rule = insight::find_rule(name);
    if (rule == nullptr) {
        fmt::print(stderr, "howdah analyze: there is no rule {}; --list-rules names them\n", name);
        return 2;
    }
    fmt::print("{}", insight::explain(*rule));
    return 0;
}

int list_rules() {
    for (const insight::Rule& rule : insight::all_rules()) {
        fmt::print("{:<28} {}\n", rule.name, rule.title);
    }
    return 0;
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

void write_out(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

void print_findings(const insight::ProjectResult& result, const Options& options,
                    findings::Format format) {
    std::vector<findings::RuleText> rules;
    for (const insight::Rule& rule : insight::all_rules()) {
        rules.push_back({.name = std::string(rule.name),
                         .title = std::string(rule.title),
                         .help = std::string(rule.why) + " " + std::string(rule.fix),
                         .severity = rule.severity});
    }
    const findings::Report report{.title = "Query analysis",
                                  .command = "howdah analyze",
                                  .findings = result.analysis.findings,
                                  .rules = rules,
                                  .files = {},
                                  .files_read = result.files,
                                  .statements = result.analysis.statements,
                                  .suppressed = result.suppressed};
    const bool colour =
        !options.no_colour && isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    write_out(
        findings::render(report, {.format = format, .colour = colour, .verbose = options.verbose}));
}

void print_verdicts(const insight::ProjectResult& result, findings::Format format) {
    const std::vector<insight::Verdict>& verdicts = result.analysis.verdicts;
    write_out(format == findings::Format::kJson       ? insight::render_verdicts_json(verdicts)
              : format == findings::Format::kMarkdown ? insight::render_verdicts_markdown(verdicts)
                                                      : insight::render_verdicts_text(verdicts));
}

Result<std::vector<insight::InputFile>> read_inputs(const Options& options,
                                                    std::vector<Finding>& skipped) {
    insight::Language language = insight::Language::kAuto;
    if (!insight::language_from_name(options.language, language)) {
        return fail(ErrorCode::kInvalidInput,
                    "--language is auto, sql, ts, tsx, js, prisma, statements or log");
    }
    std::vector<std::string> paths = options.paths;
    const auto dash = std::ranges::remove(paths, "-");
    const bool standard_input = !dash.empty();
    paths.erase(dash.begin(), dash.end());
    if (paths.empty() && !standard_input) {
        paths.emplace_back(".");
    }
    TRY(std::vector<insight::InputFile> files, insight::collect_files(paths, skipped));
    if (standard_input) {
        files.push_back({.path = "<stdin>",
                         .text = std::string{std::istreambuf_iterator<char>(std::cin), {}},
                         .language = language});
    }
    for (insight::InputFile& file : files) {
        const bool config = file.language == insight::Language::kConfig;
        file.language = config ? file.language : language;
    }
    return files;
}

Result<insight::Schema> read_schema(const Options& options) {
    insight::Schema schema;
    if (!options.schemas.empty()) {
        std::vector<Finding> skipped;
        TRY(const std::vector<insight::InputFile> files,
            insight::collect_files(options.schemas, skipped));
        if (!skipped.empty()) {
            return fail(ErrorCode::kInvalidInput,
                        "--schema " + skipped.front().file + ": " + skipped.front().message);
        }
        schema.merge(insight::schema_of(files));
    }
    if (!options.database.empty()) {
        TRY(insight::Schema live, insight::read_database_schema(options.database));
        schema.merge(std::move(live));
    }
    return schema;
}

Result<insight::LiveStats> ask_running(const Options& options) {
    std::string token;
    if (!options.stats_token_file.empty()) {
        std::ifstream stream(options.stats_token_file);
        if (!stream || !std::getline(stream, token)) {
            return fail(ErrorCode::kInvalidInput,
                        "--stats-token-file " + options.stats_token_file + ": cannot be read");
        }
    }
    TRY(const RunningQueries running, fetch_queries(options.stats, token));
    std::vector<insight::DumpStatement> statements;
    for (const std::string& page : running.pages) {
        std::ranges::move(insight::read_statements_dump(page), std::back_inserter(statements));
    }
    return insight::LiveStats(statements, options.days > 0 ? options.days : running.days);
}

Result<insight::LiveStats> read_stats(const Options& options) {
    if (options.stats.empty()) {
        return insight::LiveStats{};
    }
    if (options.stats.starts_with("http://") || options.stats.starts_with("https://")) {
        return ask_running(options);
    }
    std::vector<Finding> skipped;
    TRY(const std::vector<insight::InputFile> files,
        insight::collect_files({options.stats}, skipped));
    if (files.size() != 1) {
        return fail(ErrorCode::kInvalidInput, "--stats " + options.stats + ": not one text file");
    }
    const std::string& text = files.front().text;
    std::vector<insight::DumpStatement> statements = insight::read_statements_dump(text);
    if (statements.empty()) {
        statements = insight::read_log(text);
    }
    if (statements.empty()) {
        return fail(ErrorCode::kInvalidInput,
                    "--stats " + options.stats + ": no statement in it; CSV needs a header line");
    }
    return insight::LiveStats(statements, std::max(options.days, 0.0));
}

Result<int> run_once(const Options& options, findings::Format format) {
    std::vector<Finding> skipped;
    TRY(std::vector<insight::InputFile> files, read_inputs(options, skipped));
    TRY(insight::Schema schema, read_schema(options));
    insight::ProjectOptions project_options{.threads = options.threads,
                                            .days = options.days > 0 ? options.days : 1};
    TRY(insight::LiveStats live, read_stats(options));
    project_options.live = std::move(live);
    for (const std::string& name : options.disable) {
        if (insight::find_rule(name) == nullptr) {
            return fail(ErrorCode::kInvalidInput, "--disable: there is no rule " + name);
        }
        project_options.disabled.insert(name);
    }
    insight::ProjectResult result =
        insight::analyze_files(std::move(files), std::move(schema), project_options);
    std::vector<Finding>& found = result.analysis.findings;
    if (!project_options.disabled.contains("file-skipped")) {
        found.insert(found.end(), skipped.begin(), skipped.end());
    }
    if (!options.write_baseline.empty()) {
        TRY_VOID(write_baseline(options.write_baseline, found));
        return 0;
    }
    if (!options.baseline.empty()) {
        TRY(const std::set<std::string> known, read_baseline(options.baseline));
        result.suppressed += drop_known(found, known);
    }
    if (options.verdict) {
        print_verdicts(result, format);
    } else {
        print_findings(result, options, format);
    }
    const bool failed = std::ranges::any_of(
        found, [&](const Finding& finding) { return fails(finding, options.fail_on); });
    return failed ? 1 : 0;
}

volatile std::sig_atomic_t stop_watching = 0;

// A number that differs when some file below the paths did.
std::size_t state_of(const Options& options) {
    std::size_t state = 1;
    std::vector<Finding> skipped;
    std::vector<std::string> paths = options.paths;
    paths.insert(paths.end(), options.schemas.begin(), options.schemas.end());
    const auto files =
        insight::collect_files(paths.empty() ? std::vector<std::string>{"."} : paths, skipped);
    if (!files) {
        return 0;
    }
    for (const insight::InputFile& file : *files) {
        state = state * 31 + std::hash<std::string>{}(file.text);
    }
    return state + files->size();
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

// What is wrong with the options together; "" when nothing is.
std::string conflict(const Options& options, findings::Format format) {
    bool known = false;
    for (const std::string_view word :
         {"error", "warning", "info", "high", "medium", "low", "never"}) {
        known = known || options.fail_on == word;
    }
    if (!known) {
        return "--fail-on is error, warning, info, high, medium, low or never";
    }
    const bool table = format == findings::Format::kText || format == findings::Format::kJson ||
                       format == findings::Format::kMarkdown;
    if (options.verdict && !table) {
        return "--verdict has the formats text, json and markdown";
    }
    if (options.watch && std::ranges::find(options.paths, "-") != options.paths.end()) {
        return "--watch needs files, not standard input";
    }
    return "";
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
    if (const std::string wrong = conflict(options, format); !wrong.empty()) {
        return complain({ErrorCode::kInvalidInput, wrong});
    }
    if (options.watch) {
        return watch(options, format);
    }
    const auto status = run_once(options, format);
    return status ? *status : complain(status.error());
}

}  // namespace

int run_analyze(int argc, char** argv) {
    Options options;
    CLI::App app("Judges queries: SQL, and Prisma and Drizzle calls in TypeScript.",
                 "howdah " + std::string(argv[0]));
    declare(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return run(options);
}

}  // namespace howdah::cli
