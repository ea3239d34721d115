// char-column: see the texts below, and char-column.cases.
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
        if (type.name == "bpchar") {
            report_column(sink, a, column, begin);
        }
    });
}

}  // namespace

const Rule rule_char_column{
    .name = "char-column",
    .title = "char(n) pads with blanks and is never faster than text.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "Values come back with trailing blanks, comparisons ignore them, LIKE and casts "
        "do not.",
    .fix = "text, with a CHECK on the length where one is needed.",
    .flagged = "CREATE TABLE t (code char(3));",
    .clean = "CREATE TABLE t (code text CHECK (length(code) = 3));",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
