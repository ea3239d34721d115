// replica-identity-nothing: see the texts below, and replica-identity-nothing.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kReplicaIdentity && a.name == "n" && !a.fresh) {
        sink.at(a, fmt::format("UPDATE and DELETE on {} fail once it is published", a.table));
    }
}

}  // namespace

const Rule rule_replica_identity_nothing{
    .name = "replica-identity-nothing",
    .title = "REPLICA IDENTITY NOTHING makes UPDATE and DELETE of a published table fail.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Logical replication then has nothing to find the row by. FULL works, but writes "
        "whole rows to the WAL.",
    .fix =
        "REPLICA IDENTITY DEFAULT (the primary key) or USING INDEX a unique index of NOT "
        "NULL columns.",
    .flagged = "ALTER TABLE orders REPLICA IDENTITY NOTHING;",
    .clean = "ALTER TABLE orders REPLICA IDENTITY DEFAULT;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
