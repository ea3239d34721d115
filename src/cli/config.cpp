// howdah config: check, show, reference.
#include "config/config.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.hpp"

namespace howdah::cli {
namespace {

using config::ConfigRow;
using config::Diagnostic;

constexpr std::string_view kHelp =
    R"(usage: howdah config check FILE [--format text|json]
       howdah config show [--config FILE] [--upstream URI] [--set NAME=VALUE]... [--changed]
                          [--format text|json]
       howdah config reference [--migration]

check      names file, line, key and the nearest valid key of every mistake in FILE
           (howdah.toml, or a pgbouncer.ini); exit status 1 if one is an error
show       prints every option, its value and where the value came from; passwords never;
           --changed leaves out what is a default
reference  prints the reference of all options (docs/configuration.md), or with --migration
           the table of differences to PgBouncer

examples:
  howdah config check /etc/pgbouncer/pgbouncer.ini
  howdah config show --config howdah.toml --set pool_mode=session --changed
  howdah config show --upstream postgres://app@db.example.com/shop --format json
)";

struct Arguments {
    std::string action;
    config::LoadRequest request;
    bool json = false;
    bool changed_only = false;
    bool migration = false;
};

int usage_error(const std::string& message) {
    fmt::print(stderr, "howdah config: {}\nTry \"howdah config --help\".\n", message);
    return 2;
}

// Fills `arguments`; the message of what is wrong with the command line, or "".
std::string parse(const std::vector<std::string>& words, Arguments& arguments) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        const bool takes_value =
            word == "--config" || word == "--upstream" || word == "--set" || word == "--format";
        if (takes_value && i + 1 == words.size()) {
            return word + " needs a value";
        }
        if (word == "--config") {
            arguments.request.file = words[++i];
        } else if (word == "--upstream") {
            arguments.request.upstream = words[++i];
        } else if (word == "--set") {
            const std::string& pair = words[++i];
            const std::size_t equals = pair.find('=');
            if (equals == std::string::npos) {
                return "--set needs NAME=VALUE";
            }
            arguments.request.overrides.emplace_back(pair.substr(0, equals),
                                                     pair.substr(equals + 1));
        } else if (word == "--format") {
            arguments.json = words[++i] == "json";
            if (!arguments.json && words[i] != "text") {
                return "--format is text or json";
            }
        } else if (word == "--changed") {
            arguments.changed_only = true;
        } else if (word == "--migration") {
            arguments.migration = true;
        } else if (word.starts_with('-')) {
            return "unknown option " + word;
        } else if (arguments.action.empty()) {
            arguments.action = word;
        } else if (arguments.request.file.empty() && arguments.action != "reference") {
            arguments.request.file = word;
        } else {
            return "unexpected argument " + word;
        }
    }
    return "";
}

bool is_error(const Diagnostic& diagnostic) {
    return diagnostic.severity == Diagnostic::Severity::kError;
}

boost::json::object finding(const Diagnostic& diagnostic) {
    boost::json::object object;
    object["rule"] = "config";
    object["severity"] = is_error(diagnostic) ? "error" : "warning";
    object["risk"] = "none";
    object["file"] = diagnostic.file;
    object["line"] = diagnostic.line;
    object["column"] = 0;
    object["message"] = diagnostic.message;
    object["why"] = is_error(diagnostic) ? "howdah does not start with it" : "";
    object["evidence"] = diagnostic.key;
    object["fix"] =
        diagnostic.nearest.empty() ? "" : fmt::format("write \"{}\"", diagnostic.nearest);
    object["impact"] = "";
    object["confidence"] = "certain";
    return object;
}

void print_findings(const std::vector<Diagnostic>& diagnostics) {
    const auto errors = std::count_if(diagnostics.begin(), diagnostics.end(), is_error);
    boost::json::array findings;
    for (const auto& diagnostic : diagnostics) {
        findings.push_back(finding(diagnostic));
    }
    const auto warnings = static_cast<std::ptrdiff_t>(diagnostics.size()) - errors;
    const boost::json::object report = {{"schema", "howdah.findings/1"},
                                        {"summary", {{"errors", errors}, {"warnings", warnings}}},
                                        {"findings", std::move(findings)}};
    fmt::print("{}\n", boost::json::serialize(report));
}

void print_diagnostics(std::FILE* out, const std::vector<Diagnostic>& diagnostics) {
    for (const auto& diagnostic : diagnostics) {
        const std::string place = diagnostic.file.empty() ? ""
                                  : diagnostic.line == 0
                                      ? diagnostic.file + ": "
                                      : fmt::format("{}:{}: ", diagnostic.file, diagnostic.line);
        fmt::print(out, "{}{}: {}\n", place, is_error(diagnostic) ? "error" : "warning",
                   diagnostic.text());
    }
}

int run_check(const Arguments& arguments) {
    const std::string& file = arguments.request.file;
    if (file.empty()) {
        return usage_error("check needs a FILE");
    }
    if (::access(file.c_str(), R_OK) != 0) {
        fmt::print(stderr, "howdah config: could not read \"{}\"\n", file);
        return 2;
    }
    const auto outcome = config::load(arguments.request);
    if (arguments.json) {
        print_findings(outcome.diagnostics);
    } else {
        print_diagnostics(stdout, outcome.diagnostics);
        if (outcome.config != nullptr) {
            fmt::print("{}: good ({} databases, {} users)\n", file,
                       outcome.config->databases.size() + (outcome.config->autodb ? 1 : 0),
                       outcome.config->userlist->all().size());
        }
    }
    return outcome.config == nullptr ? 1 : 0;
}

void print_rows(const std::vector<ConfigRow>& rows) {
    std::size_t key_width = 0;
    std::size_t value_width = 0;
    for (const auto& row : rows) {
        key_width = std::max(key_width, row.key.size());
        value_width = std::clamp(row.value.value_or("").size(), value_width, std::size_t{40});
    }
    for (const auto& row : rows) {
        fmt::print("{:<{}}  {:<{}}  # {}\n", row.key, key_width, row.value.value_or(""),
                   value_width, row.origin);
    }
}

void print_rows_json(const std::vector<ConfigRow>& rows) {
    const auto text = [](const std::optional<std::string>& value) {
        return value ? boost::json::value(*value) : boost::json::value(nullptr);
    };
    boost::json::array options;
    for (const auto& row : rows) {
        options.push_back({{"key", row.key},
                           {"value", text(row.value)},
                           {"default", text(row.default_value)},
                           {"changeable", row.changeable},
                           {"origin", row.origin}});
    }
    const boost::json::object report = {{"schema", "howdah.config/1"},
                                        {"options", std::move(options)}};
    fmt::print("{}\n", boost::json::serialize(report));
}

int run_show(const Arguments& arguments) {
    const auto outcome = config::load(arguments.request);
    print_diagnostics(stderr, outcome.diagnostics);
    if (outcome.config == nullptr) {
        return 2;
    }
    auto rows = config::config_rows(*outcome.config);
    for (const auto& row : config::entry_rows(*outcome.config)) {
        rows.push_back(row);
    }
    if (arguments.changed_only) {
        std::erase_if(rows, [](const ConfigRow& row) { return row.origin == "default"; });
    }
    if (arguments.json) {
        print_rows_json(rows);
    } else {
        print_rows(rows);
    }
    return 0;
}

}  // namespace

int run_config(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (std::find(words.begin(), words.end(), "--help") != words.end() ||
        std::find(words.begin(), words.end(), "-h") != words.end()) {
        fmt::print("{}", kHelp);
        return 0;
    }
    Arguments arguments;
    if (const std::string problem = parse(words, arguments); !problem.empty()) {
        return usage_error(problem);
    }
    if (arguments.action == "check") {
        return run_check(arguments);
    }
    if (arguments.action == "show") {
        return run_show(arguments);
    }
    if (arguments.action == "reference") {
        fmt::print("{}", arguments.migration ? config::migration_table_markdown()
                                             : config::reference_markdown());
        return 0;
    }
    return usage_error(arguments.action.empty() ? "check, show or reference?"
                                                : "unknown action " + arguments.action);
}

}  // namespace howdah::cli
