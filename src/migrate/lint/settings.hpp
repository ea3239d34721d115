// [lint] of howdah.toml:
//
//   [lint]
//   path = "drizzle"             folder, from the file's own
//   postgres = 15                major version of the server
//   transaction = "auto"         "statement", "file", "query" (one simple query), "all" (pending)
//                                or "runner" (howdah migrate)
//   lock_timeout = "runner"      something outside the files sets it
//   require_reason = true
//   fail_on = "warning"          "error", "info", "high", "medium", "low", "never"
//   enable = ["comment-required"]
//   disable = ["redundant-index"]
//   ignore_paths = ["0001_*.sql"]
//   [lint.severity]
//   drop-column = "error"        or "warning", "info", "off"
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migrate/lint/lint.hpp"

namespace howdah::migrate::lint {

struct Settings {
    LintConfig lint;
    std::string path;
    std::string fail_on = "warning";
    std::vector<std::string> ignore_paths;
    bool runner = false;  // the file has [migrate]: howdah migrate runs plain folders
};

// kInvalidInput names `file` and line; unknown keys and rules are errors. No [lint] = defaults.
Result<Settings> read_settings(std::string_view toml, std::string_view file);

// "error" ... "off" for a rule; false when the word is none of them.
bool set_severity(LintConfig& config, const std::string& rule, std::string_view word);
bool scope_from_name(std::string_view name, Scope& scope);

// One rule's page: Markdown, as docs/lint-rules/NAME.md holds it.
std::string explain(const Rule& rule);
// The table of all rules.
std::string explain_all();

}  // namespace howdah::migrate::lint
