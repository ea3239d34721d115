// change-column-type-rebuilds: see the texts below, and change-column-type-rebuilds.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kAlterType || a.fresh || a.rewrites() ||
        a.change == TypeChange::kNothing) {
        return;
    }
    if (a.works()) {
        sink.at(a, fmt::format("changing {} to {} {} on {}", a.name, to_sql(a.to),
                               a.builds() ? "builds its indexes anew"
                                          : "reads every row to prove a CHECK again",
                               a.table));
    }
}

}  // namespace

const Rule rule_change_column_type_rebuilds{
    .name = "change-column-type-rebuilds",
    .title =
        "The type change keeps the rows but builds indexes anew or checks constraints "
        "again.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "A changed collation rebuilds every index of the column; a CHECK on the column is "
        "proved again for every row; a foreign key locks its other table, all under "
        "ACCESS EXCLUSIVE.",
    .fix =
        "Drop and add the CHECK around it as NOT VALID and validate later; build the "
        "index for the new collation on a new column.",
    .flagged = "ALTER TABLE users ALTER COLUMN name TYPE text COLLATE \"C\";",
    .clean = "CREATE INDEX CONCURRENTLY users_name_c ON users (name COLLATE \"C\");",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
