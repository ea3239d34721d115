// drop-cascade: see the texts below, and drop-cascade.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    const bool covered = a.kind == ActionKind::kTruncate || a.kind == ActionKind::kDropSchema ||
                         a.kind == ActionKind::kOther || a.kind == ActionKind::kAlterTable;
    if (a.has(kCascade) && !covered && !a.fresh) {
        sink.at(a, fmt::format("CASCADE takes whatever depends on {}",
                               a.name.empty() ? a.table : a.name));
    }
}

}  // namespace

const Rule rule_drop_cascade{
    .name = "drop-cascade",
    .title = "DROP ... CASCADE takes objects that are not named.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Views, foreign keys, defaults and functions that depend on the object go with "
        "it, without a word; foreign keys pull their tables into the lock.",
    .fix = "Drop each dependent object by name, then the object without CASCADE.",
    .flagged = "DROP TABLE customers CASCADE;",
    .clean = "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey; DROP TABLE customers;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
