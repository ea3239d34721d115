// A migration after a history that gives its names something to hit: cleaned, split, parsed,
// interpreted, judged by every rule, split by --fix.
#pragma once

#include <string>

#include "base/assert.hpp"
#include "migrate/lint/fix.hpp"
#include "migrate/lint/lint.hpp"
#include "migrate/lint/settings.hpp"

namespace howdah::migrate::lint {

inline constexpr const char* kHistory =
    "CREATE TABLE p (id bigint PRIMARY KEY, a int) PARTITION BY LIST (a);"
    "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE pd PARTITION OF p DEFAULT;"
    "CREATE DOMAIN d AS int CHECK (VALUE > 0); CREATE TYPE e AS ENUM ('a');"
    "CREATE TABLE t (id serial PRIMARY KEY, a int REFERENCES t, b varchar(9) CHECK (b <> ''), c d, "
    "s e);"
    "CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT a FROM t;"
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'begin perform f(); drop table t; end';";

inline void judge(Tool tool, const std::string& text) {
    Project project;
    project.tool = tool;
    project.files = {{.path = "1", .name = "1", .judged = false}, {.path = "2", .name = "2"}};
    LintConfig config;
    for (const Rule* rule : all_rules()) {
        config.enabled.insert(std::string(rule->name));
    }
    const LintInput input{
        .project = project, .config = config, .read = [&](const MigrationFile& file) {
            return Result<std::string>(file.path == "1" ? kHistory : text);
        }};
    const auto result = judge_project(input);
    ASSERT(result.has_value());
    const Script script = read_script(text, tool);
    ASSERT(script.clean.size() == script.text.size());
    for (const Finding& finding : result->findings) {
        ASSERT(finding.line >= 1 && finding.line <= script.line_starts.size());
        ASSERT(finding.column >= 1 && find_rule(finding.rule) != nullptr);
    }
    (void)plan_fixes(input);
}

}  // namespace howdah::migrate::lint
