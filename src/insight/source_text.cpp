#include "insight/source_text.hpp"

#include <algorithm>

namespace howdah::insight {
namespace {

bool continues(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

std::uint32_t characters(std::string_view text) {
    return static_cast<std::uint32_t>(
        std::ranges::count_if(text, [](char c) { return !continues(c); }));
}

Severity lower(Severity severity) {
    return severity == Severity::kError ? Severity::kWarning : Severity::kInfo;
}

Risk lower(Risk risk) {
    return risk == Risk::kHigh ? Risk::kMedium : Risk::kLow;
}

}  // namespace

SourceText::SourceText(std::string file, std::string_view text)
    : file_(std::move(file)), text_(text) {
    line_starts_.push_back(0);
    for (std::size_t at = text.find('\n'); at != std::string_view::npos;
         at = text.find('\n', at + 1)) {
        line_starts_.push_back(at + 1);
    }
}

std::uint32_t SourceText::line_of(std::size_t offset) const {
    const auto after = std::ranges::upper_bound(line_starts_, offset);
    return static_cast<std::uint32_t>(after - line_starts_.begin());
}

std::uint32_t SourceText::column_of(std::size_t offset) const {
    const std::size_t start = line_starts_[line_of(offset) - 1];
    offset = std::min(offset, text_.size());
    return 1 + characters(text_.substr(start, offset - start));
}

std::string_view SourceText::line_text(std::uint32_t line) const {
    if (line == 0 || line > line_starts_.size()) {
        return {};
    }
    const std::size_t start = line_starts_[line - 1];
    const std::size_t end = line < line_starts_.size() ? line_starts_[line] - 1 : text_.size();
    std::string_view found = text_.substr(start, end - start);
    while (found.ends_with('\r')) {
        found.remove_suffix(1);
    }
    return found;
}

Place SourceText::place(Range range) const {
    constexpr std::size_t kSourceBytesMax = 400;
    const std::uint32_t line = line_of(std::min(range.begin, text_.size()));
    const std::string_view source = line_text(line);
    const std::size_t begin = std::min(range.begin, text_.size());
    const std::size_t line_end = line_starts_[line - 1] + source.size();
    const std::size_t end = std::max(begin, std::min(range.end, line_end));
    Place place{.file = file_, .line = line, .column = column_of(begin)};
    place.length = std::max(characters(text_.substr(begin, end - begin)), 1U);
    place.source = std::string(source.substr(0, kSourceBytesMax));
    return place;
}

Finding SourceText::finding(const Rule& rule, Range range, Notice notice) const {
    return finding_at(rule, place(range), std::move(notice));
}

Finding finding_at(const Rule& rule, const Place& place, Notice notice) {
    Finding finding;
    finding.rule = rule.name;
    finding.severity = notice.minor ? lower(rule.severity) : rule.severity;
    finding.risk = notice.minor ? lower(rule.risk) : rule.risk;
    finding.file = place.file;
    finding.line = place.line;
    finding.column = place.column;
    finding.source = place.source;
    finding.caret_length = place.length;
    finding.message = notice.message.empty() ? std::string(rule.title) : std::move(notice.message);
    finding.why = rule.why;
    finding.evidence = std::move(notice.evidence);
    finding.fix = notice.fix.empty() ? std::string(rule.fix) : std::move(notice.fix);
    finding.impact = std::move(notice.impact);
    finding.confidence = notice.confidence;
    return finding;
}

Place place_in(std::string_view file, std::string_view text, std::size_t offset) {
    offset = std::min(offset, text.size());
    const std::string_view before = text.substr(0, offset);
    const std::size_t newline = before.rfind('\n');
    const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    const std::size_t end = std::min(text.find('\n', offset), text.size());
    Place place{.file = std::string(file)};
    place.line = 1 + static_cast<std::uint32_t>(std::ranges::count(before, '\n'));
    place.column = 1 + characters(text.substr(start, offset - start));
    place.source = std::string(text.substr(start, end - start));
    return place;
}

}  // namespace howdah::insight
