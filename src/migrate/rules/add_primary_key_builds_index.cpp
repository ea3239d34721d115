// add-primary-key-builds-index: see the texts below, and add-primary-key-builds-index.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddConstraint && a.constraint == ConstraintKind::kPrimary &&
        a.works()) {
        sink.at(a,
                fmt::format(
                    "the primary key's index is built while {} is locked against reads and writes",
                    a.table));
    }
}

}  // namespace

const Rule rule_add_primary_key_builds_index{
    .name = "add-primary-key-builds-index",
    .title = "ADD PRIMARY KEY builds an index (and looks for NULLs) under ACCESS EXCLUSIVE.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why = "Reads and writes wait until the whole table has been read and sorted.",
    .fix =
        "CREATE UNIQUE INDEX CONCURRENTLY, make the columns NOT NULL the safe way, then "
        "ADD PRIMARY KEY USING INDEX.",
    .flagged = "ALTER TABLE orders ADD PRIMARY KEY (id);",
    .clean =
        "ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX "
        "orders_id_idx;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
