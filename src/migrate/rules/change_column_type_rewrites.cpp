// change-column-type-rewrites: see the texts below, and change-column-type-rewrites.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kAlterType || a.fresh ||
        !(a.change == TypeChange::kRewrite || a.change == TypeChange::kUnknown ||
          a.change == TypeChange::kIfUtc)) {
        return;
    }
    const bool known = a.change == TypeChange::kRewrite;
    const std::string from =
        a.from.known() ? to_sql(a.from) : "a type that this history does not tell";
    std::string message =
        fmt::format("changing {} of {} from {} to {} ", a.name, a.table, from, to_sql(a.to));
    message += a.change == TypeChange::kIfUtc
                   ? "writes the table anew unless the session's time zone is UTC"
               : known ? "writes the table and its indexes anew"
                       : "may write the table anew";
    Report report{.begin = a.begin,
                  .end = a.end,
                  .message = std::move(message),
                  .fix = a.change == TypeChange::kIfUtc
                             ? "SET timezone = 'UTC' in the same session makes it a change of the "
                               "catalog only (values then mean UTC)."
                             : "",
                  .confidence = known ? "certain" : "suspected",
                  .action = &a};
    sink.add(std::move(report));
}

}  // namespace

const Rule rule_change_column_type_rewrites{
    .name = "change-column-type-rewrites",
    .title = "Changing a column's type writes the whole table anew.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Unless the new type keeps the old bytes (a longer varchar, varchar to text, "
        "numeric with more digits and the same scale, ...), every row and every index is "
        "rewritten under ACCESS EXCLUSIVE, and foreign keys of the column are checked "
        "again.",
    .fix =
        "Expand and contract: add a new column, keep it equal by a trigger, fill it in "
        "batches, move the application over, drop the old one.",
    .flagged = "ALTER TABLE orders ALTER COLUMN id TYPE bigint;",
    .clean = "ALTER TABLE orders ALTER COLUMN code TYPE text; -- from varchar(20)",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
