#include "insight/project.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <tuple>

#include "base/assert.hpp"
#include "insight/code_analysis.hpp"
#include "insight/dump.hpp"
#include "insight/psl.hpp"
#include "insight/schema_rules.hpp"
#include "insight/sql_text.hpp"
#include "insight/suppression.hpp"

namespace howdah::insight {
namespace {

struct FileResult {
    Analysis analysis = {};
    std::size_t suppressed = 0;
};

// One file through all steps. The views inside point into `file`, so these never move.
struct Loaded {
    InputFile file = {};
    Language language = Language::kSql;
    std::unique_ptr<SourceText> source = nullptr;
    std::shared_ptr<const Module> module = nullptr;
    std::unique_ptr<PslFile> psl = nullptr;
    std::string trouble = {};  // why it could not be parsed
    FileResult result = {};
};

Language language_of(const InputFile& file) {
    if (file.language != Language::kAuto) {
        return file.language;
    }
    const std::string_view path = file.path;
    const auto ends = [&](std::string_view ending) { return path.ends_with(ending); };
    if (ends(".ts") || ends(".mts") || ends(".cts")) {
        return Language::kTypeScript;
    }
    if (ends(".tsx") || ends(".js") || ends(".jsx") || ends(".mjs") || ends(".cjs")) {
        return Language::kTsx;
    }
    if (is_config_file(path)) {
        return Language::kConfig;
    }
    return ends(".prisma") ? Language::kPrisma : Language::kSql;
}

void add_sql_schema(const InputFile& file, Schema& schema) {
    const std::string clean = clean_script(file.text);
    for (const sql::ScriptStatement& statement : sql::parse_script(clean)) {
        if (statement.tree && statement.tree->first() != nullptr) {
            apply_ddl(schema, *statement.tree->first(),
                      {.file = file.path, .text = file.text, .begin = statement.begin});
        }
    }
}

void load(Loaded& loaded) {
    loaded.language = language_of(loaded.file);
    loaded.source = std::make_unique<SourceText>(loaded.file.path, loaded.file.text);
    if (loaded.language == Language::kPrisma) {
        loaded.psl = std::make_unique<PslFile>(parse_psl(loaded.file.text));
    } else if (loaded.language == Language::kTypeScript || loaded.language == Language::kTsx) {
        auto syntax = Syntax::parse(loaded.file.text, loaded.language == Language::kTsx);
        if (syntax) {
            loaded.module = std::make_shared<const Module>(loaded.file.path, std::move(*syntax));
        } else {
            loaded.trouble = syntax.error().message;
        }
    }
}

// Runs work(i) for each i below `count`, on several threads.
template <typename Work>
void in_parallel(std::size_t count, unsigned threads, const Work& work) {
    std::atomic<std::size_t> next{0};
    const auto run = [&] {
        for (std::size_t i = next++; i < count; i = next++) {
            work(i);
        }
    };
    const unsigned wanted =
        threads != 0 ? threads : std::max(std::thread::hardware_concurrency(), 1U);
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < wanted && i < count; ++i) {
        others.emplace_back(run);
    }
    run();
}

std::vector<Loaded> load_all(std::vector<InputFile> files, unsigned threads) {
    std::vector<Loaded> all(files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
        all[i].file = std::move(files[i]);
    }
    in_parallel(all.size(), threads, [&](std::size_t i) { load(all[i]); });
    return all;
}

Schema schema_of(const std::vector<Loaded>& all) {
    Schema schema;
    std::vector<PslSource> psl;
    for (const Loaded& each : all) {
        if (each.language == Language::kSql) {
            add_sql_schema(each.file, schema);
        } else if (each.psl != nullptr) {
            psl.push_back({each.source.get(), each.psl.get()});
        }
    }
    Schema prisma;
    add_psl(psl, prisma);
    schema.merge(std::move(prisma));
    for (const Loaded& each : all) {
        if (each.module != nullptr && each.file.text.find("pgTable") != std::string::npos) {
            read_drizzle_tables(*each.module, *each.source, schema);
        } else if (each.module != nullptr &&
                   (each.file.text.find("pgSchema") != std::string::npos ||
                    each.file.text.find(".table(") != std::string::npos)) {
            read_drizzle_tables(*each.module, *each.source, schema);
        }
    }
    schema.index_models();
    resolve_references(schema);
    for (const Loaded& each : all) {
        if (each.module != nullptr && each.file.text.find("elations(") != std::string::npos) {
            read_drizzle_relations(*each.module, schema);
        }
    }
    return schema;
}

ModuleGraph graph_of(const std::vector<Loaded>& all) {
    std::vector<std::shared_ptr<const Module>> modules;
    std::vector<ImportMap::Config> configs;
    for (const Loaded& each : all) {
        if (each.module != nullptr) {
            modules.push_back(each.module);
        } else if (each.language == Language::kConfig) {
            configs.push_back({.path = each.file.path, .text = each.file.text});
        }
    }
    return ModuleGraph(std::move(modules), configs);
}

std::vector<Range> code_comments(const Syntax& syntax) {
    std::vector<Range> comments;
    for (NodeId node = 0; node < syntax.size(); ++node) {
        if (syntax.is(node, Kind::kComment)) {
            comments.push_back(syntax.range(node));
        }
    }
    return comments;
}

bool is_in_tagged_template(const Syntax& syntax, NodeId node) {
    for (NodeId at = syntax.parent(node); at != kNoNode; at = syntax.parent(at)) {
        if (syntax.is(at, Kind::kTemplate)) {
            return syntax.is(syntax.parent(at), Kind::kCall);
        }
    }
    return false;
}

void judge_code(const Loaded& loaded, const CodeProject& project, FileResult& result) {
    const Syntax& syntax = loaded.module->syntax();
    result.analysis.add(project.judge(*loaded.module, *loaded.source));
    for (NodeId node = 0; node < syntax.size(); ++node) {
        if (!syntax.is(node, Kind::kError)) {
            continue;
        }
        // The grammar refuses a bare & in JSX text and attributes, which everybody else accepts.
        const NodeId around = syntax.parent(node);
        const bool attribute = syntax.is(around, Kind::kString) &&
                               syntax.is(syntax.parent(around), Kind::kJsxAttribute);
        const bool jsx_text = (syntax.is(around, Kind::kJsxElement) || attribute) &&
                              syntax.text(node).starts_with('&');
        // String.raw`\u00`: a tag may be given what a string may not hold.
        const bool tagged = is_in_tagged_template(syntax, node);
        if (!jsx_text && !tagged) {
            result.analysis.findings.push_back(
                loaded.source->finding(rule("syntax-error"), syntax.range(node), {.minor = true}));
            break;
        }
    }
}

// A dump's statements: each by itself, its findings on the dump's lines.
void judge_dump(const Loaded& loaded, const Schema& schema, double days, FileResult& result) {
    const std::vector<DumpStatement> statements = loaded.language == Language::kLog
                                                      ? read_log(loaded.file.text)
                                                      : read_statements_dump(loaded.file.text);
    for (const DumpStatement& statement : statements) {
        const SourceText source(loaded.file.path, statement.sql);
        const SqlPlace place{.source = source};
        Analysis analysis;
        judge_text(statement.sql, {place, schema, {}}, analysis);
        const auto in_dump = [&](std::uint32_t line) {
            return statement.one_line ? statement.line : line + statement.line - 1;
        };
        for (Finding& finding : analysis.findings) {
            finding.line = in_dump(finding.line);
        }
        for (Verdict& verdict : analysis.verdicts) {
            verdict.line = in_dump(verdict.line);
            verdict.live =
                Live{.calls_a_day = statement.calls / days,
                     .milliseconds_a_day = statement.total_ms / days,
                     .mean_ms = statement.calls > 0 ? statement.total_ms / statement.calls : 0};
        }
        result.analysis.add(std::move(analysis));
    }
}

void analyze_one(Loaded& loaded, const CodeProject& project, const ProjectOptions& options) {
    if (loaded.language == Language::kConfig) {
        return;
    }
    FileResult& result = loaded.result;
    const SourceText& source = *loaded.source;
    std::vector<Range> comments;
    if (!loaded.trouble.empty()) {
        result.analysis.findings.push_back(
            source.finding(rule("syntax-error"), {0, 1}, {.message = loaded.trouble}));
    } else if (loaded.language == Language::kSql) {
        judge_script(source, project.schema(), result.analysis);
        if (is_side_code(loaded.file.path)) {
            for (Finding& finding : result.analysis.findings) {
                finding.severity = Severity::kInfo;
                finding.risk = Risk::kLow;
            }
        }
        comments = sql_comments(loaded.file.text);
    } else if (loaded.psl != nullptr) {
        for (const Range error : loaded.psl->errors) {
            result.analysis.findings.push_back(source.finding(rule("syntax-error"), error, {}));
        }
        comments = loaded.psl->comments;
    } else if (loaded.module != nullptr) {
        judge_code(loaded, project, result);
        comments = code_comments(loaded.module->syntax());
    } else {
        judge_dump(loaded, project.schema(), options.days, result);
    }
    for (Verdict& verdict : result.analysis.verdicts) {
        if (!verdict.live && verdict.fingerprint != 0) {
            verdict.live = project.live().of_fingerprint(verdict.fingerprint);
        }
    }
    const auto own = [&](const Finding& finding) { return finding.file == loaded.file.path; };
    ASSERT(std::ranges::all_of(result.analysis.findings, own));
    result.suppressed = apply_suppressions(source, comments, result.analysis.findings);
}

void apply_options(const ProjectOptions& options, std::vector<Finding>& findings) {
    std::erase_if(findings,
                  [&](const Finding& finding) { return options.disabled.contains(finding.rule); });
    for (Finding& finding : findings) {
        if (const auto severity = options.severities.find(finding.rule);
            severity != options.severities.end()) {
            finding.severity = severity->second;
        }
    }
}

}  // namespace

bool language_from_name(std::string_view name, Language& language) {
    constexpr std::array<std::pair<std::string_view, Language>, 9> kNames{{
        {"auto", Language::kAuto},
        {"sql", Language::kSql},
        {"ts", Language::kTypeScript},
        {"tsx", Language::kTsx},
        {"js", Language::kTsx},
        {"jsx", Language::kTsx},
        {"prisma", Language::kPrisma},
        {"statements", Language::kStatements},
        {"log", Language::kLog},
    }};
    const auto* const found =
        std::ranges::find(kNames, name, &std::pair<std::string_view, Language>::first);
    if (found == kNames.end()) {
        return false;
    }
    language = found->second;
    return true;
}

Schema schema_of(const std::vector<InputFile>& files) {
    return schema_of(load_all(files, 1));
}

ProjectResult analyze_files(std::vector<InputFile> files, Schema schema,
                            const ProjectOptions& options) {
    std::vector<Loaded> all = load_all(std::move(files), options.threads);
    schema.merge(schema_of(all));
    const ModuleGraph graph = graph_of(all);
    CodeProject project(schema, options.live, graph);
    std::vector<CodeProject::Known> known(all.size());
    in_parallel(all.size(), options.threads, [&](std::size_t i) {
        if (all[i].module != nullptr) {
            known[i] = project.prepare(all[i].module);
        }
    });
    std::set<std::string, std::less<>> names;
    for (std::size_t i = 0; i < all.size(); ++i) {
        names.insert(all[i].file.path);
        if (known[i].module != nullptr) {
            project.add(std::move(known[i]));
        }
    }
    for (Finding& finding : check_foreign_keys(schema, names)) {
        const auto file = std::ranges::find_if(
            all, [&](const Loaded& each) { return each.file.path == finding.file; });
        file->result.analysis.findings.push_back(std::move(finding));
    }
    in_parallel(all.size(), options.threads,
                [&](std::size_t i) { analyze_one(all[i], project, options); });
    ProjectResult result;
    for (Loaded& each : all) {
        result.files += each.language == Language::kConfig ? 0 : 1;
        result.suppressed += each.result.suppressed;
        result.analysis.add(std::move(each.result.analysis));
    }
    apply_options(options, result.analysis.findings);
    sort_findings(result.analysis.findings);
    return result;
}

void sort_findings(std::vector<Finding>& findings) {
    std::ranges::sort(findings, [](const Finding& a, const Finding& b) {
        return std::tie(b.severity, a.file, a.line, a.column, a.rule, a.message) <
               std::tie(a.severity, b.file, b.line, b.column, b.rule, b.message);
    });
}

}  // namespace howdah::insight
