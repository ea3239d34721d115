// Parse trees of every kind (sql_grammar.hpp) through all that walks them: the facts of a statement
// and of its shape, the linter with all its rules and fixes, the analyzer. Byte 0 chooses the tool.
#include <cstdint>
#include <string>

#include "base/assert.hpp"
#include "insight/project.hpp"
#include "judge.hpp"
#include "sql_check.hpp"
#include "sql_grammar.hpp"

namespace howdah {
namespace {

void analyze(const std::string& script) {
    const insight::ProjectResult result = insight::analyze_files(
        {{.path = "a.sql", .text = script, .language = insight::Language::kSql}}, {},
        {.threads = 1});
    for (const Finding& finding : result.analysis.findings) {
        ASSERT(finding.line >= 1 && insight::find_rule(finding.rule) != nullptr);
    }
}

}  // namespace
}  // namespace howdah

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace howdah;
    if (size == 0 || size > 1024) {
        return 0;
    }
    Grammar grammar({data + 1, size - 1});
    std::string script;
    while (!grammar.done() && script.size() < Grammar::kTextMax) {
        const std::string statement = grammar.statement();
        sql::check(statement);
        script += statement + ";\n";
    }
    migrate::lint::judge(static_cast<migrate::lint::Tool>(data[0] % 11), script);
    analyze(script);
    return 0;
}
