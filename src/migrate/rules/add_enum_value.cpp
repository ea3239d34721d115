// add-enum-value: see the texts below, and add-enum-value.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kAddEnumValue && !a.fresh) {
        sink.at(a, fmt::format("code that runs now does not know the new value of {}", a.name));
    }
}

}  // namespace

const Rule rule_add_enum_value{
    .name = "add-enum-value",
    .title = "A new enum value is read by code that does not know it.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "Adding it is instant. But once the new code writes it, instances of the old code read "
        "it, and clients with the values built in (Prisma's, for one) fail on it. Without BEFORE "
        "or AFTER it sorts last, and a value can be neither moved nor dropped.",
    .fix =
        "Write the value only when no instance runs that cannot read it; say BEFORE or AFTER "
        "where the order counts.",
    .flagged = "ALTER TYPE status ADD VALUE 'paused';",
    .clean = "CREATE TYPE status AS ENUM ('open', 'paused');",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
