// add-column-references: see the texts below, and add-column-references.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kAddColumn || !a.has(kInlineForeign) || a.fresh) {
        return;
    }
    const bool filled = a.any(kHasDefault | kSerial | kIdentity | kGenerated);
    if (filled && a.works()) {
        Report report{.begin = a.begin,
                      .end = a.end,
                      .message = fmt::format("the default of {} is looked up for every row of {}",
                                             a.name, a.table),
                      .action = &a,
                      .risk = Risk::kHigh};
        sink.add(std::move(report));
    }
}

}  // namespace

const Rule rule_add_column_references{
    .name = "add-column-references",
    .title =
        "ADD COLUMN ... REFERENCES also locks the referenced table against writes; with a "
        "default it checks every row.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "SHARE ROW EXCLUSIVE on the referenced table. Without a default there is nothing "
        "to check, so it is short; with one, every row is looked up.",
    .fix =
        "Set lock_timeout. With a default: add the column, then the foreign key NOT "
        "VALID, then VALIDATE.",
    .flagged = "ALTER TABLE orders ADD COLUMN region_id int DEFAULT 1 REFERENCES regions (id);",
    .clean = "ALTER TABLE orders ADD COLUMN region_id int DEFAULT 1;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
