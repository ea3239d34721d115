// drop-constraint: see the texts below, and drop-constraint.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Transaction& run, Sink& sink) {
    for (const Action* a : run.actions) {
        if (a->kind != ActionKind::kDropConstraint || a->fresh ||
            a->constraint == ConstraintKind::kPrimary || a->has(kProvedNotNull)) {
            continue;
        }
        const bool helper = std::ranges::any_of(run.actions, [&](const Action* other) {
            return (other->kind == ActionKind::kSetNotNull ||
                    other->kind == ActionKind::kAddConstraint ||
                    other->kind == ActionKind::kUseIndex) &&
                   other->table == a->table;
        });
        if (!helper) {
            sink.at(*a, fmt::format("nothing checks {} on {} any more", a->name, a->table));
        }
    }
}

}  // namespace

const Rule rule_drop_constraint{
    .name = "drop-constraint",
    .title = "DROP CONSTRAINT lets data in that the constraint kept out.",
    .severity = Severity::kWarning,
    .risk = Risk::kLow,
    .why =
        "Once bad rows are there the constraint cannot come back without a clean-up. A "
        "foreign key's drop also locks the referenced table.",
    .fix = "Be sure that nothing relies on it; keep the definition for the way back.",
    .flagged = "ALTER TABLE orders DROP CONSTRAINT orders_total_check;",
    .clean = "ALTER TABLE orders VALIDATE CONSTRAINT orders_total_check;",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
