// data-change-without-where: see the texts below, and data-change-without-where.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if ((a.kind == ActionKind::kUpdate || a.kind == ActionKind::kDelete) && a.has(kNoWhere) &&
        !a.has(kBatched) && !a.fresh) {
        sink.at(a, fmt::format("every row of {} is {} at once", a.table,
                               a.kind == ActionKind::kUpdate ? "written" : "deleted"));
    }
}

}  // namespace

const Rule rule_data_change_without_where{
    .name = "data-change-without-where",
    .title = "UPDATE or DELETE without WHERE changes every row in one transaction.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "It holds row locks on all rows to the end, doubles the table (UPDATE), floods "
        "WAL and replicas, and loses what DELETE takes.",
    .fix =
        "Key-range batches outside the schema change, with a commit each: howdah migrate makes "
        "them where `-- howdah:backfill` stands in front.",
    .flagged = "UPDATE orders SET region = 'eu';",
    .clean = "UPDATE orders SET region = 'eu' WHERE id BETWEEN 1 AND 10000 AND region IS NULL;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
