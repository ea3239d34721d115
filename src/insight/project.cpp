#include "insight/project.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <tuple>

#include "insight/sql_text.hpp"
#include "insight/suppression.hpp"

namespace howdah::insight {
namespace {

struct FileResult {
    Analysis analysis = {};
    std::size_t suppressed = 0;
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

FileResult analyze_one(const InputFile& file, const Schema& schema) {
    FileResult result;
    const SourceText source(file.path, file.text);
    std::vector<Range> comments;
    if (language_of(file) == Language::kSql) {
        judge_script(source, schema, result.analysis);
        comments = sql_comments(file.text);
    }
    result.suppressed = apply_suppressions(source, comments, result.analysis.findings);
    return result;
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
    Schema schema;
    for (const InputFile& file : files) {
        if (language_of(file) == Language::kSql) {
            add_sql_schema(file, schema);
        }
    }
    schema.index_models();
    return schema;
}

ProjectResult analyze_files(std::vector<InputFile> files, Schema schema,
                            const ProjectOptions& options) {
    schema.merge(schema_of(files));
    std::vector<FileResult> results(files.size());
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t i = next++; i < files.size(); i = next++) {
            results[i] = analyze_one(files[i], schema);
        }
    };
    const unsigned wanted =
        options.threads != 0 ? options.threads : std::max(std::thread::hardware_concurrency(), 1U);
    {
        std::vector<std::jthread> threads;
        for (unsigned i = 1; i < wanted && i < files.size(); ++i) {
            threads.emplace_back(work);
        }
        work();
    }
    ProjectResult project{.files = files.size()};
    for (FileResult& result : results) {
        project.suppressed += result.suppressed;
        project.analysis.add(std::move(result.analysis));
    }
    apply_options(options, project.analysis.findings);
    sort_findings(project.analysis.findings);
    return project;
}

void sort_findings(std::vector<Finding>& findings) {
    std::ranges::sort(findings, [](const Finding& a, const Finding& b) {
        return std::tie(b.severity, a.file, a.line, a.column, a.rule, a.message) <
               std::tie(a.severity, b.file, b.line, b.column, b.rule, b.message);
    });
}

}  // namespace howdah::insight
