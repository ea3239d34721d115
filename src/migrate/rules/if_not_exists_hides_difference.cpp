// if-not-exists-hides-difference: see the texts below, and if-not-exists-hides-difference.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (!a.has(kIfExists)) {
        return;
    }
    const Table* table = step.schema.find(a.table);
    const bool exists =
        (a.kind == ActionKind::kCreateTable && table != nullptr && !table->temporary) ||
        (a.kind == ActionKind::kAddColumn && table != nullptr &&
         table->column(a.name) != nullptr) ||
        (a.kind == ActionKind::kCreateIndex && step.schema.index(a.name) != nullptr);
    if (exists) {
        sink.at(a,
                fmt::format("{} exists already: this does nothing, even if the definition differs",
                            a.kind == ActionKind::kCreateTable ? a.table : a.name));
    }
}

}  // namespace

const Rule rule_if_not_exists_hides_difference{
    .name = "if-not-exists-hides-difference",
    .title = "IF NOT EXISTS on something this history already made does nothing.",
    .severity = Severity::kInfo,
    .risk = Risk::kMedium,
    .why =
        "The existing object stays as it is, however different the definition here; the "
        "difference is found much later.",
    .fix = "ALTER what differs, or drop this statement.",
    .flagged =
        "CREATE TABLE IF NOT EXISTS users (id bigint, email text); -- users exists with "
        "other columns",
    .clean = "ALTER TABLE users ADD COLUMN IF NOT EXISTS email text;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
