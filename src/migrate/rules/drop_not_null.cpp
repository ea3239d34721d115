// drop-not-null: see the texts below, and drop-not-null.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kDropNotNull && !a.fresh) {
        sink.at(a, fmt::format("{}.{} may be NULL from now on", a.table, a.name));
    }
}

}  // namespace

const Rule rule_drop_not_null{
    .name = "drop-not-null",
    .title = "DROP NOT NULL lets NULLs in that the running code may not expect.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "Code that reads the column was written for values; new writers may now store "
        "NULL.",
    .fix = "Teach the readers first, then drop NOT NULL.",
    .flagged = "ALTER TABLE users ALTER COLUMN email DROP NOT NULL;",
    .clean = "ALTER TABLE users ALTER COLUMN email SET DEFAULT '';",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
