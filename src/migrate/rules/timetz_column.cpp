// timetz-column: see the texts below, and timetz-column.cases.
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
        if (type.name == "timetz") {
            report_column(sink, a, column, begin);
        }
    });
}

}  // namespace

const Rule rule_timetz_column{
    .name = "timetz-column",
    .title = "time with time zone has a zone but no date, so no daylight saving.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why = "PostgreSQL's own manual advises against it.",
    .fix = "time or timestamptz.",
    .flagged = "CREATE TABLE t (opens timetz);",
    .clean = "CREATE TABLE t (opens time);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
