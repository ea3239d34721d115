#include "insight/sql_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "sql/tokens.hpp"

namespace howdah::insight {
namespace {

constexpr std::int64_t kDeepOffset = 1000;
constexpr std::size_t kListMax = 100;

bool is_star(const sql::Node& target) {
    const sql::Node* value =
        target.node_case == PG_QUERY__NODE__NODE_RES_TARGET ? target.res_target->val : nullptr;
    return value != nullptr && value->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
           value->column_ref->n_fields > 0 &&
           value->column_ref->fields[value->column_ref->n_fields - 1]->node_case ==
               PG_QUERY__NODE__NODE_A_STAR;
}

bool has_tables(const Query& query) {
    return std::ranges::any_of(query.sources, [](const Source& s) { return !s.table.empty(); });
}

bool is_catalog(std::string_view table) {
    return table.starts_with("pg_") || table.starts_with("pg_catalog.") ||
           table.starts_with("information_schema.");
}

std::string_view function_name(const sql::Node* node) {
    return node != nullptr && node->node_case == PG_QUERY__NODE__NODE_FUNC_CALL &&
                   node->func_call->n_funcname > 0
               ? sql::string_value(node->func_call->funcname[node->func_call->n_funcname - 1])
               : std::string_view();
}

bool is_null_constant(const sql::Node* node) {
    return node != nullptr && node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
           node->a_const->isnull != 0;
}

// Whether a subquery's only column may be NULL, as far as schema and conditions tell.
bool may_give_null(const PgQuery__SelectStmt& select, const Schema& schema) {
    if (select.n_target_list != 1 || select.op != PG_QUERY__SET_OPERATION__SETOP_NONE ||
        select.n_from_clause == 0) {
        return select.n_from_clause != 0;
    }
    const sql::Node* value = select.target_list[0]->res_target->val;
    if (value == nullptr || value->node_case != PG_QUERY__NODE__NODE_COLUMN_REF) {
        return value == nullptr || function_name(value) != "count";
    }
    const PgQuery__ColumnRef& reference = *value->column_ref;
    const std::string_view name = sql::string_value(reference.fields[reference.n_fields - 1]);
    Queries queries;
    const sql::Node wrapper{.base = PROTOBUF_C_MESSAGE_INIT(&pg_query__node__descriptor),
                            .node_case = PG_QUERY__NODE__NODE_SELECT_STMT,
                            .select_stmt = const_cast<PgQuery__SelectStmt*>(&select)};
    queries = read_queries(wrapper, schema);
    const Query& query = queries.front();
    for (const Predicate& predicate : query.predicates) {
        const bool tested = predicate.column.name == name && !predicate.column.outer;
        const bool not_null = predicate.node != nullptr &&
                              predicate.node->node_case == PG_QUERY__NODE__NODE_NULL_TEST &&
                              predicate.test == Test::kUnequal;
        if (tested &&
            (not_null || predicate.test == Test::kEquals || predicate.test == Test::kRange)) {
            return false;
        }
    }
    if (query.sources.size() != 1 || query.sources.front().known == nullptr) {
        return true;
    }
    const Column* column = query.sources.front().known->column(name);
    return column == nullptr || !column->not_null;
}

}  // namespace

Range SqlJudge::word_at(std::size_t offset) const {
    sql::Lexer lexer(text_, std::min(offset, text_.size()));
    sql::Token token = lexer.next_code();
    Range range{token.begin, token.end};
    for (sql::Token next = lexer.next_code(); sql::is_punct(next, text_, '.');
         next = lexer.next_code()) {
        range.end = lexer.next_code().end;
    }
    return range;
}

void SqlJudge::report(std::string_view name, std::size_t offset, Notice notice) {
    report(name, word_at(offset), std::move(notice));
}

void SqlJudge::report(std::string_view name, Range range, Notice notice) {
    out_.push_back(place_.source.finding(rule(name), place_.map(range), std::move(notice)));
}

void SqlJudge::judge(const Query& query) {
    check_star(query);
    check_pagination(query);
    check_offset(query);
    check_predicates(query);
    check_cartesian(query);
    check_missing_where(query);
    check_correlated(query);
    check_order(query);
    check_access(query);
}

void SqlJudge::judge_insert(const PgQuery__InsertStmt& insert) {
    if (insert.n_cols > 0 || options_.migration || insert.select_stmt == nullptr ||
        insert.relation == nullptr) {
        return;  // INSERT ... DEFAULT VALUES names none and needs none
    }
    report("insert-without-columns", static_cast<std::size_t>(insert.relation->location), {});
}

void SqlJudge::check_star(const Query& query) {
    const bool shown = query.role == Role::kTop || query.role == Role::kSetArm;
    if (query.select == nullptr || !shown || !has_tables(query)) {
        return;
    }
    for (std::size_t i = 0; i < query.select->n_target_list; ++i) {
        const sql::Node& target = *query.select->target_list[i];
        if (!is_star(target) || is_catalog(query.sources.front().table)) {
            continue;
        }
        const auto wide = [](const Source& source) {
            return source.known != nullptr &&
                   std::ranges::any_of(source.known->columns, [](const Column& column) {
                       return column.type == TypeClass::kJson || column.type == TypeClass::kBytes;
                   });
        };
        Notice notice;
        if (std::ranges::any_of(query.sources, wide)) {
            notice.evidence = "JSON or binary columns come along";
        }
        report("select-star", static_cast<std::size_t>(target.res_target->location),
               std::move(notice));
        return;
    }
}

void SqlJudge::check_pagination(const Query& query) {
    if (query.role != Role::kTop || query.select == nullptr || query.limit != nullptr ||
        query.aggregated || query.grouped || query.locking || query.sources.empty() ||
        !has_tables(query)) {
        return;
    }
    for (std::size_t i = 0; i < query.sources.size(); ++i) {
        const Source& source = query.sources[i];
        const std::vector<std::string> equal = query.equal_columns(static_cast<int>(i), false);
        const bool narrowed = (source.known != nullptr && source.known->is_unique(equal)) ||
                              !only_weak_conditions(query, static_cast<int>(i)) ||
                              (source.known == nullptr && !equal.empty());
        const bool small = source.known != nullptr && source.known->rows.value_or(1e9) < 1000;
        if (narrowed || small || is_catalog(source.table) || source.one_row) {
            return;
        }
    }
    if (query.has_where && std::ranges::any_of(query.predicates, [](const Predicate& p) {
            return !p.join && p.touched.size() == 1 && p.touched.front() == -1;
        })) {
        return;
    }
    report("missing-pagination", query.sources.front().offset,
           {.message = query.has_where ? "a list without a limit: the conditions leave most rows in"
                                       : std::string(),
            .confidence = query.has_where ? "likely" : "certain",
            .minor = query.has_where});
}

void SqlJudge::check_offset(const Query& query) {
    if (query.offset_node == nullptr || query.select == nullptr) {
        return;
    }
    const auto rows = integer_of(query.offset_node);
    const std::size_t at = offset_of(query.offset_node);
    if (rows && *rows >= kDeepOffset) {
        report("deep-offset", at, {.evidence = fmt::format("{} rows are read and dropped", *rows)});
    } else if (!rows && !is_null_constant(query.offset_node)) {
        report("deep-offset", at,
               {.message = "pages by an OFFSET that nothing bounds",
                .confidence = "suspected",
                .minor = true});
    }
    const bool positive = !rows || *rows > 0;
    if (positive && query.order.empty() && query.select->n_sort_clause == 0) {
        report("offset-without-order", at, {});
    }
}

void SqlJudge::check_predicates(const Query& query) {
    for (const Predicate& predicate : query.predicates) {
        check_predicate(query, predicate);
        if (predicate.test == Test::kOr) {
            check_or(query, predicate);
            for (const auto& arm : predicate.arms) {
                for (const Predicate& inner : arm) {
                    check_predicate(query, inner);
                }
            }
        }
    }
}

void SqlJudge::check_predicate(const Query& query, const Predicate& predicate) {
    check_null(predicate);
    check_not_in(predicate);
    check_list(predicate);
    check_count(predicate);
    check_pattern(query, predicate);
    check_expression(query, predicate);
    check_text_search(query, predicate);
    check_cast(query, predicate);
}

void SqlJudge::check_null(const Predicate& predicate) {
    if (predicate.node == nullptr || predicate.node->node_case != PG_QUERY__NODE__NODE_A_EXPR) {
        return;
    }
    const PgQuery__AExpr& expression = *predicate.node->a_expr;
    const std::string_view name = operator_of(expression);
    if (expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP &&
        (is_null_constant(expression.rexpr) || is_null_constant(expression.lexpr)) &&
        (name == "=" || name == "<>" || name == "!=")) {
        report("null-comparison", predicate.offset,
               {.fix = name == "=" ? "IS NULL" : "IS NOT NULL"});
    }
}

void SqlJudge::check_not_in(const Predicate& predicate) {
    if (predicate.node == nullptr) {
        return;
    }
    if (predicate.node->node_case == PG_QUERY__NODE__NODE_A_EXPR &&
        predicate.node->a_expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_IN &&
        operator_of(*predicate.node->a_expr) == "<>" && predicate.value != nullptr &&
        predicate.value->node_case == PG_QUERY__NODE__NODE_LIST) {
        const PgQuery__List& list = *predicate.value->list;
        for (std::size_t i = 0; i < list.n_items; ++i) {
            if (is_null_constant(list.items[i])) {
                report("not-in-null", predicate.offset,
                       {.message = "NOT IN a list with NULL is true for no row",
                        .fix = "Take NULL out of the list, and add IS NOT NULL if it is meant."});
            }
        }
        return;
    }
    if (predicate.node->node_case != PG_QUERY__NODE__NODE_BOOL_EXPR ||
        predicate.node->bool_expr->boolop != PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR ||
        predicate.node->bool_expr->args[0]->node_case != PG_QUERY__NODE__NODE_SUB_LINK) {
        return;
    }
    const PgQuery__SubLink& link = *predicate.node->bool_expr->args[0]->sub_link;
    if (link.sub_link_type != PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK || link.n_oper_name > 0 ||
        link.subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        return;
    }
    if (!may_give_null(*link.subselect->select_stmt, schema_)) {
        return;
    }
    report("not-in-null", offset_of(link.testexpr), {});
}

void SqlJudge::check_list(const Predicate& predicate) {
    if (predicate.value == nullptr || predicate.value->node_case != PG_QUERY__NODE__NODE_LIST ||
        predicate.value->list->n_items <= kListMax) {
        return;
    }
    report("large-in-list", predicate.offset,
           {.evidence = fmt::format("{} values", predicate.value->list->n_items)});
}

// (SELECT count(*) ...) > 0, and its relatives.
void SqlJudge::check_count(const Predicate& predicate) {
    if (predicate.node == nullptr || predicate.node->node_case != PG_QUERY__NODE__NODE_A_EXPR) {
        return;
    }
    const PgQuery__AExpr& expression = *predicate.node->a_expr;
    const sql::Node* link = expression.lexpr;
    const auto number = integer_of(expression.rexpr);
    const std::string_view name = operator_of(expression);
    const bool asks =
        number && ((*number == 0 && (name == ">" || name == "=" || name == "<>" || name == "!=")) ||
                   (*number == 1 && (name == ">=" || name == "<")));
    if (!asks || link == nullptr || link->node_case != PG_QUERY__NODE__NODE_SUB_LINK ||
        link->sub_link->subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        return;
    }
    const PgQuery__SelectStmt& select = *link->sub_link->subselect->select_stmt;
    if (select.n_target_list == 1 &&
        select.target_list[0]->node_case == PG_QUERY__NODE__NODE_RES_TARGET &&
        function_name(select.target_list[0]->res_target->val) == "count") {
        report("count-for-existence", offset_of(link), {});
    }
}

void SqlJudge::check_or(const Query& query, const Predicate& predicate) {
    int first = -1;
    for (const auto& arm : predicate.arms) {
        for (const Predicate& inner : arm) {
            if (inner.touched.size() != 1 || inner.touched.front() < 0) {
                return;  // a join condition, or something unknown: another matter
            }
        }
        const int source = arm.empty() ? -1 : arm.front().touched.front();
        if (first == -1) {
            first = source;
        } else if (source != first && source >= 0) {
            const auto& one = query.sources[static_cast<std::size_t>(first)];
            const auto& other = query.sources[static_cast<std::size_t>(source)];
            report("or-across-tables", predicate.offset,
                   {.evidence = fmt::format("{} and {}", one.alias, other.alias)});
            return;
        }
    }
}

void SqlJudge::check_missing_where(const Query& query) {
    if (query.kind == QueryKind::kSelect || (query.has_where && !query.true_where) ||
        query.sources.empty()) {
        return;
    }
    const bool joined = query.sources.size() > 1;
    const bool update = query.kind == QueryKind::kUpdate;
    report(update ? "update-without-where" : "delete-without-where", query.sources.front().offset,
           {.evidence = joined ? "the other tables are joined with every row" : "",
            .confidence = options_.migration ? "suspected" : "certain",
            .minor = options_.migration});
}

void SqlJudge::check_correlated(const Query& query) {
    if (query.role != Role::kScalar || !query.correlated || query.sources.empty()) {
        return;
    }
    report("correlated-subquery", query.offset != 0 ? query.offset : query.sources.front().offset,
           {});
}

void SqlJudge::check_order(const Query& query) {
    if (query.select == nullptr) {
        return;
    }
    for (std::size_t i = 0; i < query.select->n_sort_clause; ++i) {
        const sql::Node* key = query.select->sort_clause[i]->sort_by->node;
        if (function_name(key) == "random" && has_tables(query)) {
            report("order-by-random", offset_of(key), {});
        }
    }
}

// Sources that no condition connects with the others multiply.
void SqlJudge::check_cartesian(const Query& query) {
    const std::size_t count = query.sources.size();
    if (count < 2 || query.natural) {
        return;
    }
    std::vector<std::size_t> group(count);
    std::iota(group.begin(), group.end(), std::size_t{0});
    const auto merge = [&](std::size_t a, std::size_t b) {
        std::ranges::replace(group, std::size_t{group[a]}, std::size_t{group[b]});
    };
    for (const Predicate& predicate : query.predicates) {
        std::size_t last = count;
        for (const int source : predicate.touched) {
            if (source < 0) {
                return;  // a column of who knows which table: nothing is certain
            }
            const auto index = static_cast<std::size_t>(source);
            if (last != count) {
                merge(last, index);
            }
            last = index;
        }
    }
    std::size_t lone = count;
    for (std::size_t i = 1; i < count; ++i) {
        const Source& source = query.sources[i];
        const bool counts = !source.one_row && !source.dependent;
        const bool pinned = source.known != nullptr && source.known->is_unique(query.equal_columns(
                                                           static_cast<int>(i), false));
        if (counts && !pinned && group[i] != group[0]) {
            lone = i;
            break;
        }
    }
    const Source& head = query.sources.front();
    const bool head_counts =
        !head.one_row &&
        !(head.known != nullptr && head.known->is_unique(query.equal_columns(0, false)));
    if (lone != count && head_counts) {
        // What a WITH gives may well be one row.
        const bool derived = head.table.empty() || query.sources[lone].table.empty();
        report("cartesian-join",
               query.sources[lone].offset != 0 ? query.sources[lone].offset : head.offset,
               {.message =
                    fmt::format("nothing joins {} with {}", query.sources[lone].alias, head.alias),
                .confidence = derived ? "suspected" : "certain",
                .minor = derived});
    }
}

}  // namespace howdah::insight
