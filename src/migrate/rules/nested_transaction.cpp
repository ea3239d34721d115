// nested-transaction: see the texts below, and nested-transaction.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    const bool boundary = a.kind == ActionKind::kBegin || a.kind == ActionKind::kCommit ||
                          a.kind == ActionKind::kRollback;
    if (boundary && step.in_transaction && step.setting.tool != Tool::kPlain &&
        step.setting.tool != Tool::kSqitch && !step.implicit_transaction && !a.nested &&
        step.tool_transaction) {
        sink.at(a,
                fmt::format("{} has opened a transaction already", tool_name(step.setting.tool)));
    } else if (a.kind == ActionKind::kBegin && step.in_transaction && !step.tool_transaction) {
        sink.at(a, "the file has begun a transaction already: this BEGIN only warns");
    }
}

}  // namespace

const Rule rule_nested_transaction{
    .name = "nested-transaction",
    .title = "BEGIN or COMMIT inside a transaction that is open already.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "BEGIN does nothing there but warn; COMMIT ends the tool's transaction in the "
        "middle of the file, so that a later failure leaves half of it applied and the "
        "tool's history row outside.",
    .fix =
        "Leave BEGIN and COMMIT to the tool, or tell it to run the file without a "
        "transaction.",
    .flagged = "BEGIN; ALTER TABLE t ADD COLUMN a int; COMMIT; -- in a Drizzle migration",
    .clean = "ALTER TABLE t ADD COLUMN a int;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
