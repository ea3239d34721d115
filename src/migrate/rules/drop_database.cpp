// drop-database: see the texts below, and drop-database.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kDropDatabase) {
        sink.at(a, fmt::format("database {} is gone", a.name));
    }
}

}  // namespace

const Rule rule_drop_database{
    .name = "drop-database",
    .title = "DROP DATABASE in a migration.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why = "Everything in it is gone, for good.",
    .fix = "Do it by hand, with a backup, outside the migrations.",
    .flagged = "DROP DATABASE shop;",
    .clean = "ALTER DATABASE shop RENAME TO shop_unused;",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
