// howdah analyze.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

#include "cli/commands.hpp"
#include "cli/exit_status.hpp"
#include "cli/fetch.hpp"
#include "cli/judging.hpp"
#include "insight/project.hpp"
#include "insight/schema_database.hpp"

namespace howdah::cli {
namespace {

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
    JudgingOptions judging;
    std::vector<std::string> paths;
    std::vector<std::string> schemas;
    std::string database;
    std::string stats;
    std::string stats_token_file;
    double days = 0;  // 0 = as the source says, or one
    std::string language = "auto";
    bool verdict = false;
};

void declare(CLI::App& app, Options& options) {
    app.add_option("PATH", options.paths, "files, folders, or - for standard input");
    app.add_option("--language", options.language,
                   "of standard input or files: sql, ts, tsx, js, prisma, statements, log");
    app.add_option("--schema", options.schemas,
                   "a dump, schema.prisma or pgTable files to hold "
                   "queries against; not judged themselves");
    app.add_option("--database", options.database, "URI or keywords of a server to ask instead");
    declare_judging(app, options.judging);
    app.add_flag("--verdict", options.verdict,
                 "a score for each query in place of findings (text, json, markdown)");
    app.add_option("--stats", options.stats,
                   "real numbers for --verdict: http://HOST:PORT of a running howdah, a dump of "
                   "pg_stat_statements (CSV, JSON), or a log");
    app.add_option("--stats-token-file", options.stats_token_file,
                   "file with the token of that howdah's HTTP interface");
    app.add_option("--days", options.days,
                   "days that the numbers cover (since its start for a running howdah, else 1)")
        ->check(CLI::PositiveNumber);
    app.footer(std::string(kExamples));
}

void print_verdicts(const insight::ProjectResult& result, findings::Format format) {
    const std::vector<insight::Verdict>& verdicts = result.analysis.verdicts;
    print_text(format == findings::Format::kJson       ? insight::render_verdicts_json(verdicts)
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

// "" is what --fail-on has when nobody said it.
std::string_view fail_on(const Options& options) {
    return options.judging.fail_on.empty() ? "warning" : std::string_view(options.judging.fail_on);
}

class Analyze {
  public:
    explicit Analyze(const Options& options);
    int run() const { return run_judging(options_.judging, judging_); }

  private:
    Result<> check(findings::Format format) const;
    Result<insight::ProjectResult> judge() const;
    Result<int> once(findings::Format format) const;
    std::size_t state() const;

    const Options& options_;
    Judging judging_;
};

Analyze::Analyze(const Options& options) : options_(options) {
    judging_.command = "analyze";
    for (const insight::Rule& rule : insight::all_rules()) {
        judging_.rules.push_back({.name = std::string(rule.name),
                                  .title = std::string(rule.title),
                                  .help = std::string(rule.why) + " " + std::string(rule.fix),
                                  .severity = rule.severity});
    }
    judging_.explain = [](const std::string& name) {
        return insight::explain(insight::rule(name));
    };
    judging_.explain_all = insight::explain_all;
    judging_.check = [this](findings::Format format) { return check(format); };
    judging_.once = [this](findings::Format format) { return once(format); };
    judging_.state = [this] { return state(); };
}

Result<> Analyze::check(findings::Format format) const {
    TRY_VOID(check_fail_on(fail_on(options_)));
    TRY_VOID(check_rule_names(judging_, "--disable", options_.judging.disable));
    const bool table = format == findings::Format::kText || format == findings::Format::kJson ||
                       format == findings::Format::kMarkdown;
    if (options_.verdict && !table) {
        return fail(ErrorCode::kInvalidInput, "--verdict has the formats text, json and markdown");
    }
    if (options_.judging.watch && std::ranges::find(options_.paths, "-") != options_.paths.end()) {
        return fail(ErrorCode::kInvalidInput, "--watch needs files, not standard input");
    }
    return {};
}

Result<insight::ProjectResult> Analyze::judge() const {
    std::vector<Finding> skipped;
    TRY(std::vector<insight::InputFile> files, read_inputs(options_, skipped));
    TRY(insight::Schema schema, read_schema(options_));
    TRY(insight::LiveStats live, read_stats(options_));
    const insight::ProjectOptions project_options{
        .disabled = {options_.judging.disable.begin(), options_.judging.disable.end()},
        .threads = options_.judging.threads,
        .live = std::move(live),
        .days = options_.days > 0 ? options_.days : 1};
    insight::ProjectResult result =
        insight::analyze_files(std::move(files), std::move(schema), project_options);
    if (!project_options.disabled.contains("file-skipped")) {
        std::ranges::move(skipped, std::back_inserter(result.analysis.findings));
    }
    return result;
}

Result<int> Analyze::once(findings::Format format) const {
    TRY(insight::ProjectResult result, judge());
    std::vector<Finding>& found = result.analysis.findings;
    TRY(const bool written, apply_baselines(options_.judging, found, result.suppressed));
    if (written) {
        return kFine;
    }
    if (options_.verdict) {
        print_verdicts(result, format);
    } else {
        print_report({.title = "Query analysis",
                      .command = "howdah analyze",
                      .findings = found,
                      .rules = judging_.rules,
                      .files = {},
                      .files_read = result.files,
                      .statements = result.analysis.statements,
                      .suppressed = result.suppressed},
                     format, options_.judging);
    }
    return status_of_findings(found, fail_on(options_));
}

// The files' texts.
std::size_t Analyze::state() const {
    std::size_t state = 1;
    std::vector<Finding> skipped;
    std::vector<std::string> paths = options_.paths;
    paths.insert(paths.end(), options_.schemas.begin(), options_.schemas.end());
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

}  // namespace

int run_analyze(int argc, char** argv) {
    Options options;
    CLI::App app("Judges queries: SQL, and Prisma and Drizzle calls in TypeScript.",
                 "howdah " + std::string(argv[0]));
    declare(app, options);
    if (const auto ended = parse_arguments(app, argc, argv)) {
        return *ended;
    }
    return Analyze(options).run();
}

}  // namespace howdah::cli
