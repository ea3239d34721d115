#include "cli/judging.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <optional>
#include <set>
#include <thread>

#include "base/counted.hpp"
#include "base/fail_on.hpp"
#include "base/nearest.hpp"
#include "cli/exit_status.hpp"
#include "cli/terminal.hpp"

namespace howdah::cli {
namespace {

constexpr std::chrono::milliseconds kWatchPeriod{300};

Result<> check_rule_name(const Judging& judging, const std::string& name) {
    std::vector<std::string_view> names;
    for (const findings::RuleText& rule : judging.rules) {
        names.push_back(rule.name);
    }
    if (std::ranges::find(names, name) == names.end()) {
        return fail({ErrorCode::kInvalidInput, "",
                     fmt::format("there is no rule {}{}", name, did_you_mean(name, names)),
                     fmt::format("howdah {} --list-rules names them all", judging.command)});
    }
    return {};
}

Result<int> explain(const Judging& judging, const std::string& name) {
    if (name != "all") {
        TRY_VOID(check_rule_name(judging, name));
    }
    print_text(name == "all" ? judging.explain_all() : judging.explain(name));
    return kFine;
}

int list_rules(const Judging& judging) {
    std::size_t width = 0;
    for (const findings::RuleText& rule : judging.rules) {
        width = std::max(width, rule.name.size());
    }
    for (const findings::RuleText& rule : judging.rules) {
        fmt::print("{:<{}}  {}\n", rule.name, width, rule.title);
    }
    return kFine;
}

volatile std::sig_atomic_t stop_watching = 0;

int watch(const Judging& judging, findings::Format format) {
    std::signal(SIGINT, [](int) { stop_watching = 1; });
    int status = kFine;
    for (std::optional<std::size_t> seen; stop_watching == 0;) {
        if (const std::size_t now = judging.state(); now != seen) {
            if (seen && format == findings::Format::kText) {
                print_text(fmt::format("\n--- changed; again at {:%H:%M:%S} ---\n\n",
                                       fmt::localtime(std::time(nullptr))));
            }
            seen = now;
            status = status_of(judging.command, judging.once(format));
        }
        std::this_thread::sleep_for(kWatchPeriod);
    }
    return status;
}

// Fingerprints of a baseline file, one a line.
Result<std::set<std::string>> read_baseline(const std::string& path) {
    std::ifstream file(path);
    if (!file) {
        return fail({ErrorCode::kNotFound, "", path + ": cannot be read",
                     "write it with --write-baseline " + path});
    }
    std::set<std::string> known;
    for (std::string line; std::getline(file, line);) {
        known.insert(line.substr(0, line.find(' ')));
    }
    return known;
}

Result<> write_baseline(const std::string& path, const std::vector<Finding>& findings) {
    std::ofstream file(path, std::ios::trunc);
    const std::vector<std::string> prints = findings::fingerprints(findings);
    for (std::size_t i = 0; i < findings.size(); ++i) {
        file << prints[i] << ' ' << findings[i].rule << ' ' << findings[i].file << '\n';
    }
    file.flush();
    if (!file) {
        return fail(ErrorCode::kIo, path + ": cannot be written");
    }
    return {};
}

std::size_t drop_known(std::vector<Finding>& findings, const std::set<std::string>& baseline) {
    const std::vector<std::string> prints = findings::fingerprints(findings);
    std::vector<Finding> left;
    for (std::size_t i = 0; i < findings.size(); ++i) {
        if (!baseline.contains(prints[i])) {
            left.push_back(std::move(findings[i]));
        }
    }
    const std::size_t dropped = findings.size() - left.size();
    findings = std::move(left);
    return dropped;
}

}  // namespace

void declare_judging(CLI::App& app, JudgingOptions& options) {
    app.add_option("--format", options.format, "text, json, sarif, github, gitlab, markdown");
    app.add_option("--fail-on", options.fail_on, fmt::format("{} (warning)", kFailOnWords));
    app.add_option("--baseline", options.baseline, "leave out the findings listed in this file");
    app.add_option("--write-baseline", options.write_baseline, "write that file, and end");
    app.add_option("--explain", options.explain, "what a rule says, and why; all = every one");
    app.add_flag("--list-rules", options.list_rules, "all rules, one a line");
    app.add_option("--disable", options.disable, "rules to switch off")->delimiter(',');
    app.add_option("--threads", options.threads, "threads that read and judge (one a core)");
    app.add_flag("--watch", options.watch, "again whenever a file changes");
    app.add_flag("--verbose", options.verbose, "why and fix with every finding");
    app.add_flag("--no-colour,--no-color", options.no_colour, "no colours on a terminal");
}

int run_judging(const JudgingOptions& options, const Judging& judging) {
    if (!options.explain.empty()) {
        return status_of(judging.command, explain(judging, options.explain));
    }
    if (options.list_rules) {
        return list_rules(judging);
    }
    findings::Format format = findings::Format::kText;
    if (!findings::format_from_name(options.format, format)) {
        return report_error(judging.command,
                            {ErrorCode::kInvalidInput,
                             "--format is text, json, sarif, github, gitlab or markdown"});
    }
    if (const Result<> good = judging.check(format); !good) {
        return report_error(judging.command, good.error());
    }
    return options.watch ? watch(judging, format)
                         : status_of(judging.command, judging.once(format));
}

Result<> check_rule_names(const Judging& judging, std::string_view option,
                          const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        if (auto known = check_rule_name(judging, name); !known) {
            return fail_in(option, std::move(known).error());
        }
    }
    return {};
}

Result<> check_fail_on(std::string_view word) {
    if (!is_fail_on(word)) {
        return fail(ErrorCode::kInvalidInput, fmt::format("--fail-on is {}", kFailOnWords));
    }
    return {};
}

int status_of_findings(const std::vector<Finding>& findings, std::string_view fail_on) {
    return std::ranges::any_of(findings,
                               [&](const Finding& finding) { return fails(finding, fail_on); })
               ? kFound
               : kFine;
}

Result<bool> apply_baselines(const JudgingOptions& options, std::vector<Finding>& findings,
                             std::size_t& suppressed) {
    if (!options.write_baseline.empty()) {
        TRY_VOID(write_baseline(options.write_baseline, findings));
        fmt::print(stderr, "{}: {} written; with --baseline {} they are known, and not shown\n",
                   options.write_baseline, counted(findings.size(), "finding"),
                   options.write_baseline);
        return true;
    }
    if (!options.baseline.empty()) {
        TRY(const std::set<std::string> known, read_baseline(options.baseline));
        suppressed += drop_known(findings, known);
    }
    return false;
}

void print_report(const findings::Report& report, findings::Format format,
                  const JudgingOptions& options) {
    print_text(findings::render(report, {.format = format,
                                         .colour = !options.no_colour && colours_on(stdout),
                                         .verbose = options.verbose}));
}

void print_text(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

}  // namespace howdah::cli
