#include "insight/query.hpp"

#include <algorithm>
#include <array>

#include "insight/query_reader.hpp"

namespace howdah::insight {

std::vector<std::string> Query::equal_columns(int source, bool joins) const {
    std::vector<std::string> names;
    const auto add = [&](const ColumnUse& column) {
        if (column.source == source && !column.outer &&
            std::ranges::find(names, column.name) == names.end()) {
            names.emplace_back(column.name);
        }
    };
    for (const Predicate& predicate : predicates) {
        const bool to_column = predicate.other.known() && !predicate.other.outer;
        if (predicate.test != Test::kEquals || (to_column && !joins)) {
            continue;
        }
        add(predicate.column);
        if (to_column) {
            add(predicate.other);
        }
    }
    return names;
}

std::optional<std::int64_t> integer_of(const sql::Node* node) {
    while (node != nullptr && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
        node = node->type_cast->arg;
    }
    if (node == nullptr || node->node_case != PG_QUERY__NODE__NODE_A_CONST ||
        node->a_const->isnull != 0 || node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL) {
        return std::nullopt;
    }
    return node->a_const->ival->ival;
}

std::optional<std::string_view> string_of(const sql::Node* node) {
    while (node != nullptr && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
        node = node->type_cast->arg;
    }
    if (node == nullptr || node->node_case != PG_QUERY__NODE__NODE_A_CONST ||
        node->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL) {
        return std::nullopt;
    }
    return node->a_const->sval->sval;
}

std::string_view operator_of(const PgQuery__AExpr& expression) {
    return expression.n_name == 0 ? std::string_view()
                                  : sql::string_value(expression.name[expression.n_name - 1]);
}

std::size_t offset_of(const sql::Node* node) {
    if (node == nullptr) {
        return 0;
    }
    const auto at = [](int location) {
        return location > 0 ? static_cast<std::size_t>(location) : std::size_t{0};
    };
    switch (node->node_case) {
        case PG_QUERY__NODE__NODE_COLUMN_REF:
            return at(node->column_ref->location);
        case PG_QUERY__NODE__NODE_FUNC_CALL:
            return at(node->func_call->location);
        case PG_QUERY__NODE__NODE_A_CONST:
            return at(node->a_const->location);
        case PG_QUERY__NODE__NODE_PARAM_REF:
            return at(node->param_ref->location);
        case PG_QUERY__NODE__NODE_SUB_LINK:
            return at(node->sub_link->location);
        case PG_QUERY__NODE__NODE_COALESCE_EXPR:
            return at(node->coalesce_expr->location);
        case PG_QUERY__NODE__NODE_SORT_BY:
            return offset_of(node->sort_by->node);
        case PG_QUERY__NODE__NODE_CASE_EXPR:
            return at(node->case_expr->location);
        case PG_QUERY__NODE__NODE_RANGE_VAR:
            return at(node->range_var->location);
        case PG_QUERY__NODE__NODE_NULL_TEST:
            return offset_of(node->null_test->arg);
        case PG_QUERY__NODE__NODE_BOOL_EXPR:
            return node->bool_expr->n_args > 0 ? offset_of(node->bool_expr->args[0])
                                               : at(node->bool_expr->location);
        case PG_QUERY__NODE__NODE_TYPE_CAST: {
            const std::size_t inner = offset_of(node->type_cast->arg);
            return inner != 0 ? inner : at(node->type_cast->location);
        }
        case PG_QUERY__NODE__NODE_A_EXPR: {
            const std::size_t left = offset_of(node->a_expr->lexpr);
            return left != 0 ? left : at(node->a_expr->location);
        }
        case PG_QUERY__NODE__NODE_RES_TARGET:
            return at(node->res_target->location);
        default:
            return 0;
    }
}

bool is_aggregate(std::string_view function) {
    static constexpr auto kAggregates = std::to_array<std::string_view>({"count",
                                                                         "sum",
                                                                         "avg",
                                                                         "min",
                                                                         "max",
                                                                         "array_agg",
                                                                         "string_agg",
                                                                         "json_agg",
                                                                         "jsonb_agg",
                                                                         "bool_and",
                                                                         "bool_or",
                                                                         "every",
                                                                         "bit_and",
                                                                         "bit_or",
                                                                         "stddev",
                                                                         "variance",
                                                                         "var_pop",
                                                                         "var_samp",
                                                                         "stddev_pop",
                                                                         "stddev_samp",
                                                                         "corr",
                                                                         "mode",
                                                                         "percentile_cont",
                                                                         "percentile_disc",
                                                                         "json_object_agg",
                                                                         "jsonb_object_agg",
                                                                         "xmlagg",
                                                                         "regr_slope"});
    return std::ranges::find(kAggregates, function) != kAggregates.end();
}

Queries read_queries(const sql::Node& statement, const Schema& schema) {
    QueryReader reader(schema);
    reader.read(statement);
    return reader.take();
}

}  // namespace howdah::insight
