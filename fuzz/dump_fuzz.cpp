// Any bytes as a dump of pg_stat_statements, as a server log, as a SQL script, as a plan, and as a
// statement that a mapper may have written.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "insight/live/orm.hpp"
#include "insight/live/plan.hpp"
#include "insight/live/reading.hpp"
#include "insight/project.hpp"
#include "sql/statement_cache.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace howdah::insight;
    const std::string text(reinterpret_cast<const char*>(data), size);
    for (const Language language : {Language::kStatements, Language::kLog, Language::kSql}) {
        const ProjectResult result =
            analyze_files({{.path = "a", .text = text, .language = language}}, {}, {.threads = 1});
        for (const howdah::Finding& finding : result.analysis.findings) {
            ASSERT(finding.line >= 1);
            ASSERT(find_rule(finding.rule) != nullptr);
        }
    }
    const live::Plan plan = live::read_plan(text);
    ASSERT(plan.text.find('\n') == std::string::npos);
    const auto statement = howdah::sql::analyze(text);
    for (const bool inlined : {false, true}) {
        (void)live::orm_of_text(*statement, inlined);
    }
    for (std::size_t slot = 0; slot < 3; ++slot) {
        (void)live::compared_column(*statement, slot);
    }
    return 0;
}
