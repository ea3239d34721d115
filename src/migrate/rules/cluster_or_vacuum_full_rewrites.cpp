// cluster-or-vacuum-full-rewrites: see the texts below, and cluster-or-vacuum-full-rewrites.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if ((a.kind == ActionKind::kCluster || a.kind == ActionKind::kVacuumFull) && !a.fresh) {
        sink.at(a, fmt::format("{} is written anew under ACCESS EXCLUSIVE",
                               a.table.empty() ? "every table" : a.table));
    }
}

}  // namespace

const Rule rule_cluster_or_vacuum_full_rewrites{
    .name = "cluster-or-vacuum-full-rewrites",
    .title = "CLUSTER and VACUUM FULL write the whole table anew under ACCESS EXCLUSIVE.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Nothing can read or write the table until the copy and all its indexes are done; "
        "it needs as much free disk again.",
    .fix =
        "pg_repack or pg_squeeze, or a window; plain VACUUM frees space for reuse without "
        "the lock.",
    .versions = "19 has REPACK CONCURRENTLY.",
    .flagged = "VACUUM FULL orders;",
    .clean = "VACUUM orders;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
