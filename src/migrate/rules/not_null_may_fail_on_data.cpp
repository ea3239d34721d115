// not-null-may-fail-on-data: see the texts below, and not-null-may-fail-on-data.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kSetNotNull && !a.fresh && !a.has(kProvedNotNull)) {
        sink.at(a, fmt::format("fails when {}.{} holds a NULL", a.table, a.name),
                fmt::format("SELECT 1 FROM {} WHERE {} IS NULL LIMIT 1;", sql_name(a.table),
                            sql_name(a.name)));
    }
}

}  // namespace

const Rule rule_not_null_may_fail_on_data{
    .name = "not-null-may-fail-on-data",
    .title = "SET NOT NULL fails when there are NULLs.",
    .severity = Severity::kInfo,
    .risk = Risk::kMedium,
    .why = "Nobody knows before it runs.",
    .fix =
        "Look first: SELECT 1 FROM table WHERE column IS NULL LIMIT 1; (--database does "
        "it for you), and fill them in batches.",
    .flagged = "ALTER TABLE users ALTER COLUMN email SET NOT NULL;",
    .clean = "SELECT 1 FROM users WHERE email IS NULL LIMIT 1;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
