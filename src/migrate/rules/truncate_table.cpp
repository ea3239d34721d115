// truncate-table: see the texts below, and truncate-table.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kTruncate && !a.fresh) {
        std::string spread;
        for (const TableEffect& effect : a.effects) {
            if (effect.second) {
                spread += (spread.empty() ? " and " : ", ") + effect.table;
            }
        }
        sink.at(a, fmt::format("all rows of {}{} are gone{}", a.table, spread,
                               a.has(kCascade) && spread.empty()
                                   ? ", and those of tables that reference it"
                                   : ""));
    }
}

}  // namespace

const Rule rule_truncate_table{
    .name = "truncate-table",
    .title =
        "TRUNCATE takes ACCESS EXCLUSIVE and all rows; CASCADE takes those of referencing "
        "tables too.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "The rows are gone once it commits. CASCADE spreads along foreign keys to tables "
        "that are not named.",
    .fix = "DELETE in batches, or name every table that is meant.",
    .flagged = "TRUNCATE orders CASCADE;",
    .clean = "DELETE FROM orders WHERE id BETWEEN 1 AND 10000;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
