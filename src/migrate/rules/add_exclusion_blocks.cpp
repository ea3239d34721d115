// add-exclusion-blocks: see the texts below, and add-exclusion-blocks.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddConstraint && a.constraint == ConstraintKind::kExclude &&
        a.works()) {
        sink.at(a,
                fmt::format(
                    "the exclusion constraint is built while {} is locked against reads and writes",
                    a.table));
    }
}

}  // namespace

const Rule rule_add_exclusion_blocks{
    .name = "add-exclusion-blocks",
    .title = "ADD EXCLUDE builds its index and checks every row under ACCESS EXCLUSIVE.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why = "There is no NOT VALID and no USING INDEX for exclusion constraints.",
    .fix =
        "A new table with the constraint that is filled in batches, or a maintenance "
        "window.",
    .flagged = "ALTER TABLE bookings ADD EXCLUDE USING gist (room WITH =, during WITH &&);",
    .clean =
        "CREATE TABLE bookings_new (LIKE bookings, EXCLUDE USING gist (room WITH =, "
        "during WITH &&));",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
