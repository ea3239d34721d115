// timestamp-without-time-zone: see the texts below, and timestamp-without-time-zone.cases.
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
        if (type.name == "timestamp") {
            report_column(sink, a, column, begin);
        }
    });
}

}  // namespace

const Rule rule_timestamp_without_time_zone{
    .name = "timestamp-without-time-zone",
    .title = "timestamp without time zone does not say which moment it means.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "The same value means another moment for a session with another zone, and "
        "changing the type later rewrites the table unless the session runs in UTC.",
    .fix = "timestamptz.",
    .flagged = "CREATE TABLE t (made timestamp DEFAULT now());",
    .clean = "CREATE TABLE t (made timestamptz DEFAULT now());",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
