// enum-value-used-before-commit: see the texts below, and enum-value-used-before-commit.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Transaction& run, Sink& sink) {
    for (std::size_t i = 0; i < run.actions.size(); ++i) {
        const Action& added = *run.actions[i];
        if (added.kind != ActionKind::kAddEnumValue || added.fresh || added.other.empty()) {
            continue;
        }
        for (std::size_t n = i + 1; n < run.actions.size(); ++n) {
            const Action& user = *run.actions[n];
            if (user.node == nullptr || user.kind == ActionKind::kAddEnumValue ||
                (n > i + 1 && user.node == run.actions[n - 1]->node)) {
                continue;
            }
            bool used = false;
            sql::visit(user.node->base, [&](const sql::Node& node) {
                used = used || (node.node_case == PG_QUERY__NODE__NODE_A_CONST &&
                                node.a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL &&
                                node.a_const->sval->sval != nullptr &&
                                added.other == node.a_const->sval->sval);
            });
            if (used) {
                sink.at(user, fmt::format("'{}' was added to {} in this transaction and cannot be "
                                          "used before it commits",
                                          added.other, added.name));
            }
        }
    }
}

}  // namespace

const Rule rule_enum_value_used_before_commit{
    .name = "enum-value-used-before-commit",
    .title = "A new enum value is used in the transaction that adds it.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why =
        "ADD VALUE may run in a transaction since 12, but the value cannot be used until "
        "that transaction has committed: \"unsafe use of new value\".",
    .fix =
        "ADD VALUE in a migration (or transaction) of its own, before the one that uses "
        "it.",
    .versions = "Before 12, ADD VALUE cannot run in a transaction block at all.",
    .flagged =
        "BEGIN; ALTER TYPE status ADD VALUE 'new'; UPDATE orders SET status = 'new'; "
        "COMMIT;",
    .clean = "ALTER TYPE status ADD VALUE 'new';",
    .on = true,
    .transaction = check,
};

}  // namespace howdah::migrate::lint
