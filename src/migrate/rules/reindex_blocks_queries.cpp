// reindex-blocks-queries: see the texts below, and reindex-blocks-queries.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kReindex && !a.has(kConcurrently) && !a.fresh) {
        sink.at(a, fmt::format("REINDEX of {} blocks writes and most reads", a.name));
    }
}

}  // namespace

const Rule rule_reindex_blocks_queries{
    .name = "reindex-blocks-queries",
    .title = "REINDEX without CONCURRENTLY blocks writes, and most reads with them.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "SHARE on the table blocks writes; ACCESS EXCLUSIVE on the index stops the "
        "planner, which opens every index of a table, so that nearly all queries wait "
        "until the build is done.",
    .fix =
        "REINDEX ... CONCURRENTLY outside a transaction; drop what a cut run leaves "
        "behind (names that end in _ccnew or _ccold).",
    .versions = "CONCURRENTLY since 12.",
    .flagged = "REINDEX TABLE orders;",
    .clean = "REINDEX TABLE CONCURRENTLY orders;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
