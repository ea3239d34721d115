// Any bytes as a dump of pg_stat_statements, as a server log, and as a SQL script.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "insight/project.hpp"

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
    return 0;
}
