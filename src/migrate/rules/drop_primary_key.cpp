// drop-primary-key: see the texts below, and drop-primary-key.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Transaction& run, Sink& sink) {
    for (const Action* a : run.actions) {
        if (a->kind != ActionKind::kDropConstraint || a->fresh ||
            a->constraint != ConstraintKind::kPrimary) {
            continue;
        }
        const Table* table = run.schema.find(a->table);
        if (table != nullptr && table->primary_key() != nullptr) {
            continue;
        }
        const bool published = run.schema.published.find(a->table) != nullptr;
        Report report{
            .begin = a->begin,
            .end = a->end,
            .message = fmt::format(
                "{} has no primary key any more{}", a->table,
                published ? "; it is in a publication, so its UPDATE and DELETE will fail" : ""),
            .action = a};
        sink.add(std::move(report));
    }
}

}  // namespace

const Rule rule_drop_primary_key{
    .name = "drop-primary-key",
    .title = "Dropping a primary key may stop replication and lets duplicates in.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "The primary key is the default replica identity: UPDATE and DELETE on a "
        "published table fail without it. ORMs and upserts (ON CONFLICT) rely on it too.",
    .fix =
        "Put the new key in its place in the same transaction (USING INDEX), or set "
        "REPLICA IDENTITY USING INDEX first.",
    .flagged = "ALTER TABLE orders DROP CONSTRAINT orders_pkey;",
    .clean = "ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_id_idx;",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
