#include "migrate/lint/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/fail_on.hpp"
#include "base/nearest.hpp"
#include "migrate/read_toml.hpp"

namespace howdah::migrate::lint {
namespace {

constexpr std::string_view kKeys[] = {"path",           "postgres", "transaction", "lock_timeout",
                                      "require_reason", "fail_on",  "enable",      "disable",
                                      "ignore_paths",   "severity"};

// "there is no rule X; did you mean Y?"
std::string no_rule(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Rule* rule : all_rules()) {
        names.push_back(rule->name);
    }
    return fmt::format("there is no rule {}{}", name, did_you_mean(name, names));
}

class Reader {
  public:
    Reader(std::string_view file, Settings& settings) : file_(file), settings_(settings) {}

    // Every mistake, one a line.
    Result<> read(const toml::table& table) {
        std::vector<std::pair<std::uint32_t, std::string>> wrong;
        for (const auto& [key, node] : table) {
            if (auto read = read_key(key.str(), node); !read) {
                wrong.emplace_back(node.source().begin.line, read.error().message);
            }
        }
        if (wrong.empty()) {
            return {};
        }
        std::ranges::sort(wrong);  // toml++ sorts keys
        std::string messages;
        for (const auto& [line, message] : wrong) {
            messages += (messages.empty() ? "" : "\n") + message;
        }
        return fail(ErrorCode::kInvalidInput, std::move(messages));
    }

  private:
    std::unexpected<Error> wrong(const toml::node& node, std::string message) const {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("{}:{}: {}", file_, node.source().begin.line, message));
    }

    Result<> read_key(std::string_view key, const toml::node& node) {
        LintConfig& lint = settings_.lint;
        if (key == "severity") {
            return read_severities(node);
        }
        if (key == "enable" || key == "disable" || key == "ignore_paths") {
            return read_list(key, node);
        }
        if (key == "postgres") {
            const auto version = node.value<int>();
            if (!version || *version < 9 || *version > 99) {
                return wrong(node, "postgres is a major version: 15");
            }
            lint.postgres = *version;
            return {};
        }
        if (key == "require_reason") {
            const auto flag = node.value_exact<bool>();
            lint.require_reason = flag.value_or(false);
            return flag ? Result<>() : wrong(node, "require_reason is true or false");
        }
        if (std::ranges::find(kKeys, key) == std::end(kKeys)) {
            return wrong(node,
                         fmt::format("[lint] has no key {}{}", key, did_you_mean(key, kKeys)));
        }
        const auto text = node.value<std::string>();
        if (!text) {
            return wrong(node, fmt::format("{} is a text", key));
        }
        if (key == "path") {
            settings_.path = *text;
        } else if (key == "fail_on") {
            settings_.fail_on = *text;
            if (!is_fail_on(*text)) {
                return wrong(node, fmt::format("fail_on is {}", kFailOnWords));
            }
        } else if (key == "lock_timeout") {
            lint.lock_timeout_by_runner = *text == "runner";
            if (*text != "runner") {
                return wrong(node, "lock_timeout is \"runner\", or not there");
            }
        } else if (!scope_from_name(*text, lint.scope)) {
            return wrong(node, "transaction is auto, statement, file, query, all or runner");
        }
        return {};
    }

    Result<> read_list(std::string_view key, const toml::node& node) {
        const toml::array* list = node.as_array();
        if (list == nullptr) {
            return wrong(node, fmt::format("{} is a list of texts", key));
        }
        for (const toml::node& item : *list) {
            const auto name = item.value<std::string>();
            if (!name) {
                return wrong(item, fmt::format("{} is a list of texts", key));
            }
            if (key == "ignore_paths") {
                settings_.ignore_paths.push_back(*name);
                continue;
            }
            if (find_rule(*name) == nullptr) {
                return wrong(item, no_rule(*name));
            }
            (key == "enable" ? settings_.lint.enabled : settings_.lint.disabled).insert(*name);
        }
        return {};
    }

    Result<> read_severities(const toml::node& node) {
        const toml::table* table = node.as_table();
        if (table == nullptr) {
            return wrong(node, "[lint.severity] is a table: rule = \"error\"");
        }
        for (const auto& [rule, value] : *table) {
            const std::string name(rule.str());
            if (find_rule(name) == nullptr) {
                return wrong(value, no_rule(name));
            }
            if (!set_severity(settings_.lint, name, value.value_or(std::string()))) {
                return wrong(value, "a severity is error, warning, info or off");
            }
        }
        return {};
    }

    std::string_view file_;
    Settings& settings_;
};

}  // namespace

bool set_severity(LintConfig& config, const std::string& rule, std::string_view word) {
    if (word == "off") {
        config.disabled.insert(rule);
        return true;
    }
    if (word != "error" && word != "warning" && word != "info") {
        return false;
    }
    config.severities[rule] = word == "error"     ? Severity::kError
                              : word == "warning" ? Severity::kWarning
                                                  : Severity::kInfo;
    config.enabled.insert(rule);
    return true;
}

bool scope_from_name(std::string_view name, Scope& scope) {
    constexpr std::array<std::pair<std::string_view, Scope>, 6> kNames{{
        {"auto", Scope::kAuto},
        {"runner", Scope::kRunner},
        {"statement", Scope::kStatement},
        {"file", Scope::kFile},
        {"query", Scope::kOneQuery},
        {"all", Scope::kAllPending},
    }};
    for (const auto& [known, value] : kNames) {
        if (known == name) {
            scope = value;
            return true;
        }
    }
    return false;
}

Result<Settings> read_settings(std::string_view text, std::string_view file) {
    Settings settings;
    TRY(const toml::table parsed, read_toml(text, file));
    settings.runner = parsed["migrate"].is_table();
    if (const toml::table* table = parsed["lint"].as_table()) {
        TRY_VOID(Reader(file, settings).read(*table));
    }
    return settings;
}

namespace {

std::string_view severity_word(Severity severity) {
    return severity == Severity::kError     ? "error"
           : severity == Severity::kWarning ? "warning"
                                            : "info";
}

std::string_view risk_word(Risk risk) {
    return risk == Risk::kHigh ? "high" : risk == Risk::kMedium ? "medium" : "low";
}

}  // namespace

std::string explain(const Rule& rule) {
    return fmt::format(
        "# {0}\n\n{1}\n\nSeverity {2}, risk {3}, {4} by default.\n\n## Why\n\n{5}\n\n"
        "## What to do\n\n{6}\n\n## Versions\n\n{7}\n\n## Reported\n\n```sql\n{8}\n```\n\n"
        "## Not reported\n\n```sql\n{9}\n```\n\n## Not here\n\n"
        "`-- howdah-ignore {0} -- reason` at the end of the line or alone on the line before the "
        "statement; `-- howdah-ignore-file {0} -- reason` for the file; `disable = [\"{0}\"]` or "
        "`{0} = \"error\"` under `[lint]` and `[lint.severity]` of howdah.toml.\n",
        rule.name, rule.title, severity_word(rule.severity), risk_word(rule.risk),
        rule.on ? "on" : "off", rule.why, rule.fix, rule.versions, rule.flagged, rule.clean);
}

std::string explain_all() {
    std::vector<const Rule*> rules(all_rules().begin(), all_rules().end());
    std::ranges::sort(rules, {}, &Rule::name);
    std::string out =
        "# Rules of howdah lint\n\n| rule | severity | risk | what |\n|---|---|---|---|\n";
    for (const Rule* rule : rules) {
        out += fmt::format("| [{0}]({0}.md) | {1}{2} | {3} | {4} |\n", rule->name,
                           severity_word(rule->severity), rule->on ? "" : " (off)",
                           risk_word(rule->risk), rule->title);
    }
    return out;
}

}  // namespace howdah::migrate::lint
