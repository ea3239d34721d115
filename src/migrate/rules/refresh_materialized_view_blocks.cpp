// refresh-materialized-view-blocks: see the texts below, and
// refresh-materialized-view-blocks.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kRefresh && !a.has(kConcurrently) && !a.fresh) {
        sink.at(a, fmt::format("nobody can read {} until its query has run", a.table),
                fmt::format("REFRESH MATERIALIZED VIEW CONCURRENTLY {};", sql_name(a.table)));
    }
}

}  // namespace

const Rule rule_refresh_materialized_view_blocks{
    .name = "refresh-materialized-view-blocks",
    .title = "REFRESH MATERIALIZED VIEW locks the view against reads until the query has run.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "ACCESS EXCLUSIVE on the view for the whole run of its query. CONCURRENTLY takes "
        "EXCLUSIVE: reads go on.",
    .fix = "REFRESH MATERIALIZED VIEW CONCURRENTLY (needs a unique index on the view).",
    .flagged = "REFRESH MATERIALIZED VIEW daily_totals;",
    .clean = "REFRESH MATERIALIZED VIEW CONCURRENTLY daily_totals;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
