// combine-alter-table: see the texts below, and combine-alter-table.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    const auto joins = [](const Action& a) {
        return a.node != nullptr && !a.nested && !a.fresh &&
               a.node->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_STMT &&
               a.kind != ActionKind::kValidate && a.kind != ActionKind::kDetachPartition &&
               a.kind != ActionKind::kAttachPartition && a.kind != ActionKind::kAlterIndex &&
               a.kind != ActionKind::kOther;
    };
    // PostgreSQL drops first what one statement drops: the CHECK that proves SET NOT NULL must go
    // in a statement behind it.
    const auto spends_proof = [](const Action& one, const Action& next) {
        return one.kind == ActionKind::kSetNotNull && one.has(kProvedNotNull) &&
               next.kind == ActionKind::kDropConstraint && next.has(kProvedNotNull);
    };
    const Action* before = nullptr;
    for (const Action& a : file.actions) {
        const bool joinable = joins(a);
        if (joinable && before != nullptr && before->table == a.table &&
            before->statement + 1 == a.statement && !before->has(kNotValid) &&
            !spends_proof(*before, a)) {
            sink.at(a, fmt::format("could be joined with the ALTER TABLE {} before it",
                                   sql_name(a.table)));
        }
        before = joinable ? &a : nullptr;
    }
}

}  // namespace

const Rule rule_combine_alter_table{
    .name = "combine-alter-table",
    .title = "Several ALTER TABLE of one table could be one.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "Each waits for its lock anew, and each that reads or rewrites does it anew; one "
        "statement does it in one pass.",
    .fix = "Join them with commas.",
    .flagged = "ALTER TABLE t ADD COLUMN a int; ALTER TABLE t ADD COLUMN b int;",
    .clean = "ALTER TABLE t ADD COLUMN a int, ADD COLUMN b int;",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
