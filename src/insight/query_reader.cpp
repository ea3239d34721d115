#include "insight/query_reader.hpp"

#include <algorithm>

#include "insight/walk.hpp"

namespace howdah::insight {
namespace {

std::string_view text_or(const char* text) {
    return text == nullptr ? std::string_view() : std::string_view(text);
}

std::string_view alias_or(const PgQuery__Alias* alias, std::string_view otherwise) {
    return alias == nullptr ? otherwise : text_or(alias->aliasname);
}

bool is_constant_true(const sql::Node* node) {
    if (node == nullptr) {
        return false;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_A_CONST) {
        return node->a_const->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL &&
               node->a_const->boolval->boolval != 0;
    }
    if (node->node_case != PG_QUERY__NODE__NODE_A_EXPR || operator_of(*node->a_expr) != "=") {
        return false;
    }
    const auto left = integer_of(node->a_expr->lexpr);
    const auto right = integer_of(node->a_expr->rexpr);
    return left && right && *left == *right;
}

}  // namespace

void QueryReader::read(const sql::Node& statement) {
    read_statement(statement, {});
}

void QueryReader::read_statement(const sql::Node& statement, Link link) {
    switch (statement.node_case) {
        case PG_QUERY__NODE__NODE_SELECT_STMT:
            read_select(*statement.select_stmt, link);
            break;
        case PG_QUERY__NODE__NODE_UPDATE_STMT:
            read_update(*statement.update_stmt, link);
            break;
        case PG_QUERY__NODE__NODE_DELETE_STMT:
            read_delete(*statement.delete_stmt, link);
            break;
        case PG_QUERY__NODE__NODE_INSERT_STMT: {
            const PgQuery__InsertStmt& insert = *statement.insert_stmt;
            read_with(insert.with_clause, link);
            if (insert.select_stmt != nullptr) {
                link.role = Role::kInsert;
                read_statement(*insert.select_stmt, link);
            }
            break;
        }
        case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
            read_statement(*statement.explain_stmt->query, link);
            break;
        case PG_QUERY__NODE__NODE_PREPARE_STMT:
            read_statement(*statement.prepare_stmt->query, link);
            break;
        case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
            link.role = Role::kFrom;  // read in portions: no limit is missed
            read_statement(*statement.declare_cursor_stmt->query, link);
            break;
        case PG_QUERY__NODE__NODE_COPY_STMT:
            if (statement.copy_stmt->query != nullptr) {
                link.role = Role::kInsert;
                read_statement(*statement.copy_stmt->query, link);
            }
            break;
        case PG_QUERY__NODE__NODE_VIEW_STMT:
            link.role = Role::kFrom;
            read_statement(*statement.view_stmt->query, link);
            break;
        case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
            link.role = Role::kInsert;
            read_statement(*statement.create_table_as_stmt->query, link);
            break;
        default:
            break;
    }
}

void QueryReader::read_with(const PgQuery__WithClause* with, Link link) {
    for (std::size_t i = 0; with != nullptr && i < with->n_ctes; ++i) {
        const PgQuery__CommonTableExpr& table = *with->ctes[i]->common_table_expr;
        common_tables_.push_back(text_or(table.ctename));
        link.role = Role::kWith;
        read_statement(*table.ctequery, link);
    }
}

void QueryReader::read_set_arms(const PgQuery__SelectStmt& select, Link link) {
    // A chain of UNIONs leans to the left, thousands long: go down it in a loop.
    const PgQuery__SelectStmt* at = &select;
    link.role = link.role == Role::kTop ? Role::kSetArm : link.role;
    while (at->op != PG_QUERY__SET_OPERATION__SETOP_NONE) {
        read_with(at->with_clause, link);
        read_select(*at->rarg, link);
        at = at->larg;
    }
    read_select(*at, link);
}

void QueryReader::read_select(const PgQuery__SelectStmt& select, Link link) {
    if (select.op != PG_QUERY__SET_OPERATION__SETOP_NONE) {
        read_set_arms(select, link);
        return;
    }
    Query& query = queries_.emplace_back();
    query.role = link.role;
    query.parent = link.parent;
    query.depth = link.depth;
    query.select = &select;
    read_with(select.with_clause, {.role = Role::kWith, .parent = &query, .depth = link.depth + 1});
    for (std::size_t i = 0; i < select.n_from_clause; ++i) {
        add_source(query, *select.from_clause[i], false);
    }
    add_where(query, select.where_clause);
    query.limit = select.limit_count;
    query.offset_node = select.limit_offset;
    if (query.limit != nullptr && query.limit->node_case == PG_QUERY__NODE__NODE_A_CONST &&
        query.limit->a_const->isnull != 0) {
        query.limit = nullptr;  // LIMIT ALL
    }
    query.grouped = select.n_group_clause > 0;
    query.distinct = select.n_distinct_clause > 0;
    query.locking = select.n_locking_clause > 0;
    bool aggregates = false;
    for (std::size_t i = 0; i < select.n_target_list; ++i) {
        visit(query, select.target_list[i], nullptr, &aggregates);
        if (query.offset == 0) {
            query.offset = offset_of(select.target_list[i]);
        }
    }
    visit(query, select.having_clause, nullptr, &aggregates);
    for (std::size_t i = 0; i < select.n_group_clause; ++i) {
        visit(query, select.group_clause[i], nullptr, nullptr);
    }
    query.aggregated = aggregates && !query.grouped;
    read_order(query, select.n_sort_clause, select.sort_clause);
    visit(query, query.limit, nullptr, nullptr);
    visit(query, query.offset_node, nullptr, nullptr);
}

void QueryReader::read_update(const PgQuery__UpdateStmt& update, Link link) {
    Query& query = queries_.emplace_back();
    query.kind = QueryKind::kUpdate;
    query.role = link.role;
    query.depth = link.depth;
    query.parent = link.parent;
    read_with(update.with_clause, {.role = Role::kWith, .parent = &query, .depth = link.depth + 1});
    add_relation(query, *update.relation, false);
    for (std::size_t i = 0; i < update.n_from_clause; ++i) {
        add_source(query, *update.from_clause[i], false);
    }
    add_where(query, update.where_clause);
    for (std::size_t i = 0; i < update.n_target_list; ++i) {
        visit(query, update.target_list[i], nullptr, nullptr);
    }
}

void QueryReader::read_delete(const PgQuery__DeleteStmt& statement, Link link) {
    Query& query = queries_.emplace_back();
    query.kind = QueryKind::kDelete;
    query.role = link.role;
    query.depth = link.depth;
    query.parent = link.parent;
    read_with(statement.with_clause,
              {.role = Role::kWith, .parent = &query, .depth = link.depth + 1});
    add_relation(query, *statement.relation, false);
    for (std::size_t i = 0; i < statement.n_using_clause; ++i) {
        add_source(query, *statement.using_clause[i], false);
    }
    add_where(query, statement.where_clause);
}

void QueryReader::add_relation(Query& query, const PgQuery__RangeVar& relation, bool nullable) {
    const std::string_view name = text_or(relation.relname);
    Source source{.alias = alias_or(relation.alias, name), .left_joined = nullable};
    source.offset = relation.location > 0 ? static_cast<std::size_t>(relation.location) : 0;
    const bool common = text_or(relation.schemaname).empty() &&
                        std::ranges::find(common_tables_, name) != common_tables_.end();
    if (!common) {
        source.table = canonical_name(text_or(relation.schemaname), name);
        source.known = schema_.find(source.table);
    }
    query.offset = query.offset == 0 && query.select == nullptr ? source.offset : query.offset;
    query.sources.push_back(std::move(source));
}

void QueryReader::add_source(Query& query, const sql::Node& node, bool nullable) {
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_RANGE_VAR:
            add_relation(query, *node.range_var, nullable);
            break;
        case PG_QUERY__NODE__NODE_JOIN_EXPR:
            add_join(query, *node.join_expr, nullable);
            break;
        case PG_QUERY__NODE__NODE_RANGE_SUBSELECT: {
            const PgQuery__RangeSubselect& range = *node.range_subselect;
            Source source{.alias = alias_or(range.alias, ""),
                          .dependent = range.lateral != 0,
                          .left_joined = nullable};
            const std::size_t first = queries_.size();
            read_statement(*range.subquery, {.role = Role::kFrom,
                                             .parent = range.lateral != 0 ? &query : query.parent,
                                             .depth = query.depth + 1});
            if (first < queries_.size()) {
                const Query& inner = queries_[first];
                source.one_row = inner.aggregated || inner.sources.empty() ||
                                 integer_of(inner.limit).value_or(2) <= 1;
                source.offset = inner.offset;
            }
            query.sources.push_back(std::move(source));
            break;
        }
        case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
            query.sources.push_back({.alias = alias_or(node.range_function->alias, ""),
                                     .one_row = true,
                                     .dependent = true});
            for_each_child(content(&node),
                           [&](const sql::Node* child) { visit(query, child, nullptr, nullptr); });
            break;
        default:
            query.sources.push_back({.one_row = true, .dependent = true});
            break;
    }
}

void QueryReader::add_join(Query& query, const PgQuery__JoinExpr& join, bool nullable) {
    const bool outer_right = join.jointype == PG_QUERY__JOIN_TYPE__JOIN_LEFT ||
                             join.jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL;
    const bool outer_left = join.jointype == PG_QUERY__JOIN_TYPE__JOIN_RIGHT ||
                            join.jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL;
    add_source(query, *join.larg, nullable || outer_left);
    const auto middle = static_cast<int>(query.sources.size());
    add_source(query, *join.rarg, nullable || outer_right);
    query.natural = query.natural || join.is_natural != 0;
    for (std::size_t i = 0; i < join.n_using_clause; ++i) {
        const std::string_view name = sql::string_value(join.using_clause[i]);
        Predicate predicate{.test = Test::kEquals, .join = true};
        predicate.column = {.source = middle - 1, .name = name};
        predicate.other = {.source = middle, .name = name};
        predicate.touched = {middle - 1, middle};
        predicate.offset = query.sources[static_cast<std::size_t>(middle)].offset;
        query.predicates.push_back(std::move(predicate));
    }
    if (join.quals != nullptr) {
        add_conjuncts(query, join.quals, query.predicates, true);
    } else if (join.n_using_clause == 0 && join.is_natural == 0) {
        // CROSS JOIN, or a comma's younger brother: every pair is meant
        Predicate predicate{.test = Test::kConstant, .join = true};
        for (int i = 0; i < static_cast<int>(query.sources.size()); ++i) {
            predicate.touched.push_back(i);
        }
        query.predicates.push_back(std::move(predicate));
    }
}

void QueryReader::add_where(Query& query, const sql::Node* where) {
    query.has_where = where != nullptr;
    query.true_where = is_constant_true(where);
    if (where != nullptr) {
        add_conjuncts(query, where, query.predicates, false);
    }
}

void QueryReader::read_order(Query& query, std::size_t count, sql::Node* const* keys) {
    for (std::size_t i = 0; i < count; ++i) {
        if (keys[i]->node_case != PG_QUERY__NODE__NODE_SORT_BY) {
            continue;
        }
        const sql::Node* node = keys[i]->sort_by->node;
        visit(query, node, nullptr, nullptr);
        OrderKey key{.column = plain_column(query, node), .node = node, .offset = offset_of(node)};
        // ORDER BY 1, or by a name of the select list, is that expression
        for (std::size_t n = 0; query.select != nullptr && n < query.select->n_target_list; ++n) {
            const PgQuery__ResTarget& target = *query.select->target_list[n]->res_target;
            const bool by_number = integer_of(node) == static_cast<std::int64_t>(n) + 1;
            const bool by_name =
                !text_or(target.name).empty() &&
                node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
                node->column_ref->n_fields == 1 &&
                sql::string_value(node->column_ref->fields[0]) == text_or(target.name);
            if (by_number || by_name) {
                key.column = plain_column(query, target.val);
                key.node = target.val;
            }
        }
        query.order.push_back(key);
    }
}

}  // namespace howdah::insight
