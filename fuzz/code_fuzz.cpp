// Any bytes as a TypeScript file (first byte even: TSX, odd: TypeScript), with a schema. Beyond not
// crashing: each finding stands on a line that is there, and a second run finds the same.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "insight/project.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace howdah::insight;
    if (size == 0) {
        return 0;
    }
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    static const Schema kSchema =
        schema_of({{.path = "schema.prisma",
                    .text = "model User {\n id Int @id\n name String\n "
                            "posts Post[]\n}\nmodel Post {\n id Int @id\n "
                            "authorId Int\n author User "
                            "@relation(fields: [authorId], references: "
                            "[id])\n}\n"}});
    const Language language = data[0] % 2 == 0 ? Language::kTsx : Language::kTypeScript;
    const auto run = [&] {
        return analyze_files({{.path = "a.ts", .text = text, .language = language}}, kSchema,
                             {.threads = 1});
    };
    const ProjectResult first = run();
    const auto lines = static_cast<std::uint32_t>(std::ranges::count(text, '\n')) + 1;
    for (const howdah::Finding& finding : first.analysis.findings) {
        ASSERT(finding.line >= 1 && finding.line <= lines);
        ASSERT(find_rule(finding.rule) != nullptr);
    }
    ASSERT(run().analysis.findings.size() == first.analysis.findings.size());
    return 0;
}
