// trigger-change-blocks: see the texts below, and trigger-change-blocks.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    const bool trigger = a.kind == ActionKind::kCreateTrigger ||
                         a.kind == ActionKind::kToggleTrigger || a.kind == ActionKind::kDropTrigger;
    if (trigger && !a.fresh && !step.lock_timeout_set) {
        const bool drop = a.kind == ActionKind::kDropTrigger;
        Report report{.begin = a.begin,
                      .end = a.end,
                      .message = fmt::format("the trigger change locks {} against {}", a.table,
                                             drop ? "reads and writes" : "writes"),
                      .action = &a,
                      .risk = drop ? Risk::kMedium : Risk::kLow};
        sink.add(std::move(report));
    }
}

}  // namespace

const Rule rule_trigger_change_blocks{
    .name = "trigger-change-blocks",
    .title = "Creating, enabling, disabling or dropping a trigger locks the table.",
    .severity = Severity::kWarning,
    .risk = Risk::kLow,
    .why =
        "CREATE, ENABLE and DISABLE TRIGGER block writes (SHARE ROW EXCLUSIVE), DROP "
        "TRIGGER reads too (ACCESS EXCLUSIVE). All are short, but they wait for running "
        "queries and everything waits behind them.",
    .fix = "A short lock_timeout with retries.",
    .flagged = "DROP TRIGGER audit ON orders;",
    .clean = "SET lock_timeout = '2s'; DROP TRIGGER audit ON orders;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
