// drop-view: see the texts below, and drop-view.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Transaction& run, Sink& sink) {
    for (const Action* a : run.actions) {
        if (a->kind != ActionKind::kDropView || a->fresh) {
            continue;
        }
        const bool again = std::ranges::any_of(run.actions, [&](const Action* other) {
            return other != a && other->table == a->table &&
                   (other->kind == ActionKind::kCreateView ||
                    other->kind == ActionKind::kCreateMatview);
        });
        if (!again) {
            sink.at(*a, fmt::format("queries that read {} fail from now on", a->table));
        }
    }
}

}  // namespace

const Rule rule_drop_view{
    .name = "drop-view",
    .title = "DROP VIEW breaks code that still reads it.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why = "Queries of the running application that name the view fail at once.",
    .fix =
        "Stop reading the view, deploy, then drop it; to change it, CREATE OR REPLACE "
        "VIEW, or drop and create in one transaction.",
    .flagged = "DROP VIEW active_users;",
    .clean = "CREATE OR REPLACE VIEW active_users AS SELECT id FROM users;",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
