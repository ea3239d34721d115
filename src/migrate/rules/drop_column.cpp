// drop-column: see the texts below, and drop-column.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kDropColumn || a.fresh) {
        return;
    }
    std::string with;
    if (const Table* table = step.schema.find(a.table)) {
        for (const TableConstraint& constraint : table->constraints) {
            const bool holds =
                std::ranges::find(constraint.columns, a.name) != constraint.columns.end();
            if (holds && constraint.kind != ConstraintKind::kCheck) {
                with += (with.empty() ? "; with it goes " : ", ") + constraint.name;
            }
        }
    }
    sink.at(a, fmt::format("{}.{} and its values are gone{}", a.table, a.name, with));
}

}  // namespace

const Rule rule_drop_column{
    .name = "drop-column",
    .title = "DROP COLUMN loses data and breaks code that still uses the column.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Running application code that reads or writes the column fails at once; the "
        "values are gone when it commits. Indexes and constraints that hold the column go "
        "with it, silently.",
    .fix = "Stop using the column, deploy, then drop it in a later migration.",
    .flagged = "ALTER TABLE users DROP COLUMN nickname;",
    .clean =
        "ALTER TABLE users ALTER COLUMN nickname DROP NOT NULL; -- now; drop it after the "
        "deploy",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
