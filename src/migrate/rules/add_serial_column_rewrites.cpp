// add-serial-column-rewrites: see the texts below, and add-serial-column-rewrites.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddColumn && a.any(kSerial | kIdentity) && a.rewrites()) {
        sink.at(a, fmt::format("numbering {} writes all of {} anew", a.name, describe_tables(a)));
    }
}

}  // namespace

const Rule rule_add_serial_column_rewrites{
    .name = "add-serial-column-rewrites",
    .title = "ADD COLUMN serial or IDENTITY writes the whole table anew.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Every row gets a number from the sequence: a volatile default, so heap and "
        "indexes are rewritten under ACCESS EXCLUSIVE.",
    .fix =
        "Add a bigint column, create a sequence, SET DEFAULT nextval(...), fill the old "
        "rows in batches.",
    .flagged = "ALTER TABLE orders ADD COLUMN number bigserial;",
    .clean = "ALTER TABLE orders ADD COLUMN number bigint;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
