// howdah config: check, show, reference.
#include "config/config.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "cli/exit_status.hpp"
#include "cli/start_check.hpp"
#include "migrate/deploy/config.hpp"
#include "migrate/lint/discover.hpp"
#include "migrate/lint/settings.hpp"

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
    return report_error("config",
                        {ErrorCode::kInvalidInput, "", message, "howdah config --help says more"});
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

// Logs name the place within the text, as PgBouncer's do: not a second time behind one that stands
// before it.
std::string without_place(std::string text, const Diagnostic& diagnostic) {
    const std::string place = fmt::format(" ({}:{})", diagnostic.file, diagnostic.line);
    for (const std::string& said : {" in configuration" + place, place}) {
        if (const std::size_t at = text.find(said); at != std::string::npos) {
            return text.erase(at, said.size());
        }
    }
    return text;
}

void print_diagnostics(std::FILE* out, const std::vector<Diagnostic>& diagnostics) {
    for (const auto& diagnostic : diagnostics) {
        const std::string place = diagnostic.file.empty() ? ""
                                  : diagnostic.line == 0
                                      ? diagnostic.file + ": "
                                      : fmt::format("{}:{}: ", diagnostic.file, diagnostic.line);
        fmt::print(out, "{}{}: {}\n", place, is_error(diagnostic) ? "error" : "warning",
                   without_place(diagnostic.text(), diagnostic));
    }
}

// A mistake of another command's reader: "FILE:LINE: what is wrong", a line each.
void add_mistakes(std::string_view messages, const std::string& file,
                  std::vector<Diagnostic>& diagnostics) {
    for (std::size_t at = 0; at < messages.size();) {
        const std::size_t end = std::min(messages.find('\n', at), messages.size());
        std::string_view message = messages.substr(at, end - at);
        Diagnostic diagnostic{.file = file, .line = 0, .key = "", .message = "", .nearest = ""};
        if (message.starts_with(file + ":")) {
            message.remove_prefix(file.size() + 1);
            const char* rest =
                std::from_chars(message.data(), message.data() + message.size(), diagnostic.line)
                    .ptr;
            message.remove_prefix(static_cast<std::size_t>(rest - message.data()));
            message.remove_prefix(std::min(message.find_first_not_of(": "), message.size()));
        }
        diagnostic.message = message;
        diagnostics.push_back(std::move(diagnostic));
        at = end + 1;
    }
}

// [lint], [migrate] and [deploy], as those commands read them.
void check_other_tables(const std::string& file, std::vector<Diagnostic>& diagnostics) {
    const auto text = migrate::lint::read_whole(file);
    if (const auto lint = migrate::lint::read_settings(text.value_or(""), file); !lint) {
        add_mistakes(lint.error().message, file, diagnostics);
    }
    migrate::runner::ProjectConfig project;
    if (const auto read = read_project_config(file, project); !read) {
        add_mistakes(read.error().message, file, diagnostics);
    }
}

// All three readers would say it.
bool has_syntax_error(const std::vector<Diagnostic>& diagnostics) {
    return std::ranges::any_of(diagnostics, [](const Diagnostic& diagnostic) {
        return diagnostic.message.starts_with("syntax error");
    });
}

// A howdah.toml of lint or migrate alone has no proxy that could lack anything.
bool is_about_the_proxy(const config::Config& config) {
    return !config.origins.empty() || !config.databases.empty() || config.autodb ||
           !config.users.empty() || !config.peers.empty();
}

int run_check(const Arguments& arguments) {
    const std::string& file = arguments.request.file;
    if (file.empty()) {
        return usage_error("check needs a FILE");
    }
    if (::access(file.c_str(), R_OK) != 0) {
        return report_error("config",
                            {ErrorCode::kNotFound,
                             fmt::format("could not read \"{}\": {}", file, std::strerror(errno))});
    }
    auto [config, diagnostics] = config::load(arguments.request);
    const bool proxy = config == nullptr || is_about_the_proxy(*config);
    if (!proxy) {
        diagnostics.clear();
    }
    if (proxy && config != nullptr) {
        std::ranges::move(check_start(*config), std::back_inserter(diagnostics));
    }
    if (file.ends_with(".toml") && !has_syntax_error(diagnostics)) {
        check_other_tables(file, diagnostics);
    }
    const bool wrong = std::ranges::any_of(diagnostics, is_error);
    if (arguments.json) {
        print_findings(diagnostics);
        return wrong ? kFound : kFine;
    }
    print_diagnostics(stdout, diagnostics);
    if (!wrong && proxy) {
        fmt::print("{}: good ({} databases, {} users)\n", file,
                   config->databases.size() + (config->autodb ? 1 : 0),
                   config->userlist->all().size());
    } else if (!wrong) {
        fmt::print("{}: good\n", file);
    }
    return wrong ? kFound : kFine;
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

int run_show(Arguments arguments) {
    config::LoadRequest& request = arguments.request;
    if (request.upstream) {  // as `howdah serve` takes it
        if (auto upstream = upstream_from(*request.upstream)) {
            request.upstream = std::move(*upstream);
        }
    }
    const auto outcome = config::load(request);
    print_diagnostics(stderr, outcome.diagnostics);
    if (outcome.config == nullptr) {
        return kWrongInput;
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
    return kFine;
}

}  // namespace

int run_config(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (std::find(words.begin(), words.end(), "--help") != words.end() ||
        std::find(words.begin(), words.end(), "-h") != words.end()) {
        fmt::print("{}", kHelp);
        return kFine;
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
        return kFine;
    }
    return usage_error(arguments.action.empty() ? "check, show or reference?"
                                                : "unknown action " + arguments.action);
}

}  // namespace howdah::cli
