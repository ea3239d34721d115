// domain-constraint-scans: see the texts below, and domain-constraint-scans.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kAlterDomain || a.has(kNotValid)) {
        return;
    }
    const bool checks = a.other == "C" || a.other == "O" || a.other == "V";
    if (checks && step.schema.domains.find(a.name) == nullptr) {
        sink.at(a, fmt::format("every table with a column of {} is read while its writes wait",
                               a.name));
    } else if (checks && a.works()) {
        sink.at(a, fmt::format("{} read while writes wait",
                               describe_tables(a) + (a.effects.size() == 1 ? " is" : " are")));
    }
}

}  // namespace

const Rule rule_domain_constraint_scans{
    .name = "domain-constraint-scans",
    .title =
        "ALTER DOMAIN ADD CONSTRAINT, VALIDATE or SET NOT NULL reads every table that "
        "uses the domain.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "SHARE on each of them blocks writes while all rows are checked. NOT VALID adds "
        "without a look; SET NOT NULL has no such form.",
    .fix =
        "ADD CONSTRAINT ... NOT VALID now; VALIDATE CONSTRAINT blocks writes as well, so "
        "choose its hour. Or a CHECK with NOT VALID on each table.",
    .flagged = "ALTER DOMAIN email_address ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%');",
    .clean =
        "ALTER DOMAIN email_address ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%') NOT "
        "VALID;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
