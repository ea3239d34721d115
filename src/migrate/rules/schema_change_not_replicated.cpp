// schema-change-not-replicated: see the texts below, and schema-change-not-replicated.cases.
#include <fmt/format.h>

#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.fresh || step.schema.published.find(a.table) == nullptr) {
        return;
    }
    const bool first = a.kind == ActionKind::kAddColumn || a.kind == ActionKind::kAlterType ||
                       a.kind == ActionKind::kDropNotNull;
    const bool last = a.kind == ActionKind::kDropColumn;
    const bool both = a.kind == ActionKind::kRenameColumn || a.kind == ActionKind::kRenameTable;
    if (first || last || both) {
        sink.at(a, fmt::format("{} is published: make this change on the subscribers {}", a.table,
                               first  ? "first"
                               : last ? "afterwards"
                                      : "in the same moment, with the subscription disabled"));
    }
}

}  // namespace

const Rule rule_schema_change_not_replicated{
    .name = "schema-change-not-replicated",
    .title = "Logical replication carries rows, not schema changes.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "A subscriber without the new column, or with another type, stops with an error at the "
        "first row that has it, and WAL piles up on the publisher until it is there.",
    .fix =
        "What adds: subscribers first, then the publisher. What drops: the publisher first. What "
        "renames: disable the subscription, change both, enable it.",
    .flagged =
        "CREATE PUBLICATION p FOR TABLE orders; -- earlier\nALTER TABLE orders ADD COLUMN note "
        "text;",
    .clean = "ALTER TABLE unpublished ADD COLUMN note text;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
