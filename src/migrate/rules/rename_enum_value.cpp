// rename-enum-value: see the texts below, and rename-enum-value.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kRenameEnumValue && !a.fresh) {
        sink.at(a, fmt::format("code that writes the old value of {} fails from now on", a.name));
    }
}

}  // namespace

const Rule rule_rename_enum_value{
    .name = "rename-enum-value",
    .title = "RENAME VALUE of an enum breaks code that uses the old value.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "Statements with the old literal fail at once; what was read before compares "
        "unequal.",
    .fix = "Add the new value, move code and rows, leave the old one unused.",
    .flagged = "ALTER TYPE status RENAME VALUE 'open' TO 'new';",
    .clean = "ALTER TYPE status ADD VALUE 'new';",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
