// change-storage-rewrites: see the texts below, and change-storage-rewrites.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind == ActionKind::kRewriteStorage && !a.fresh && !a.has(kSchemaOnly)) {
        sink.at(a, fmt::format("{} is copied under ACCESS EXCLUSIVE",
                               a.table.empty() ? a.name : a.table));
    }
}

}  // namespace

const Rule rule_change_storage_rewrites{
    .name = "change-storage-rewrites",
    .title = "SET LOGGED, UNLOGGED, TABLESPACE or ACCESS METHOD writes the whole table anew.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "The table is copied under ACCESS EXCLUSIVE; an index likewise, and every query of its "
        "table waits for it when it is planned. (Where the setting already holds "
        "nothing happens, but then the statement is of no use.)",
    .fix = "A window, or a new table that is filled in batches and swapped in.",
    .flagged = "ALTER TABLE events SET UNLOGGED;",
    .clean = "CREATE UNLOGGED TABLE events_buffer (LIKE events);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
