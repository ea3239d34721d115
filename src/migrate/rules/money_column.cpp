// money-column: see the texts below, and money-column.cases.
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
        if (type.name == "money") {
            report_column(sink, a, column, begin);
        }
    });
}

}  // namespace

const Rule rule_money_column{
    .name = "money-column",
    .title = "money depends on the server's lc_monetary.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "The same bytes are another amount under another setting, and there is no "
        "currency in it.",
    .fix = "numeric(12,2) and a currency column.",
    .flagged = "CREATE TABLE t (price money);",
    .clean = "CREATE TABLE t (price numeric(12,2));",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
