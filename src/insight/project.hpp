// analyze_project: files and folders in, findings and verdicts out.
//
// 1. What is a schema (DDL, schema.prisma, pgTable) is read from all files first and merged; each
//    query is then held against all of it.
// 2. Files are analysed on several threads, each file by one; the result is in the order of names
//    whatever the number of threads.
// 3. What cannot be read or parsed is a finding and costs only itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "insight/live.hpp"
#include "insight/sql_analysis.hpp"

namespace howdah::insight {

enum class Language : std::uint8_t {
    kAuto,
    kSql,
    kTypeScript,
    kTsx,  // and JavaScript, which may hold JSX
    kPrisma,
    kStatements,  // a dump of pg_stat_statements: CSV or JSON
    kLog,         // a server log: text, csvlog or jsonlog
    kConfig,      // tsconfig.json, jsconfig.json, package.json: says what imports mean
};
// "sql", "ts", "tsx", "js", "prisma", "statements", "log"; false when it is none of them.
bool language_from_name(std::string_view name, Language& language);

struct InputFile {
    std::string path = {};  // as findings name it
    std::string text = {};
    Language language = Language::kAuto;  // kAuto: by name and text
};

struct ProjectOptions {
    std::set<std::string, std::less<>> disabled = {};
    std::map<std::string, Severity, std::less<>> severities = {};
    unsigned threads = 0;  // 0 = as many as the machine has
    LiveStats live = {};   // real numbers to put beside the verdicts
    double days = 1;       // that a dump or log among the files covers
};

struct ProjectResult {
    Analysis analysis = {};
    std::size_t files = 0;
    std::size_t suppressed = 0;
};

// Pure but for threads. `schema`: what is known beforehand (a database, a dump).
ProjectResult analyze_files(std::vector<InputFile> files, Schema schema,
                            const ProjectOptions& options);

// Every file below `paths` that may hold queries or schemas; node_modules, hidden folders, build
// output and declaration files are left out, a file named itself is always read. Config files come
// along as kConfig, also from the folders above, up to the repository's top. What is too large or
// binary becomes a finding. kNotFound names the path.
Result<std::vector<InputFile>> collect_files(const std::vector<std::string>& paths,
                                             std::vector<Finding>& skipped);

// The schema that files of any kind define.
Schema schema_of(const std::vector<InputFile>& files);

// Highest severity first, then file and line.
void sort_findings(std::vector<Finding>& findings);

}  // namespace howdah::insight
