// add-generated-column-rewrites: see the texts below, and add-generated-column-rewrites.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddColumn && a.has(kGenerated) && a.rewrites()) {
        sink.at(a, fmt::format("{} is computed for every row of {} under ACCESS EXCLUSIVE", a.name,
                               describe_tables(a)));
    }
}

}  // namespace

const Rule rule_add_generated_column_rewrites{
    .name = "add-generated-column-rewrites",
    .title = "ADD COLUMN ... GENERATED ALWAYS AS ... STORED writes the whole table anew.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why = "The value of every row is computed and stored under ACCESS EXCLUSIVE.",
    .fix =
        "A plain column, a trigger that fills it, and a batched backfill; or compute it "
        "in the query or a view.",
    .versions = "18 has VIRTUAL generated columns, which need no rewrite.",
    .flagged =
        "ALTER TABLE orders ADD COLUMN gross numeric GENERATED ALWAYS AS (net * 1.19) "
        "STORED;",
    .clean = "ALTER TABLE orders ADD COLUMN gross numeric;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
