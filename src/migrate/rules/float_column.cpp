// float-column: see the texts below, and float-column.cases.
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
        if (type.name == "float4" || type.name == "float8") {
            report_column(sink, a, column, begin);
        }
    });
}

}  // namespace

const Rule rule_float_column{
    .name = "float-column",
    .title = "real and double precision round.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "0.1 + 0.2 is not 0.3: sums of amounts drift. Right for measurements, wrong for "
        "money and counts.",
    .fix = "numeric for exact values.",
    .flagged = "CREATE TABLE t (price double precision);",
    .clean = "CREATE TABLE t (price numeric(12,2));",
    .on = false,
    .step = check,
};

}  // namespace howdah::migrate::lint
