// rename-schema: see the texts below, and rename-schema.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kRenameSchema) {
        sink.at(a, fmt::format("names in the schema that becomes {} fail from now on", a.other));
    }
}

}  // namespace

const Rule rule_rename_schema{
    .name = "rename-schema",
    .title = "RENAME SCHEMA breaks code that uses the old name.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why = "Every qualified name and search_path with the old schema fails from then on.",
    .fix = "A new schema, with views in the old one until the code has moved.",
    .flagged = "ALTER SCHEMA app RENAME TO shop;",
    .clean = "CREATE SCHEMA shop;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
