// detach-partition-blocks: see the texts below, and detach-partition-blocks.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kDetachPartition || a.fresh) {
        return;
    }
    std::vector<std::string> read;
    for (const TableEffect& effect : a.effects) {
        if (effect.works()) {
            read.push_back(effect.table);
        }
    }
    if (!read.empty()) {
        Report report{.begin = a.begin,
                      .end = a.end,
                      .message = fmt::format("detaching {} reads all of {}, whose foreign key "
                                             "points at {}, while writes to it wait",
                                             a.other, fmt::join(read, ", "), a.table),
                      .fix =
                          "An index on the key's columns makes the look-up short; drop the "
                          "foreign key first where it may go. Set a short lock_timeout and "
                          "retry.",
                      .action = &a,
                      .risk = Risk::kHigh};
        sink.add(std::move(report));
    } else if (!a.has(kConcurrently)) {
        const Table* parent = step.schema.find(a.table);
        const bool fallback = parent != nullptr && !parent->default_partition.empty();
        sink.at(a, fmt::format("detaching {} locks {} against reads and writes", a.other, a.table),
                fallback ? "The default partition forbids CONCURRENTLY: set a short lock_timeout "
                           "and retry, or detach in a window."
                         : "");
    }
}

}  // namespace

const Rule rule_detach_partition_blocks{
    .name = "detach-partition-blocks",
    .title =
        "DETACH PARTITION without CONCURRENTLY locks the parent and the partition against "
        "reads and writes.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "ACCESS EXCLUSIVE on the parent stops every query of the partitioned table while "
        "it waits for the running ones. Tables whose foreign keys point at the partitioned one "
        "are read, CONCURRENTLY or not, under a lock that stops their writes: no row may point "
        "at what goes.",
    .fix =
        "DETACH PARTITION ... CONCURRENTLY outside a transaction; it is refused while a "
        "default partition exists.",
    .versions = "CONCURRENTLY since 14.",
    .flagged = "ALTER TABLE events DETACH PARTITION events_2019;",
    .clean = "ALTER TABLE events DETACH PARTITION events_2019 CONCURRENTLY;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
