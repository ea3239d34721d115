// add-not-null-column-without-default: see the texts below, and
// add-not-null-column-without-default.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddColumn && a.has(kNotNull) && !a.fresh &&
        !a.any(kHasDefault | kSerial | kIdentity | kGenerated)) {
        sink.at(a, fmt::format("adding {} NOT NULL without a default fails when {} has rows",
                               a.name, a.table));
    }
}

}  // namespace

const Rule rule_add_not_null_column_without_default{
    .name = "add-not-null-column-without-default",
    .title = "ADD COLUMN NOT NULL without a default fails when the table has rows.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why =
        "Existing rows would hold NULL: the statement fails on the first of them. And "
        "where the table is empty, inserts of the running application, which do not know "
        "the column, fail.",
    .fix =
        "Give a constant DEFAULT (no rewrite), or add it nullable, fill it in batches, "
        "and set NOT NULL the safe way.",
    .flagged = "ALTER TABLE orders ADD COLUMN region text NOT NULL;",
    .clean = "ALTER TABLE orders ADD COLUMN region text NOT NULL DEFAULT 'eu';",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
