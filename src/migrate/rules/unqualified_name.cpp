// unqualified-name: see the texts below, and unqualified-name.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    const bool kind = a.kind == ActionKind::kCreateTable && a.node != nullptr &&
                      a.node->node_case == PG_QUERY__NODE__NODE_CREATE_STMT && !a.has(kTemporary);
    if (kind && text_or(a.node->create_stmt->relation->schemaname).empty()) {
        sink.at(a, fmt::format("{} has no schema", a.table));
    }
}

}  // namespace

const Rule rule_unqualified_name{
    .name = "unqualified-name",
    .title = "The name has no schema.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why = "Which table is meant depends on the search_path of whoever runs the migration.",
    .fix = "schema.name.",
    .flagged = "CREATE TABLE users (id bigint);",
    .clean = "CREATE TABLE public.users (id bigint);",
    .on = false,
    .step = check,
};

}  // namespace howdah::migrate::lint
