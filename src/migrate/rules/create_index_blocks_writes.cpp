// create-index-blocks-writes: see the texts below, and create-index-blocks-writes.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kCreateIndex && !a.has(kConcurrently) && a.builds()) {
        sink.at(a, fmt::format("building {} blocks writes to {}", a.name, describe_tables(a)));
    }
}

}  // namespace

const Rule rule_create_index_blocks_writes{
    .name = "create-index-blocks-writes",
    .title = "CREATE INDEX without CONCURRENTLY blocks every write until the index is built.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "The build holds SHARE on the table (on a partitioned table: on every partition) "
        "and reads all of it. Inserts, updates and deletes wait until it is done; queries "
        "behind them in the lock queue wait too.",
    .fix =
        "CREATE INDEX CONCURRENTLY in a migration of its own, outside a transaction. On a "
        "partitioned table: CREATE INDEX ON ONLY the parent, CREATE INDEX CONCURRENTLY on "
        "each partition, ALTER INDEX ... ATTACH PARTITION.",
    .versions =
        "All. PostgreSQL 14.0 to 14.3 could corrupt an index built CONCURRENTLY: use 14.4 "
        "or newer.",
    .flagged = "CREATE INDEX orders_customer_idx ON orders (customer_id);",
    .clean = "CREATE INDEX CONCURRENTLY orders_customer_idx ON orders (customer_id);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
