// add-check-validates: see the texts below, and add-check-validates.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddConstraint && a.constraint == ConstraintKind::kCheck &&
        !a.has(kNotValid) && a.works()) {
        sink.at(a, fmt::format("adding {} reads all of {} under ACCESS EXCLUSIVE", a.name,
                               describe_tables(a)));
    }
}

}  // namespace

const Rule rule_add_check_validates{
    .name = "add-check-validates",
    .title = "ADD CHECK without NOT VALID blocks reads and writes while all rows are checked.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why = "ADD CHECK takes ACCESS EXCLUSIVE and reads the whole table under it.",
    .fix = "ADD CONSTRAINT ... NOT VALID, commit, then VALIDATE CONSTRAINT.",
    .flagged = "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0);",
    .clean = "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
