// set-not-null-scans: see the texts below, and set-not-null-scans.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kSetNotNull && a.works()) {
        sink.at(a, fmt::format("SET NOT NULL on {} reads all of {} under ACCESS EXCLUSIVE", a.name,
                               describe_tables(a)));
    }
}

}  // namespace

const Rule rule_set_not_null_scans{
    .name = "set-not-null-scans",
    .title = "SET NOT NULL reads the whole table under ACCESS EXCLUSIVE.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Reads and writes wait while every row is looked at, unless a validated CHECK "
        "(column IS NOT NULL) already proves it.",
    .fix =
        "ADD CONSTRAINT c CHECK (column IS NOT NULL) NOT VALID; then VALIDATE CONSTRAINT "
        "c in a later transaction; then SET NOT NULL (no scan) and DROP CONSTRAINT c.",
    .versions = "The CHECK is used since 12. 18 has NOT NULL ... NOT VALID.",
    .flagged = "ALTER TABLE orders ALTER COLUMN total SET NOT NULL;",
    .clean =
        "ALTER TABLE orders ADD CONSTRAINT total_not_null CHECK (total IS NOT NULL) NOT "
        "VALID;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
