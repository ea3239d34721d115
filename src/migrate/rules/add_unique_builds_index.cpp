// add-unique-builds-index: see the texts below, and add-unique-builds-index.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddConstraint && a.constraint == ConstraintKind::kUnique &&
        a.works()) {
        sink.at(a,
                fmt::format("the index of {} is built while {} is locked against reads and writes",
                            a.name, a.table));
    }
}

}  // namespace

const Rule rule_add_unique_builds_index{
    .name = "add-unique-builds-index",
    .title = "ADD UNIQUE builds its index under ACCESS EXCLUSIVE.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why = "Reads and writes wait until the whole table has been read and sorted.",
    .fix =
        "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT ... UNIQUE USING INDEX, "
        "which is instant.",
    .flagged = "ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email);",
    .clean =
        "ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE USING INDEX "
        "users_email_idx;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
