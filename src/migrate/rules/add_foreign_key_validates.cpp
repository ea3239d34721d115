// add-foreign-key-validates: see the texts below, and add-foreign-key-validates.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddConstraint && a.constraint == ConstraintKind::kForeign &&
        !a.has(kNotValid) && a.works()) {
        sink.at(a, fmt::format("adding {} blocks writes to {} and {} while every row is checked",
                               a.name, a.table, a.other));
    }
}

}  // namespace

const Rule rule_add_foreign_key_validates{
    .name = "add-foreign-key-validates",
    .title =
        "ADD FOREIGN KEY without NOT VALID blocks writes to both tables while all rows "
        "are checked.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why = "It takes SHARE ROW EXCLUSIVE on both tables and joins them to check every row.",
    .fix =
        "ADD CONSTRAINT ... NOT VALID, commit, then VALIDATE CONSTRAINT in a later "
        "transaction (which blocks no reads or writes).",
    .versions = "NOT VALID is impossible on a partitioned table before 18.",
    .flagged =
        "ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) "
        "REFERENCES customers (id);",
    .clean =
        "ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) "
        "REFERENCES customers (id) NOT VALID;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
