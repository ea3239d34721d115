#include "findings/render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>

#include "base/counted.hpp"
#include "findings/formats.hpp"

namespace howdah::findings {
namespace {

struct Colours {
    std::string_view error, warning, info, dim, bold, reset;
};
constexpr Colours kNone{};
constexpr Colours kAnsi{"\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[2m", "\x1b[1m", "\x1b[0m"};

std::string_view colour_of(const Colours& colours, Severity severity) {
    return severity == Severity::kError     ? colours.error
           : severity == Severity::kWarning ? colours.warning
                                            : colours.info;
}

// Tabs stay tabs, so that the caret stands under its place.
std::string caret_line(const Finding& finding) {
    std::string pad;
    std::uint32_t column = 1;
    for (const char c : finding.source) {
        if (column >= finding.column) {
            break;
        }
        const bool continuation = (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
        if (!continuation) {
            pad.push_back(c == '\t' ? '\t' : ' ');
            ++column;
        }
    }
    return pad + "^" + std::string(finding.caret_length > 1 ? finding.caret_length - 1 : 0, '~');
}

template <typename... T>
void append(std::string& out, fmt::format_string<T...> format, T&&... values) {
    fmt::format_to(std::back_inserter(out), format, std::forward<T>(values)...);
}

void add_field(std::string& out, std::string_view name, std::string_view value,
               const Colours& colours) {
    if (value.empty()) {
        return;
    }
    append(out, "  {}{}:{:<{}}{} ", colours.dim, name, "",
           6 - std::min<std::size_t>(6, name.size()), colours.reset);
    for (std::size_t at = 0; at <= value.size();) {
        const std::size_t end = std::min(value.find('\n', at), value.size());
        out += at == 0 ? "" : "          ";
        out += value.substr(at, end - at);
        out += '\n';
        at = end + 1;
    }
}

// What of a finding is new to the reader.
struct Explain {
    bool why = true;
    bool fix = true;
};

void add_finding(std::string& out, const Finding& finding, const Colours& colours,
                 Explain explain) {
    out += colours.bold;
    out += finding.file;
    if (finding.line > 0) {
        append(out, ":{}:{}", finding.line, std::max(finding.column, 1U));
    }
    append(out, "{}: {}{}{}: {} [{}]\n", colours.reset, colour_of(colours, finding.severity),
           severity_name(finding.severity), colours.reset, finding.message, finding.rule);
    if (!finding.source.empty() && finding.line > 0) {
        const std::string number = std::to_string(finding.line);
        append(out, "{}{} |{} {}\n", colours.dim, number, colours.reset, finding.source);
        append(out, "{}{:{}} |{} {}{}{}\n", colours.dim, "", number.size(), colours.reset,
               colour_of(colours, finding.severity), caret_line(finding), colours.reset);
    }
    add_field(out, "why", explain.why ? finding.why : "", colours);
    add_field(out, "found", finding.evidence, colours);
    add_field(out, "impact", finding.impact, colours);
    add_field(out, "fix", explain.fix ? finding.fix : "", colours);
    if (!finding.confidence.empty() && finding.confidence != "certain") {
        add_field(out, "sure", finding.confidence, colours);
    }
    out += '\n';
}

std::string render_text(const Report& report, const Look& look) {
    const Colours& colours = look.colour ? kAnsi : kNone;
    std::string out;
    std::set<std::string_view> explained;
    std::set<std::string_view> fixes;
    for (const Finding& finding : report.findings) {
        const bool why = explained.insert(finding.rule).second;
        const bool fix = fixes.insert(finding.fix).second;
        add_finding(out, finding, colours, {why || look.verbose, fix || look.verbose});
    }
    const Counts counts = count(report.findings);
    for (const FileSummary& file : report.files) {
        if (file.risk > Risk::kLow || report.files.size() == 1) {
            out += fmt::format("{}: risk {}, {}\n", file.file, risk_name(file.risk), file.verdict);
        }
    }
    out += fmt::format("{} ({} high, {} medium, {} low) in {}, {}",
                       counted(counts.total, "finding"), counts.high, counts.medium, counts.low,
                       counted(report.files_read, "file"), counted(report.statements, "statement"));
    out += report.suppressed == 0 ? "\n" : fmt::format("; {} suppressed\n", report.suppressed);
    return out;
}

std::string escape_annotation(std::string_view text, bool property) {
    std::string out;
    for (const char c : text) {
        if (c == '%') {
            out += "%25";
        } else if (c == '\r') {
            out += "%0D";
        } else if (c == '\n') {
            out += "%0A";
        } else if (property && c == ':') {
            out += "%3A";
        } else if (property && c == ',') {
            out += "%2C";
        } else {
            out += c;
        }
    }
    return out;
}

// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
std::string render_github(const Report& report) {
    std::string out;
    for (const Finding& finding : report.findings) {
        const std::string_view kind = finding.severity == Severity::kError     ? "error"
                                      : finding.severity == Severity::kWarning ? "warning"
                                                                               : "notice";
        out += fmt::format("::{} file={},line={},col={},title={}::{}\n", kind,
                           escape_annotation(finding.file, true), std::max(finding.line, 1U),
                           std::max(finding.column, 1U), escape_annotation(finding.rule, true),
                           escape_annotation(finding.message + "\n" + finding.fix, false));
    }
    return out;
}

}  // namespace

bool format_from_name(std::string_view name, Format& format) {
    constexpr std::array<std::pair<std::string_view, Format>, 6> kNames{{
        {"text", Format::kText},
        {"json", Format::kJson},
        {"sarif", Format::kSarif},
        {"github", Format::kGithub},
        {"gitlab", Format::kGitlab},
        {"markdown", Format::kMarkdown},
    }};
    for (const auto& [known, value] : kNames) {
        if (known == name) {
            format = value;
            return true;
        }
    }
    return false;
}

std::string_view severity_name(Severity severity) {
    return severity == Severity::kError     ? "error"
           : severity == Severity::kWarning ? "warning"
                                            : "info";
}

std::string_view risk_name(Risk risk) {
    constexpr std::array<std::string_view, 4> kNames{"none", "low", "medium", "high"};
    return kNames[static_cast<std::size_t>(risk)];
}

Counts count(std::span<const Finding> findings) {
    Counts counts;
    counts.total = findings.size();
    for (const Finding& finding : findings) {
        counts.errors += finding.severity == Severity::kError ? 1 : 0;
        counts.warnings += finding.severity == Severity::kWarning ? 1 : 0;
        counts.high += finding.risk == Risk::kHigh ? 1 : 0;
        counts.medium += finding.risk == Risk::kMedium ? 1 : 0;
        counts.low += finding.risk == Risk::kLow ? 1 : 0;
    }
    return counts;
}

// FNV-1a: stable across runs and machines, which std::hash is not.
std::vector<std::string> fingerprints(std::span<const Finding> findings) {
    std::map<std::uint64_t, int> seen;
    std::vector<std::string> result;
    for (const Finding& finding : findings) {
        std::uint64_t hash = 0xcbf29ce484222325ULL;
        const auto mix = [&hash](std::string_view text) {
            for (const char c : text) {
                hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
            }
            hash = (hash ^ 0xFFU) * 0x100000001b3ULL;
        };
        mix(finding.rule);
        mix(finding.file);
        mix(finding.source.empty() ? finding.message : finding.source);
        result.push_back(fmt::format("{:016x}-{}", hash, seen[hash]++));
    }
    return result;
}

std::string render(const Report& report, const Look& look) {
    switch (look.format) {
        case Format::kText:
            return render_text(report, look);
        case Format::kJson:
            return render_json(report);
        case Format::kSarif:
            return render_sarif(report);
        case Format::kGithub:
            return render_github(report);
        case Format::kGitlab:
            return render_gitlab(report);
        case Format::kMarkdown:
            return render_markdown(report);
    }
    return {};
}

}  // namespace howdah::findings
