// drop-index-blocks-queries: see the texts below, and drop-index-blocks-queries.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kDropIndex && !a.has(kConcurrently) && !a.fresh) {
        sink.at(a,
                fmt::format("dropping {} locks {} against reads and writes", a.name,
                            describe_tables(a)),
                fmt::format("DROP INDEX CONCURRENTLY {};", sql_name(a.name)));
    }
}

}  // namespace

const Rule rule_drop_index_blocks_queries{
    .name = "drop-index-blocks-queries",
    .title = "DROP INDEX without CONCURRENTLY blocks reads and writes while it waits.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "It takes ACCESS EXCLUSIVE on the table. The drop itself is short, but it waits "
        "for every running query, and everything else waits behind it.",
    .fix =
        "DROP INDEX CONCURRENTLY outside a transaction. An index that backs a constraint "
        "goes with ALTER TABLE ... DROP CONSTRAINT.",
    .flagged = "DROP INDEX orders_customer_idx;",
    .clean = "DROP INDEX CONCURRENTLY orders_customer_idx;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
