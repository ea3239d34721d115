// partitioned-table-refuses: see the texts below, and partitioned-table-refuses.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    const Table* table = step.schema.find(a.table);
    if (table == nullptr || table->kind != TableKind::kPartitioned) {
        return;
    }
    if (a.kind == ActionKind::kCreateIndex && a.has(kConcurrently) && !a.has(kOnly)) {
        sink.at(a, fmt::format("{} is partitioned: CREATE INDEX CONCURRENTLY fails on it", a.table),
                fmt::format("CREATE INDEX ... ON ONLY {}; then CREATE INDEX CONCURRENTLY on each "
                            "partition; then ALTER INDEX ... ATTACH PARTITION",
                            sql_name(a.table)));
    } else if (a.kind == ActionKind::kDropIndex && a.has(kConcurrently)) {
        sink.at(a, fmt::format("{} is partitioned: DROP INDEX CONCURRENTLY fails on it", a.table),
                "DROP INDEX with a short lock_timeout");
    } else if (a.kind == ActionKind::kAddConstraint && a.has(kNotValid) &&
               a.constraint == ConstraintKind::kForeign && step.setting.postgres < 18) {
        sink.at(a,
                fmt::format("{} is partitioned: a foreign key cannot be NOT VALID on it", a.table),
                "add it NOT VALID to each partition, VALIDATE there, then to the parent");
    } else if (a.kind == ActionKind::kDetachPartition && a.has(kConcurrently) &&
               !table->default_partition.empty()) {
        sink.at(a,
                fmt::format("{} has a default partition: DETACH ... CONCURRENTLY fails", a.table),
                "DETACH PARTITION with a short lock_timeout");
    }
}

}  // namespace

const Rule rule_partitioned_table_refuses{
    .name = "partitioned-table-refuses",
    .title = "A statement that PostgreSQL refuses on a partitioned table.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why =
        "CREATE and DROP INDEX CONCURRENTLY, foreign keys that are NOT VALID, and DETACH ... "
        "CONCURRENTLY beside a default partition are errors when they run.",
    .fix = "The same partition by partition.",
    .versions = "NOT VALID foreign keys on partitioned tables: allowed from 18.",
    .flagged = "CREATE INDEX CONCURRENTLY events_at ON events (at); -- events is partitioned",
    .clean = "CREATE INDEX events_at ON ONLY events (at);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
