// add-column-inline-constraint: see the texts below, and add-column-inline-constraint.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddColumn && a.any(kInlineCheck | kInlineUnique | kInlinePrimary) &&
        a.works()) {
        sink.at(a, fmt::format("the {} of {} {} {} under ACCESS EXCLUSIVE",
                               a.has(kInlineCheck)    ? "CHECK"
                               : a.has(kInlineUnique) ? "UNIQUE"
                                                      : "PRIMARY KEY",
                               a.name, a.has(kInlineCheck) ? "reads all of" : "builds an index on",
                               a.table));
    }
}

}  // namespace

const Rule rule_add_column_inline_constraint{
    .name = "add-column-inline-constraint",
    .title =
        "ADD COLUMN with CHECK, UNIQUE or PRIMARY KEY does that constraint's work under "
        "ACCESS EXCLUSIVE.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "An inline CHECK reads the whole table, UNIQUE and PRIMARY KEY build an index, "
        "all while reads and writes wait.",
    .fix =
        "Add the bare column, then the constraint by its own safe way (NOT VALID and "
        "VALIDATE; unique index CONCURRENTLY and USING INDEX).",
    .flagged = "ALTER TABLE orders ADD COLUMN code text UNIQUE;",
    .clean = "ALTER TABLE orders ADD COLUMN code text;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
