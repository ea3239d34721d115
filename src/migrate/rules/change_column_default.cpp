// change-column-default: see the texts below, and change-column-default.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kSetDefault && !a.fresh) {
        sink.at(a, fmt::format("{}.{} has another default from now on, also for code that runs "
                               "already",
                               a.table, a.name));
    }
}

}  // namespace

const Rule rule_change_column_default{
    .name = "change-column-default",
    .title = "A column's default changes under code that relies on the old one.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "Code that leaves the column out of its INSERT gets the new default at once. Active "
        "Record with partial inserts (partial_inserts, partial_writes) leaves out what equals the "
        "default it read when it started: until it is restarted, it stores the wrong value.",
    .fix =
        "Turn partial inserts off, or let the running code write the column itself, before the "
        "default changes.",
    .flagged = "ALTER TABLE users ALTER COLUMN role SET DEFAULT 'guest';",
    .clean = "ALTER TABLE users ADD COLUMN role text DEFAULT 'guest';",
    .on = false,
    .step = check,
};

}  // namespace howdah::migrate::lint
