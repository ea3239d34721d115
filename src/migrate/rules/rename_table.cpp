// rename-table: see the texts below, and rename-table.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Transaction& run, Sink& sink) {
    for (const Action* a : run.actions) {
        if ((a->kind != ActionKind::kRenameTable && a->kind != ActionKind::kSetSchema) ||
            a->fresh) {
            continue;
        }
        if (run.schema.find(a->table) == nullptr) {
            sink.at(*a, fmt::format("code that uses {} fails from now on", a->table));
        }
    }
}

}  // namespace

const Rule rule_rename_table{
    .name = "rename-table",
    .title = "RENAME TABLE breaks code that uses the old name.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "There is no moment in which old and new code both work, unless a view or table "
        "of the old name stands there when the transaction ends.",
    .fix =
        "In one transaction: rename, and CREATE VIEW with the old name over it; drop the "
        "view after the deploy.",
    .flagged = "ALTER TABLE users RENAME TO accounts;",
    .clean =
        "BEGIN; ALTER TABLE users RENAME TO accounts; CREATE VIEW users AS SELECT * FROM "
        "accounts; COMMIT;",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
