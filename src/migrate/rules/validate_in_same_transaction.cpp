// validate-in-same-transaction: see the texts below, and validate-in-same-transaction.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Transaction& run, Sink& sink) {
    for (const Action* a : run.actions) {
        if (a->kind != ActionKind::kValidate || a->fresh) {
            continue;
        }
        for (const Action* earlier : run.actions) {
            if (earlier == a) {
                break;
            }
            const bool same = earlier->kind == ActionKind::kAddConstraint &&
                              earlier->has(kNotValid) && earlier->table == a->table &&
                              earlier->name == a->name;
            if (same) {
                sink.at(*a, fmt::format("{} is validated in the transaction that added it: the "
                                        "scan of {} runs under {}",
                                        a->name, a->table, lock_name(earlier->strongest())));
            }
        }
    }
}

}  // namespace

const Rule rule_validate_in_same_transaction{
    .name = "validate-in-same-transaction",
    .title =
        "NOT VALID and VALIDATE in one transaction: the scan runs under the first, strong "
        "lock.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Locks are kept to the end of the transaction. ADD ... NOT VALID took ACCESS "
        "EXCLUSIVE (or SHARE ROW EXCLUSIVE), so VALIDATE's long scan blocks as much as if "
        "NOT VALID had never been there.",
    .fix = "VALIDATE CONSTRAINT in a later migration that runs in a transaction of its own.",
    .flagged =
        "BEGIN; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t "
        "VALIDATE CONSTRAINT c; COMMIT;",
    .clean = "ALTER TABLE t VALIDATE CONSTRAINT c; -- in a later transaction",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
