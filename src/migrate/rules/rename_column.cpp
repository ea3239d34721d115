// rename-column: see the texts below, and rename-column.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kRenameColumn && !a.fresh) {
        sink.at(a, fmt::format("code that uses {}.{} fails from now on", a.table, a.name));
    }
}

}  // namespace

const Rule rule_rename_column{
    .name = "rename-column",
    .title = "RENAME COLUMN breaks code that uses the old name.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "There is no moment in which old and new code both work: whichever runs with the "
        "wrong schema fails.",
    .fix =
        "Add the new column, keep both equal by a trigger, move the code, drop the old "
        "one; or rename and put an updatable view with the old name over it in one "
        "transaction.",
    .flagged = "ALTER TABLE users RENAME COLUMN mail TO email;",
    .clean = "ALTER TABLE users ADD COLUMN email text;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
