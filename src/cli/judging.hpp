// What `howdah lint` and `howdah analyze` share: the options about rules, reports and baselines,
// --explain and --list-rules, --watch, and which findings make the command fail. Inside module cli.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.hpp"
#include "base/result.hpp"
#include "findings/render.hpp"

namespace CLI {
class App;
}

namespace howdah::cli {

struct JudgingOptions {
    std::string format = "text";
    std::string fail_on;  // "": as howdah.toml says, else "warning"
    std::string baseline;
    std::string write_baseline;
    std::string explain;
    std::vector<std::string> disable;
    unsigned threads = 0;
    bool watch = false;
    bool verbose = false;
    bool list_rules = false;
    bool no_colour = false;
};

void declare_judging(CLI::App& app, JudgingOptions& options);

// One of the two commands. It must outlive run_judging().
struct Judging {
    std::string_view command;  // "lint"
    std::vector<findings::RuleText> rules;
    std::function<std::string(const std::string& rule)> explain;  // its page; the rule exists
    std::function<std::string()> explain_all;
    // Mistakes in the options, told before anything is read or watched.
    std::function<Result<>(findings::Format)> check;
    // Judges once and prints; the exit status.
    std::function<Result<int>(findings::Format)> once;
    // A number that differs when a file that would be judged did; 0 when they cannot be read.
    std::function<std::size_t()> state;
};

// The whole command after its options are read; the exit status.
int run_judging(const JudgingOptions& options, const Judging& judging);

// kInvalidInput, naming `option`, when one of the names is no rule's.
Result<> check_rule_names(const Judging& judging, std::string_view option,
                          const std::vector<std::string>& names);
// kInvalidInput when `word` is nothing that --fail-on takes.
Result<> check_fail_on(std::string_view word);
// kFound when a finding is at or above `fail_on`, kFine otherwise.
int status_of_findings(const std::vector<Finding>& findings, std::string_view fail_on);

// Takes out what --baseline lists, and counts it in. True: --write-baseline wrote them all, and
// that is the end of it.
Result<bool> apply_baselines(const JudgingOptions& options, std::vector<Finding>& findings,
                             std::size_t& suppressed);

// On standard output, in colours where that is a terminal and nobody objects.
void print_report(const findings::Report& report, findings::Format format,
                  const JudgingOptions& options);
void print_text(std::string_view text);

}  // namespace howdah::cli
