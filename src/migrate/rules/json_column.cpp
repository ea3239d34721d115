// json-column: see the texts below, and json-column.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    for_each_new_column(a, [&](const PgQuery__ColumnDef& column, std::size_t begin) {
        const ColumnType type = type_of(column.type_name);
        if (type.name == "json") {
            report_column(sink, a, column, begin);
        }
    });
}

}  // namespace

const Rule rule_json_column{
    .name = "json-column",
    .title = "json has no equality operator: DISTINCT, GROUP BY and UNION over it fail.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "Queries that worked break as soon as the column is selected with DISTINCT; json "
        "cannot be indexed either.",
    .fix = "jsonb.",
    .flagged = "ALTER TABLE orders ADD COLUMN extra json;",
    .clean = "ALTER TABLE orders ADD COLUMN extra jsonb;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
