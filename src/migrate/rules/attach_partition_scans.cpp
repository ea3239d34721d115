// attach-partition-scans: see the texts below, and attach-partition-scans.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kAttachPartition || a.fresh) {
        return;
    }
    for (const TableEffect& effect : a.effects) {
        if (effect.works()) {
            sink.at(a, fmt::format("attaching {} {} {} under {}", a.other,
                                   effect.build ? "builds an index on" : "reads all of",
                                   effect.table, lock_name(effect.lock)));
        }
    }
}

}  // namespace

const Rule rule_attach_partition_scans{
    .name = "attach-partition-scans",
    .title =
        "ATTACH PARTITION reads the new partition, and the default partition, under "
        "ACCESS EXCLUSIVE.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Each row must be proved to fit the bounds. A validated CHECK that implies the "
        "bounds (and NOT NULL of the key) saves the scan of the new partition; one that "
        "excludes them saves that of the default partition. Indexes of the parent that the new "
        "partition has not are built, foreign keys that it has not are checked, under the same "
        "lock. The parent itself takes only SHARE UPDATE EXCLUSIVE.",
    .fix =
        "ADD CHECK ... NOT VALID on the partition (and the opposite on the default "
        "partition), VALIDATE, build the parent's indexes on it CONCURRENTLY, give it the "
        "parent's foreign keys (NOT VALID, VALIDATE), then ATTACH, then drop the checks.",
    .versions = "Before 12 the parent was locked ACCESS EXCLUSIVE.",
    .flagged =
        "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') "
        "TO ('2027-01-01');",
    .clean =
        "ALTER TABLE events_2026 ADD CONSTRAINT fits CHECK (at >= '2026-01-01' AND at < "
        "'2027-01-01') NOT VALID;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
