// index-with-many-columns: see the texts below, and index-with-many-columns.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kCreateIndex && !a.has(kInlineUnique) && a.columns.size() > 3) {
        sink.at(a, fmt::format("{} has {} key columns", a.name, a.columns.size()));
    }
}

}  // namespace

const Rule rule_index_with_many_columns{
    .name = "index-with-many-columns",
    .title = "An index with more than three key columns is seldom used in full.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "The columns behind the first range condition only make it larger and each write "
        "slower.",
    .fix = "The columns compared with =, then one range; INCLUDE for what is only read.",
    .flagged = "CREATE INDEX i ON t (a, b, c, d);",
    .clean = "CREATE INDEX i ON t (a, b) INCLUDE (c, d);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
