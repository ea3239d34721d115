// The one set of renderers of Finding: text for people, JSON, SARIF, annotations, Markdown.
//
// Pure: values in, one string out. Lines and columns are 1-based everywhere; a finding without a
// line has none in the output (formats that demand one get 1). Source lines and messages are
// written as given: who makes findings from traffic redacts literals first.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.hpp"

namespace howdah::findings {

enum class Format : std::uint8_t { kText, kJson, kSarif, kGithub, kGitlab, kMarkdown };

// "text", "json", "sarif", "github", "gitlab", "markdown"; false when it is none of them.
bool format_from_name(std::string_view name, Format& format);

std::string_view severity_name(Severity severity);  // "error", "warning", "info"
std::string_view risk_name(Risk risk);              // "high", "medium", "low", "none"

// What SARIF says about a rule; the others do not need it.
struct RuleText {
    std::string name;
    std::string title;
    std::string help;
    Severity severity = Severity::kWarning;
};

// A lock that a transaction takes, and what runs while it is held.
struct HeldLock {
    std::string table;
    std::string lock;  // "ACCESS EXCLUSIVE": the strongest
    std::uint32_t line = 0;
    std::size_t held_across = 0;    // statements after it in the transaction
    std::vector<std::string> work;  // "line 4 reads all of t": under this lock
};
struct LockedTransaction {
    std::uint32_t first_line = 0;
    std::uint32_t last_line = 0;
    std::vector<HeldLock> locks;  // in the order in which they are taken
};

// One file's verdict, for those reports that judge files.
struct FileSummary {
    std::string file;
    Risk risk = Risk::kNone;
    std::string verdict;               // "before the new code", say
    std::vector<std::string> impacts;  // the worst, one line each
    std::vector<LockedTransaction> transactions = {};
};

struct Report {
    std::string title;    // "Migration lint"
    std::string command;  // "howdah lint"
    std::span<const Finding> findings;
    std::span<const RuleText> rules;
    std::span<const FileSummary> files;
    std::size_t files_read = 0;
    std::size_t statements = 0;
    std::size_t suppressed = 0;
};

struct Look {
    Format format = Format::kText;
    bool colour = false;
    bool verbose = false;  // text: why and fix with every finding, not once each
};

std::string render(const Report& report, const Look& look);

// Same for the same finding on another line: rule, file and source text, and a count for repeats.
std::vector<std::string> fingerprints(std::span<const Finding> findings);

}  // namespace howdah::findings
