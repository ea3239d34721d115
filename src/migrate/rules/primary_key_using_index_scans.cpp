// primary-key-using-index-scans: see the texts below, and primary-key-using-index-scans.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kUseIndex && a.constraint == ConstraintKind::kPrimary && a.works()) {
        sink.at(a,
                fmt::format("columns of {} may be NULL: all of {} is read under ACCESS EXCLUSIVE",
                            a.other, a.table));
    }
}

}  // namespace

const Rule rule_primary_key_using_index_scans{
    .name = "primary-key-using-index-scans",
    .title = "PRIMARY KEY USING INDEX on columns that may be NULL reads the whole table.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why = "The columns become NOT NULL: every row is looked at under ACCESS EXCLUSIVE.",
    .fix =
        "Make the columns NOT NULL first (CHECK NOT VALID, VALIDATE, SET NOT NULL, DROP "
        "CONSTRAINT).",
    .flagged = "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_id_idx; -- id is nullable",
    .clean = "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_id_idx; -- id is NOT NULL",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
