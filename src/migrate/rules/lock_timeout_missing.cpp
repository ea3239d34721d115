// lock-timeout-missing: see the texts below, and lock-timeout-missing.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    for (const Action& a : file.actions) {
        const bool strong = std::ranges::any_of(a.effects, [](const TableEffect& effect) {
            return !effect.fresh && blocks_writes(effect.lock);
        });
        if (strong && !a.fresh && !a.has(kLockTimeout) && a.kind != ActionKind::kAddEnumValue) {
            sink.at(a,
                    fmt::format("{} on {} may wait without end, with everybody behind it",
                                lock_name(a.strongest()), describe_tables(a)),
                    "SET lock_timeout = '2s';");
            return;
        }
    }
}

}  // namespace

const Rule rule_lock_timeout_missing{
    .name = "lock-timeout-missing",
    .title = "A strong lock is taken without lock_timeout.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "The statement waits behind the longest running query, and every query that comes "
        "later waits behind the statement: a two-second change becomes an outage as long "
        "as that query. (howdah migrate sets it for every step.)",
    .fix = "SET lock_timeout = '2s' (SET LOCAL in a transaction) before it, and retry.",
    .flagged = "ALTER TABLE orders ADD COLUMN note text;",
    .clean = "SET lock_timeout = '2s'; ALTER TABLE orders ADD COLUMN note text;",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
