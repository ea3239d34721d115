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
        sink.at(a, a.name.empty()
                       ? std::string("what this EXECUTE runs is known only at run time")
                       : fmt::format("what {}() does is not told by this history", a.name));
    }
}

}  // namespace

const Rule rule_dynamic_sql_not_seen{
    .name = "dynamic-sql-not-seen",
    .title = "What the statement runs is not in the migrations: it is not judged.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "EXECUTE of a computed text, a function that no migration here makes, and psql's \\i and "
        "\\gexec may do anything; this linter follows literals, format() and the functions that it "
        "has read.",
    .fix = "Write the statements out, or run lint --trace.",
    .flagged = "DO $$ BEGIN EXECUTE 'DROP TABLE ' || name; END $$;",
    .clean = "DROP TABLE sessions;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
