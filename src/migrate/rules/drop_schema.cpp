// drop-schema: see the texts below, and drop-schema.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kDropSchema) {
        sink.at(a, fmt::format("schema {} goes{}", a.name,
                               a.effects.empty() ? ""
                                                 : fmt::format(" with {} tables of this history",
                                                               a.effects.size())));
    }
}

}  // namespace

const Rule rule_drop_schema{
    .name = "drop-schema",
    .title = "DROP SCHEMA takes everything in it.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why = "Tables, data, functions and types go, and each table is locked ACCESS EXCLUSIVE.",
    .fix = "Drop the objects one by one, after the code that uses them is gone.",
    .flagged = "DROP SCHEMA app CASCADE;",
    .clean = "DROP TABLE app.sessions;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
