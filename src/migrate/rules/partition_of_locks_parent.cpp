// partition-of-locks-parent: see the texts below, and partition-of-locks-parent.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kCreateTable && !a.other.empty() && !a.fresh) {
        const bool scan = a.works();
        Report report{
            .begin = a.begin,
            .end = a.end,
            .message = fmt::format("creating {} locks {} against reads and writes{}", a.table,
                                   a.other, scan ? " and reads its default partition" : ""),
            .action = &a,
            .risk = scan ? Risk::kHigh : Risk::kMedium};
        sink.add(std::move(report));
    }
}

}  // namespace

const Rule rule_partition_of_locks_parent{
    .name = "partition-of-locks-parent",
    .title =
        "CREATE TABLE ... PARTITION OF locks the parent against reads and writes, and "
        "reads the default partition.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "ACCESS EXCLUSIVE on the partitioned table until the transaction ends; a default "
        "partition is read whole to prove that no row belongs into the new one.",
    .fix =
        "CREATE TABLE (LIKE parent), then ATTACH PARTITION, which takes SHARE UPDATE "
        "EXCLUSIVE on the parent.",
    .flagged =
        "CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO "
        "('2028-01-01');",
    .clean =
        "CREATE TABLE events_2027 (LIKE events INCLUDING ALL); ALTER TABLE events ATTACH "
        "PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
