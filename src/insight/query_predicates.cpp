// QueryReader: conditions and columns.
#include <algorithm>

#include "insight/query_reader.hpp"
#include "insight/walk.hpp"

namespace howdah::insight {
namespace {

void touch(std::vector<int>* touched, int source) {
    if (touched != nullptr && std::ranges::find(*touched, source) == touched->end()) {
        touched->push_back(source);
    }
}

bool is_range(std::string_view name) {
    return name == "<" || name == "<=" || name == ">" || name == ">=";
}

bool is_pattern(std::string_view name) {
    return name == "~~" || name == "~";
}

// What LIKE 'pattern' asks of an index. A parameter may be anything: nothing is said about it.
Test like_test(std::string_view name, const sql::Node* pattern) {
    if (name.starts_with('!')) {
        return Test::kUnequal;
    }
    const bool like = name == "~~";
    const auto text = string_of(pattern);
    if (!text) {
        const bool joined = pattern != nullptr &&
                            pattern->node_case == PG_QUERY__NODE__NODE_A_EXPR &&
                            operator_of(*pattern->a_expr) == "||";
        const auto head = joined ? string_of(pattern->a_expr->lexpr) : std::nullopt;
        // '%' || $1 || '%' leans to the left
        const auto inner = joined && pattern->a_expr->lexpr != nullptr &&
                                   pattern->a_expr->lexpr->node_case == PG_QUERY__NODE__NODE_A_EXPR
                               ? string_of(pattern->a_expr->lexpr->a_expr->lexpr)
                               : std::nullopt;
        const bool open = (head && head->starts_with('%')) || (inner && inner->starts_with('%'));
        return open || !like ? Test::kWildcard : Test::kOther;
    }
    if (name == "~" || name == "~*") {
        return name == "~" && text->starts_with('^') ? Test::kRange : Test::kWildcard;
    }
    const bool open = text->starts_with('%') || text->starts_with('_');
    if (text->find_first_of("%_") == std::string_view::npos && like) {
        return Test::kEquals;
    }
    return open || !like ? Test::kWildcard : Test::kRange;
}

Test operator_test(const PgQuery__AExpr& expression) {
    const std::string_view name = operator_of(expression);
    switch (expression.kind) {
        case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
            return name == "<>" ? Test::kUnequal : Test::kEquals;
        case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
        case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
            return like_test(name, expression.rexpr);
        case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
            return name.starts_with('!') ? Test::kUnequal : Test::kOther;
        case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
        case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
            return Test::kRange;
        case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
            return Test::kUnequal;
        case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
            return Test::kEquals;
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
            break;
        default:
            return Test::kOther;
    }
    if (name == "=") {
        return Test::kEquals;
    }
    if (name == "<>" || name == "!=") {
        return Test::kUnequal;
    }
    if (name == "~~" || name == "~~*" || name == "~" || name == "~*" || name == "!~~" ||
        name == "!~~*" || name == "!~" || name == "!~*") {
        return like_test(name, expression.rexpr);
    }
    return is_range(name) ? Test::kRange : Test::kOperator;
}

bool is_text_cast(const sql::Node& node) {
    if (node.node_case != PG_QUERY__NODE__NODE_TYPE_CAST || node.type_cast->type_name == nullptr ||
        node.type_cast->type_name->n_names == 0) {
        return false;
    }
    const PgQuery__TypeName& type = *node.type_cast->type_name;
    const std::string_view name = sql::string_value(type.names[type.n_names - 1]);
    return name == "text" || name == "varchar";
}

}  // namespace

void QueryReader::add_conjuncts(Query& query, const sql::Node* node, std::vector<Predicate>& to,
                                bool join) {
    if (node == nullptr) {
        return;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR &&
        node->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        for (std::size_t i = 0; i < node->bool_expr->n_args; ++i) {
            add_conjuncts(query, node->bool_expr->args[i], to, join);
        }
        return;
    }
    to.push_back(read_predicate(query, *node, join));
}

Predicate QueryReader::read_predicate(Query& query, const sql::Node& node, bool join) {
    Predicate predicate{.node = &node, .join = join, .offset = offset_of(&node)};
    visit(query, &node, &predicate.touched, nullptr);
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_A_EXPR:
            read_comparison(query, *node.a_expr, predicate);
            break;
        case PG_QUERY__NODE__NODE_NULL_TEST:
            predicate.column = plain_column(query, node.null_test->arg);
            predicate.test = node.null_test->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL
                                 ? Test::kNull
                                 : Test::kUnequal;
            break;
        case PG_QUERY__NODE__NODE_COLUMN_REF:
            predicate.column = plain_column(query, &node);
            predicate.test = Test::kTrue;
            break;
        case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
            predicate.column = plain_column(query, node.boolean_test->arg);
            predicate.test = Test::kTrue;
            break;
        case PG_QUERY__NODE__NODE_A_CONST:
            predicate.test = Test::kConstant;
            break;
        case PG_QUERY__NODE__NODE_SUB_LINK:
            if (node.sub_link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK) {
                predicate.column = plain_column(query, node.sub_link->testexpr);
                predicate.test = Test::kEquals;
            }
            predicate.value = &node;
            break;
        case PG_QUERY__NODE__NODE_BOOL_EXPR:
            if (node.bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR) {
                read_or(query, *node.bool_expr, predicate, join);
            } else if (node.bool_expr->n_args == 1) {
                predicate.column = plain_column(query, node.bool_expr->args[0]);
                predicate.test = predicate.column.known() ? Test::kTrue : Test::kUnequal;
            }
            break;
        default:
            break;
    }
    return predicate;
}

void QueryReader::read_or(Query& query, const PgQuery__BoolExpr& expression, Predicate& predicate,
                          bool join) {
    predicate.test = Test::kOr;
    if (in_arm_) {
        return;  // one level is enough; deeper ones would be read once for each level above
    }
    in_arm_ = true;
    for (std::size_t i = 0; i < expression.n_args; ++i) {
        add_conjuncts(query, expression.args[i], predicate.arms.emplace_back(), join);
    }
    in_arm_ = false;
}

void QueryReader::read_comparison(Query& query, const PgQuery__AExpr& expression,
                                  Predicate& predicate) {
    predicate.test = operator_test(expression);
    predicate.prefix = predicate.test == Test::kRange && is_pattern(operator_of(expression));
    const bool constants = expression.lexpr != nullptr && expression.rexpr != nullptr &&
                           expression.lexpr->node_case == PG_QUERY__NODE__NODE_A_CONST &&
                           expression.rexpr->node_case == PG_QUERY__NODE__NODE_A_CONST;
    if (constants) {
        predicate.test = Test::kConstant;
        return;
    }
    read_sides(query, expression, predicate);
}

// Which side is the column? `5 < id` counts as id > 5.
void QueryReader::read_sides(Query& query, const PgQuery__AExpr& expression, Predicate& predicate) {
    const ColumnUse left = plain_column(query, expression.lexpr);
    const ColumnUse right = expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP
                                ? plain_column(query, expression.rexpr)
                                : ColumnUse{};
    const bool left_own = left.known() && !left.outer;
    const bool right_own = right.known() && !right.outer;
    if (left_own) {
        predicate.column = left;
        predicate.other = right;
        predicate.value = expression.rexpr;
        if (!right_own) {
            predicate.wrapped = first_column(query, expression.rexpr);
            predicate.side = expression.rexpr;
            // created_at > updated_at - interval '1 day' holds one column against the other
            if (predicate.wrapped.outer) {
                predicate.wrapped = {};
            }
        }
        return;
    }
    if (right_own) {
        predicate.column = right;
        predicate.other = left;
        predicate.value = expression.lexpr;
        predicate.wrapped = first_column(query, expression.lexpr);
        predicate.side = expression.lexpr;
        return;
    }
    predicate.wrapped = first_column(query, expression.lexpr);
    predicate.side = expression.lexpr;
    predicate.value = expression.rexpr;
    if (!predicate.wrapped.known() && expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP) {
        predicate.wrapped = first_column(query, expression.rexpr);
        predicate.side = expression.rexpr;
        predicate.value = expression.lexpr;
    }
}

// A row's first column stands for it: (created_at, id) < ($1, $2) is a range over created_at.
ColumnUse QueryReader::plain_column(Query& query, const sql::Node* node) {
    if (node != nullptr && node->node_case == PG_QUERY__NODE__NODE_ROW_EXPR &&
        node->row_expr->n_args > 0) {
        node = node->row_expr->args[0];
    }
    if (node != nullptr && is_text_cast(*node)) {
        // varchar_column::text is the column itself; of any other type it is a calculation
        const ColumnUse inner = plain_column(query, node->type_cast->arg);
        const Table* table = inner.known() && !inner.outer
                                 ? query.sources[static_cast<std::size_t>(inner.source)].known
                                 : nullptr;
        const Column* column = table == nullptr ? nullptr : table->column(inner.name);
        return column != nullptr && column->type == TypeClass::kText ? inner : ColumnUse{};
    }
    return node != nullptr && node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF
               ? resolve(query, *node->column_ref)
               : ColumnUse{};
}

ColumnUse QueryReader::first_column(Query& query, const sql::Node* node) {
    if (node == nullptr || node->node_case == PG_QUERY__NODE__NODE_SUB_LINK) {
        return {};
    }
    if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
        return resolve(query, *node->column_ref);
    }
    ColumnUse found;
    for_each_child(content(node), [&](const sql::Node* child) {
        if (!found.known()) {
            found = first_column(query, child);
        }
    });
    return found;
}

bool QueryReader::resolve_in(const Query& query, const PgQuery__ColumnRef& column,
                             ColumnUse& use) const {
    const std::string_view table =
        column.n_fields > 1 ? sql::string_value(column.fields[column.n_fields - 2]) : "";
    if (!table.empty()) {
        for (std::size_t i = 0; i < query.sources.size(); ++i) {
            if (query.sources[i].alias == table) {
                use.source = static_cast<int>(i);
                return true;
            }
        }
        return false;
    }
    bool all_known = true;
    for (std::size_t i = 0; i < query.sources.size(); ++i) {
        const Table* known = query.sources[i].known;
        const bool complete = known != nullptr && !known->columns.empty();
        all_known = all_known && complete;
        if (complete && known->column(use.name) != nullptr) {
            use.source = static_cast<int>(i);
            return true;
        }
    }
    if (query.sources.size() == 1 && !all_known) {
        use.source = 0;
        return true;
    }
    return false;
}

ColumnUse QueryReader::resolve(Query& query, const PgQuery__ColumnRef& column) {
    ColumnUse use;
    if (column.n_fields == 0) {
        return use;
    }
    use.offset = column.location > 0 ? static_cast<std::size_t>(column.location) : 0;
    use.name = sql::string_value(column.fields[column.n_fields - 1]);
    if (use.name.empty()) {
        return use;  // t.*
    }
    if (resolve_in(query, column, use)) {
        return use;
    }
    for (const Query* outer = query.parent; outer != nullptr; outer = outer->parent) {
        if (resolve_in(*outer, column, use)) {
            // An unqualified name that no schema vouches for belongs here rather than outside.
            const Source& source = outer->sources[static_cast<std::size_t>(use.source)];
            if (column.n_fields > 1 || source.known != nullptr) {
                use.outer = true;
                query.correlated = true;
                return use;
            }
            use.source = -1;
        }
    }
    return use;
}

void QueryReader::visit(Query& query, const sql::Node* node, std::vector<int>* touched,
                        bool* aggregates) {
    if (node == nullptr) {
        return;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
        const ColumnUse use = resolve(query, *node->column_ref);
        if (!use.outer) {
            touch(touched, use.source);
        }
        return;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_SUB_LINK) {
        visit(query, node->sub_link->testexpr, touched, aggregates);
        if (in_arm_) {
            return;  // read with the whole OR
        }
        visit_sublink(query, *node->sub_link, touched);
        return;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_FUNC_CALL && aggregates != nullptr &&
        node->func_call->over == nullptr && node->func_call->n_funcname > 0) {
        const PgQuery__FuncCall& call = *node->func_call;
        *aggregates =
            *aggregates || is_aggregate(sql::string_value(call.funcname[call.n_funcname - 1]));
    }
    for_each_child(content(node),
                   [&](const sql::Node* child) { visit(query, child, touched, aggregates); });
}

void QueryReader::visit_sublink(Query& query, const PgQuery__SubLink& link,
                                std::vector<int>* touched) {
    Role role = Role::kScalar;
    if (link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK) {
        role = Role::kExists;
    } else if (link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK ||
               link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK) {
        role = Role::kIn;
    } else if (link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK) {
        role = Role::kArray;
    }
    const std::size_t first = queries_.size();
    const bool in_arm = std::exchange(in_arm_, false);
    read_statement(*link.subselect, {.role = role, .parent = &query, .depth = query.depth + 1});
    in_arm_ = in_arm;
    // A correlated subquery names outer columns: what it holds together counts as touched.
    if (first < queries_.size() && queries_[first].correlated && touched != nullptr) {
        touch(touched, -1);
    }
}

}  // namespace howdah::insight
