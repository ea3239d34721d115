// redundant-index: see the texts below, and redundant-index.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kCreateIndex || a.has(kIfExists) || a.has(kOnly)) {
        return;
    }
    const Table* table = step.schema.find(a.table);
    const PgQuery__IndexStmt* statement =
        a.node != nullptr && a.node->node_case == PG_QUERY__NODE__NODE_INDEX_STMT
            ? a.node->index_stmt
            : nullptr;
    if (table == nullptr || statement == nullptr || statement->where_clause != nullptr ||
        std::string_view(statement->access_method) != "btree" ||
        std::ranges::find(a.columns, "") != a.columns.end()) {
        return;
    }
    for (const Index& index : table->indexes) {
        const bool plain = !index.partial && (index.method.empty() || index.method == "btree");
        const bool covers = plain && index.columns.size() >= a.columns.size() &&
                            std::equal(a.columns.begin(), a.columns.end(), index.columns.begin());
        const bool needed = a.has(kInlineUnique) && !(index.unique && index.columns == a.columns);
        if (covers && !needed) {
            sink.at(a, fmt::format("{} on ({}) serves the same queries", index.name,
                                   sql_names(index.columns)));
            return;
        }
    }
}

}  // namespace

const Rule rule_redundant_index{
    .name = "redundant-index",
    .title = "Another index of the table begins with the same columns.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why = "Every write keeps both; the longer (or unique) one serves the same queries.",
    .fix = "Leave the shorter one out.",
    .flagged = "CREATE INDEX a ON t (x); CREATE INDEX b ON t (x, y);",
    .clean = "CREATE INDEX b ON t (x, y);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
