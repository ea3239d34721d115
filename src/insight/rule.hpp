// Rule: one thing that may be wrong with a query, with the text that explains it. The table is in
// rules.cpp; docs/analyze.md is made of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/finding.hpp"

namespace howdah::insight {

// What following the advice is; the verdict's recommendations are of these four types.
enum class Advice : std::uint8_t { kIndex, kRewrite, kCaching, kPagination };

struct Rule {
    std::string_view name;
    std::string_view title;
    Severity severity = Severity::kWarning;
    Risk risk = Risk::kMedium;
    Advice advice = Advice::kRewrite;
    std::string_view why = {};
    std::string_view fix = {};
    std::string_view flagged = {};      // an example that is reported
    std::string_view clean = {};        // the same, done well
    std::string_view improvement = {};  // what to expect
    bool counts = true;                 // false: about the file, not an issue of a query's verdict
};

std::span<const Rule> all_rules();
const Rule* find_rule(std::string_view name);
// The rule, which must exist.
const Rule& rule(std::string_view name);

// "index", "query-rewrite", "caching", "pagination".
std::string_view advice_name(Advice advice);

// One rule's page, and all of docs/analyze.md's reference: Markdown.
std::string explain(const Rule& rule);
std::string explain_all();

}  // namespace howdah::insight
