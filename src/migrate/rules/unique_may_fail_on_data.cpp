// unique-may-fail-on-data: see the texts below, and unique-may-fail-on-data.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    const bool index = a.kind == ActionKind::kCreateIndex && a.has(kInlineUnique);
    const bool constraint =
        a.kind == ActionKind::kAddConstraint &&
        (a.constraint == ConstraintKind::kUnique || a.constraint == ConstraintKind::kPrimary);
    if ((index || constraint) && !a.fresh && !a.columns.empty() &&
        std::ranges::find(a.columns, "") == a.columns.end()) {
        const std::string columns = sql_names(a.columns);
        sink.at(
            a, fmt::format("fails when ({}) of {} holds duplicates", columns, a.table),
            fmt::format("SELECT {0}, count(*) FROM {1} GROUP BY {0} HAVING count(*) > 1 LIMIT 5;",
                        columns, sql_name(a.table)));
    }
}

}  // namespace

const Rule rule_unique_may_fail_on_data{
    .name = "unique-may-fail-on-data",
    .title = "A new UNIQUE index or constraint fails when there are duplicates.",
    .severity = Severity::kInfo,
    .risk = Risk::kMedium,
    .why =
        "Nobody knows before it runs. A failed CREATE UNIQUE INDEX CONCURRENTLY leaves an "
        "invalid index that slows every write.",
    .fix =
        "Count first: SELECT columns, count(*) FROM table GROUP BY columns HAVING "
        "count(*) > 1 LIMIT 5; (--database does it for you).",
    .flagged = "CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email);",
    .clean = "SELECT email, count(*) FROM users GROUP BY email HAVING count(*) > 1 LIMIT 5;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
