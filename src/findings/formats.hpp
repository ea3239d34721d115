// The renderers behind render(). Inside module findings.
#pragma once

#include <string>

#include "findings/render.hpp"

namespace howdah::findings {

struct Counts {
    std::size_t total = 0;
    std::size_t errors = 0;
    std::size_t warnings = 0;
    std::size_t high = 0;
    std::size_t medium = 0;
    std::size_t low = 0;
};
Counts count(std::span<const Finding> findings);

std::string render_json(const Report& report);    // docs/schemas/findings.json
std::string render_sarif(const Report& report);   // SARIF 2.1.0
std::string render_gitlab(const Report& report);  // Code Quality report
std::string render_markdown(const Report& report);

}  // namespace howdah::findings
