// add-column-volatile-default-rewrites: see the texts below, and
// add-column-volatile-default-rewrites.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kAddColumn || !a.rewrites() ||
        !a.any(kVolatileDefault | kUnknownDefault)) {
        return;
    }
    const bool known = a.has(kVolatileDefault);
    Report report{
        .begin = a.begin,
        .end = a.end,
        .message = fmt::format(
            "the default of {} calls {}(), {}: all of {} is written anew", a.name, a.other,
            known ? "which is volatile"
                  : "which this history does not define (volatile unless declared otherwise)",
            describe_tables(a)),
        .confidence = known ? "certain" : "suspected",
        .action = &a};
    sink.add(std::move(report));
}

}  // namespace

const Rule rule_add_column_volatile_default_rewrites{
    .name = "add-column-volatile-default-rewrites",
    .title = "ADD COLUMN with a volatile default writes the whole table anew.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "A default that gives another value each time (gen_random_uuid(), "
        "clock_timestamp(), random(), nextval()) must be computed for every row: heap and "
        "indexes are rewritten under ACCESS EXCLUSIVE. Constants and stable functions "
        "such as now() are stored once and cost nothing.",
    .fix =
        "Add the column without a default, SET DEFAULT (for new rows), fill the old rows "
        "in batches.",
    .versions = "Before 11 every default rewrites.",
    .flagged = "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",
    .clean =
        "ALTER TABLE orders ADD COLUMN token uuid; ALTER TABLE orders ALTER COLUMN token "
        "SET DEFAULT gen_random_uuid();",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
