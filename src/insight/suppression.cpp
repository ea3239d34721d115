#include "insight/suppression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace howdah::insight {
namespace {

struct Suppression {
    Range comment = {};
    std::vector<std::string> rules = {};
    std::string reason = {};
    bool whole_file = false;
    std::uint32_t first_line = 0;  // that it speaks of
    std::uint32_t last_line = 0;
    bool used = false;
};

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::vector<std::string> split_names(std::string_view text) {
    std::vector<std::string> names;
    while (!text.empty()) {
        const std::size_t comma = text.find_first_of(", \t");
        if (const std::string_view name = trimmed(text.substr(0, comma)); !name.empty()) {
            names.emplace_back(name);
        }
        text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    }
    return names;
}

std::optional<Suppression> read(const SourceText& source, Range comment) {
    constexpr std::string_view kMark = "howdah-ignore";
    std::string_view inner = source.text().substr(comment.begin, comment.end - comment.begin);
    const std::size_t mark = inner.find(kMark);
    if (mark == std::string_view::npos ||
        inner.substr(0, mark).find_first_not_of("-/* \t{") != std::string_view::npos) {
        return std::nullopt;
    }
    Suppression found{.comment = comment};
    inner = inner.substr(mark + kMark.size());
    found.whole_file = inner.starts_with("-file");
    inner = found.whole_file ? inner.substr(5) : inner;
    inner = inner.ends_with("*/") ? inner.substr(0, inner.size() - 2) : inner;
    inner = trimmed(inner.starts_with(":") ? inner.substr(1) : inner);
    const std::size_t reason = inner.find("--");
    found.rules = split_names(inner.substr(0, reason));
    found.reason =
        reason == std::string_view::npos ? "" : std::string(trimmed(inner.substr(reason + 2)));
    found.first_line = source.line_of(comment.begin);
    found.last_line = source.line_of(comment.end);
    const std::string_view before =
        source.line_text(found.first_line).substr(0, source.column_of(comment.begin) - 1);
    // In JSX a comment stands in braces of its own.
    if (before.find_first_not_of(" \t{") == std::string_view::npos) {
        ++found.last_line;
    }
    return found;
}

bool names(const Suppression& suppression, const Finding& finding) {
    const bool here = suppression.whole_file || (finding.line >= suppression.first_line &&
                                                 finding.line <= suppression.last_line);
    return here && std::ranges::find(suppression.rules, finding.rule) != suppression.rules.end();
}

}  // namespace

std::size_t apply_suppressions(const SourceText& source, std::span<const Range> comments,
                               std::vector<Finding>& findings) {
    std::vector<Suppression> suppressions;
    for (const Range comment : comments) {
        if (auto suppression = read(source, comment)) {
            suppressions.push_back(std::move(*suppression));
        }
    }
    if (suppressions.empty()) {
        return 0;
    }
    const std::size_t dropped = std::erase_if(findings, [&](const Finding& finding) {
        const auto by = std::ranges::find_if(
            suppressions, [&](const Suppression& each) { return names(each, finding); });
        if (by == suppressions.end()) {
            return false;
        }
        by->used = true;
        return true;
    });
    for (const Suppression& suppression : suppressions) {
        if (suppression.reason.empty()) {
            findings.push_back(
                source.finding(rule("suppression-without-reason"), suppression.comment, {}));
        }
        if (!suppression.used) {
            const auto wrong = std::ranges::find_if(
                suppression.rules, [](const auto& name) { return find_rule(name) == nullptr; });
            findings.push_back(source.finding(
                rule("unused-suppression"), suppression.comment,
                {.message = wrong != suppression.rules.end()
                                ? fmt::format("there is no rule {}", *wrong)
                                : fmt::format("nothing here for this to suppress: {}",
                                              fmt::join(suppression.rules, ", "))}));
        }
    }
    return dropped;
}

}  // namespace howdah::insight
