#include "insight/rule.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"

namespace howdah::insight {
namespace {

constexpr Rule kRules[] = {
#include "insight/rules_code.inc"
#include "insight/rules_file.inc"
#include "insight/rules_sql.inc"
};

std::string_view severity_word(Severity severity) {
    return severity == Severity::kError     ? "error"
           : severity == Severity::kWarning ? "warning"
                                            : "info";
}

std::string indented(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        out += fmt::format("    {}\n", text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

}  // namespace

std::span<const Rule> all_rules() {
    return kRules;
}

const Rule* find_rule(std::string_view name) {
    const auto found = std::ranges::find(kRules, name, &Rule::name);
    return found == std::end(kRules) ? nullptr : found;
}

const Rule& rule(std::string_view name) {
    const Rule* found = find_rule(name);
    ASSERT(found != nullptr);
    return *found;
}

std::string_view advice_name(Advice advice) {
    switch (advice) {
        case Advice::kIndex:
            return "index";
        case Advice::kCaching:
            return "caching";
        case Advice::kPagination:
            return "pagination";
        case Advice::kRewrite:
            break;
    }
    return "query-rewrite";
}

std::string explain(const Rule& rule) {
    std::string page = fmt::format("### {}\n\n{} ({}).\n\n{}\n\n{}\n", rule.name, rule.title,
                                   severity_word(rule.severity), rule.why, rule.fix);
    if (!rule.flagged.empty()) {
        page += fmt::format("\nReported:\n\n{}", indented(rule.flagged));
    }
    if (!rule.clean.empty()) {
        page += fmt::format("\nInstead:\n\n{}", indented(rule.clean));
    }
    if (!rule.improvement.empty()) {
        page += fmt::format("\nExpect: {}.\n", rule.improvement);
    }
    return page;
}

std::string explain_all() {
    std::string pages = "## Rules\n";
    for (const Rule& each : kRules) {
        pages += "\n" + explain(each);
    }
    return pages;
}

}  // namespace howdah::insight
