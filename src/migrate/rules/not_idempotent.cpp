// not-idempotent: see the texts below, and not-idempotent.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    const bool kind = a.kind == ActionKind::kCreateTable || a.kind == ActionKind::kDropTable ||
                      a.kind == ActionKind::kCreateIndex || a.kind == ActionKind::kDropIndex ||
                      a.kind == ActionKind::kAddColumn || a.kind == ActionKind::kDropColumn ||
                      a.kind == ActionKind::kDropConstraint ||
                      a.kind == ActionKind::kCreateSchema || a.kind == ActionKind::kDropView;
    if (kind && !a.has(kIfExists) && !step.in_transaction) {
        sink.at(a, "fails when it is run again");
    }
}

}  // namespace

const Rule rule_not_idempotent{
    .name = "not-idempotent",
    .title = "The statement fails when it runs a second time.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "A migration that stopped half way outside a transaction is run again from the "
        "top; without IF [NOT] EXISTS it then fails on what is already there.",
    .fix = "IF NOT EXISTS, IF EXISTS.",
    .flagged = "CREATE TABLE t (a int);",
    .clean = "CREATE TABLE IF NOT EXISTS t (a int);",
    .on = false,
    .step = check,
};

}  // namespace howdah::migrate::lint
