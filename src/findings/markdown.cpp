#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "findings/formats.hpp"

namespace howdah::findings {
namespace {

// Backslashes before what Markdown would read as its own.
std::string plain(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|' || c == '*' || c == '_' || c == '<' || c == '`' || c == '[') {
            out += '\\';
        }
        out += c == '\n' ? ' ' : c;
    }
    return out;
}

std::string_view priority(Risk risk) {
    return risk == Risk::kHigh ? "HIGH" : risk == Risk::kMedium ? "MEDIUM" : "LOW";
}

std::string_view tag(Severity severity) {
    return severity == Severity::kError     ? "ERROR"
           : severity == Severity::kWarning ? "WARNING"
                                            : "INFO";
}

void add_issues(std::string& out, const Report& report) {
    out += "## Issues\n\n";
    if (report.findings.empty()) {
        out += "None.\n\n";
    }
    std::string_view file;
    for (const Finding& finding : report.findings) {
        if (finding.file != file) {
            file = finding.file;
            out += fmt::format("### {}\n\n", plain(file));
        }
        out += fmt::format("- **[{}]** line {}: {} (`{}`, risk {})\n", tag(finding.severity),
                           finding.line, plain(finding.message), finding.rule,
                           risk_name(finding.risk));
        if (!finding.impact.empty()) {
            out += fmt::format("  - impact: {}\n", plain(finding.impact));
        }
        if (!finding.evidence.empty()) {
            out += fmt::format("  - found: {}\n", plain(finding.evidence));
        }
    }
    out += '\n';
}

// One line a rule, with how often it was found, worst first.
void add_recommendations(std::string& out, const Report& report) {
    struct Advice {
        Risk risk = Risk::kNone;
        std::size_t times = 0;
        std::string fix;
    };
    std::map<std::string, Advice> by_rule;
    for (const Finding& finding : report.findings) {
        Advice& advice = by_rule[finding.rule];
        advice.risk = std::max(advice.risk, finding.risk);
        advice.fix =
            advice.times == 0 || advice.fix.size() > finding.fix.size() ? finding.fix : advice.fix;
        ++advice.times;
    }
    std::vector<std::pair<std::string, Advice>> ordered(by_rule.begin(), by_rule.end());
    std::ranges::sort(ordered, [](const auto& a, const auto& b) {
        return std::tie(b.second.risk, b.second.times, a.first) <
               std::tie(a.second.risk, a.second.times, b.first);
    });
    out += "## Recommendations\n\n";
    if (ordered.empty()) {
        out += "None.\n";
    }
    for (const auto& [rule, advice] : ordered) {
        out += fmt::format("- **[{}]** `{}` ({} {}): {}\n", priority(advice.risk), rule,
                           advice.times, advice.times == 1 ? "time" : "times", plain(advice.fix));
    }
}

// Who is locked how long: a table a file, in the order in which the locks are taken.
void add_ledger(std::string& out, const Report& report) {
    const bool any = std::ranges::any_of(
        report.files, [](const FileSummary& file) { return !file.transactions.empty(); });
    if (!any) {
        return;
    }
    out +=
        "\n## Locks\n\n| migration | transaction | lock | on | line | held across | work under it "
        "|\n|---|---|---|---|---|---|---|\n";
    for (const FileSummary& file : report.files) {
        for (const LockedTransaction& transaction : file.transactions) {
            for (const HeldLock& held : transaction.locks) {
                out += fmt::format("| {} | lines {}-{} | {} | {} | {} | {} more | {} |\n",
                                   plain(file.file), transaction.first_line, transaction.last_line,
                                   held.lock, plain(held.table), held.line, held.held_across,
                                   plain(fmt::format("{}", fmt::join(held.work, "; "))));
            }
        }
    }
}

}  // namespace

std::string render_markdown(const Report& report) {
    const Counts counts = count(report.findings);
    std::string out = fmt::format("# {}\n\n## Summary\n\n", report.title);
    out +=
        "| total | high | medium | low | files | statements | suppressed |\n"
        "|---|---|---|---|---|---|---|\n";
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n\n", counts.total, counts.high,
                       counts.medium, counts.low, report.files_read, report.statements,
                       report.suppressed);
    if (!report.files.empty()) {
        out += "| migration | risk | deploy |\n|---|---|---|\n";
        std::vector<FileSummary> files(report.files.begin(), report.files.end());
        std::ranges::sort(files, [](const FileSummary& a, const FileSummary& b) {
            return std::tie(b.risk, a.file) < std::tie(a.risk, b.file);
        });
        for (const FileSummary& file : files) {
            out += fmt::format("| {} | {} | {} |\n", plain(file.file), risk_name(file.risk),
                               file.verdict);
        }
        out += '\n';
    }
    add_issues(out, report);
    add_recommendations(out, report);
    add_ledger(out, report);
    return out;
}

}  // namespace howdah::findings
