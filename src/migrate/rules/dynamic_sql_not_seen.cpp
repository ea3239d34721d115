// dynamic-sql-not-seen: see the texts below, and dynamic-sql-not-seen.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kExecuteUnknown) {
        sink.at(a, "what this EXECUTE runs is known only at run time");
    }
}

}  // namespace

const Rule rule_dynamic_sql_not_seen{
    .name = "dynamic-sql-not-seen",
    .title = "The statement's text is put together at run time: it is not judged.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "EXECUTE of a computed text may do anything; this linter follows literals and "
        "format() only.",
    .fix = "Write the statements out, or run lint --trace.",
    .flagged = "DO $$ BEGIN EXECUTE 'DROP TABLE ' || name; END $$;",
    .clean = "DROP TABLE sessions;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
