// serial-column: see the texts below, and serial-column.cases.
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
        if (is_serial(type.name)) {
            report_column(sink, a, column, begin);
        }
    });
}

}  // namespace

const Rule rule_serial_column{
    .name = "serial-column",
    .title = "serial leaves the sequence with rights and owners of its own.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "Grants and dumps treat the sequence apart, and the default can be overwritten by "
        "hand; IDENTITY is the standard's form and has neither problem.",
    .fix = "GENERATED ALWAYS (or BY DEFAULT) AS IDENTITY.",
    .flagged = "CREATE TABLE t (id bigserial PRIMARY KEY);",
    .clean = "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
