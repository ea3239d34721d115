// add-column-of-constrained-domain-rewrites: see the texts below, and
// add-column-of-constrained-domain-rewrites.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddColumn && a.has(kConstrainedDomain) && a.rewrites()) {
        sink.at(a,
                fmt::format(
                    "{} has the domain {}, whose constraints make PostgreSQL write all of {} anew",
                    a.name, to_sql(a.to), describe_tables(a)));
    }
}

}  // namespace

const Rule rule_add_column_of_constrained_domain_rewrites{
    .name = "add-column-of-constrained-domain-rewrites",
    .title = "ADD COLUMN of a domain that has constraints writes the whole table anew.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "PostgreSQL checks the domain's constraints by computing the column for every "
        "row, and rewrites the table for it.",
    .fix =
        "Add the column with the domain's base type, then a CHECK with NOT VALID and "
        "VALIDATE.",
    .flagged = "ALTER TABLE users ADD COLUMN contact email_address; -- a domain with a CHECK",
    .clean = "ALTER TABLE users ADD COLUMN contact text;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
