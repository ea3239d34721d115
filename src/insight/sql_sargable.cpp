// SqlJudge: conditions that keep an index from being used.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "insight/sql_rules.hpp"
#include "insight/walk.hpp"
#include "sql/names.hpp"

namespace howdah::insight {
namespace {

const Table* table_of(const Query& query, const ColumnUse& column) {
    return column.known() && !column.outer
               ? query.sources[static_cast<std::size_t>(column.source)].known
               : nullptr;
}

std::string_view function_of(const sql::Node* side) {
    if (side == nullptr) {
        return {};
    }
    if (side->node_case == PG_QUERY__NODE__NODE_FUNC_CALL && side->func_call->n_funcname > 0) {
        return sql::string_value(side->func_call->funcname[side->func_call->n_funcname - 1]);
    }
    if (side->node_case == PG_QUERY__NODE__NODE_COALESCE_EXPR) {
        return "coalesce";
    }
    return side->node_case == PG_QUERY__NODE__NODE_TYPE_CAST ? "a cast" : "a calculation";
}

std::string_view last_type_name(const sql::Node* node) {
    if (node == nullptr || node->node_case != PG_QUERY__NODE__NODE_TYPE_CAST ||
        node->type_cast->type_name == nullptr || node->type_cast->type_name->n_names == 0) {
        return {};
    }
    const PgQuery__TypeName& type = *node->type_cast->type_name;
    return sql::string_value(type.names[type.n_names - 1]);
}

// How the condition would be written so that an index on the column serves.
std::string rewrite_of(const Predicate& predicate) {
    const std::string_view function = function_of(predicate.side);
    const std::string_view column = predicate.wrapped.name;
    const bool cast_to_date = last_type_name(predicate.side) == "date";
    if (function == "date" || function == "date_trunc" || cast_to_date) {
        return fmt::format("{0} >= $day and {0} < $day + interval '1 day'", column);
    }
    if (function == "lower" || function == "upper") {
        return fmt::format("create index concurrently on ... ({}({})); or make the column citext",
                           function, sql::name_in_sql(column));
    }
    if (function == "date_part" || function == "extract") {
        return fmt::format("{0} >= '2025-01-01' and {0} < '2026-01-01'", column);
    }
    if (function == "coalesce") {
        return fmt::format("{0} = $1 or {0} is null, each side by itself", column);
    }
    const std::string key = expression_key(predicate.side);
    return key.empty() || sql::name_in_sql(column) != column  // a key has no quotes
               ? ""
               : fmt::format("create index concurrently on ... (({}));", key);
}

bool is_json_path(const sql::Node* side) {
    return side != nullptr && side->node_case == PG_QUERY__NODE__NODE_A_EXPR &&
           operator_of(*side->a_expr).starts_with("-");
}

bool holds_aggregate_or_subquery(const sql::Node* node) {
    if (node == nullptr) {
        return false;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_SUB_LINK ||
        node->node_case == PG_QUERY__NODE__NODE_CASE_EXPR) {
        return true;
    }
    bool found = false;
    for_each_child(content(node), [&](const sql::Node* child) {
        found = found || holds_aggregate_or_subquery(child);
    });
    return found;
}

// Another condition on the same source that an index serves, or may: then this one only filters.
bool narrowed_otherwise(const Query& query, const Predicate& predicate) {
    const int source =
        predicate.wrapped.known() ? predicate.wrapped.source : predicate.column.source;
    return std::ranges::any_of(query.predicates, [&](const Predicate& other) {
        if (&other == &predicate || other.test != Test::kEquals || other.column.source != source ||
            other.column.outer) {
            return false;
        }
        const Table* table = query.sources[static_cast<std::size_t>(source)].known;
        return table == nullptr || table->indexes.empty() ||
               table->has_leading(other.column.name, false);
    });
}

}  // namespace

void SqlJudge::check_pattern(const Query& query, const Predicate& predicate) {
    if (predicate.test != Test::kWildcard || predicate.join ||
        narrowed_otherwise(query, predicate)) {
        return;
    }
    const ColumnUse& column = predicate.column.known() ? predicate.column : predicate.wrapped;
    const Table* table = table_of(query, column);
    if (!column.known() || column.outer || (table != nullptr && table->has_trigram())) {
        return;
    }
    report("leading-wildcard", predicate.offset,
           {.fix = fmt::format("create extension if not exists pg_trgm;\ncreate index concurrently "
                               "on {} using gin ({} gin_trgm_ops);",
                               sql::qualified_name_in_sql(
                                   query.sources[static_cast<std::size_t>(column.source)].table),
                               sql::name_in_sql(column.name))});
}

void SqlJudge::check_expression(const Query& query, const Predicate& predicate) {
    const bool tested = predicate.test == Test::kEquals || predicate.test == Test::kRange;
    if (!tested || predicate.column.known() || !predicate.wrapped.known() ||
        predicate.wrapped.outer || predicate.side == nullptr ||
        holds_aggregate_or_subquery(predicate.side) || narrowed_otherwise(query, predicate)) {
        return;
    }
    // Columns on both sides: a join by expression, or two columns of one row.
    const auto real = std::ranges::count_if(predicate.touched, [](int s) { return s >= 0; });
    const Table* table = table_of(query, predicate.wrapped);
    const std::string key = expression_key(predicate.side);
    if (real != 1 || (table != nullptr && !key.empty() && table->has_expression(key))) {
        return;
    }
    const Source& source = query.sources[static_cast<std::size_t>(predicate.wrapped.source)];
    if (source.table.empty() || (table != nullptr && table->rows.value_or(1e9) < 1000)) {
        return;
    }
    std::string fix = rewrite_of(predicate);
    const std::size_t dots = fix.find("...");
    if (dots != std::string::npos) {
        fix.replace(dots, 3, sql::qualified_name_in_sql(source.table));
    }
    report("non-sargable", predicate.offset,
           {.message = is_json_path(predicate.side)
                           ? fmt::format("no index on {} can serve a condition on a part of it",
                                         predicate.wrapped.name)
                           : fmt::format("{} around {}: no index on the column can serve this",
                                         function_of(predicate.side), predicate.wrapped.name),
            .fix = std::move(fix),
            .confidence = table == nullptr ? "likely" : "certain"});
}

// to_tsvector('english', title) @@ ...: computed for each row where no index holds it.
void SqlJudge::check_text_search(const Query& query, const Predicate& predicate) {
    const Table* table = table_of(query, predicate.wrapped);
    if (predicate.test != Test::kOperator || predicate.column.known() || table == nullptr ||
        function_of(predicate.side) != "to_tsvector" || narrowed_otherwise(query, predicate) ||
        table->rows.value_or(1e9) < 1000) {
        return;
    }
    // Which expression an index holds is written in many ways: any one will do.
    const bool indexed = std::ranges::any_of(table->indexes, [](const Index& index) {
        return index.method == "gin" || index.method == "gist" || index.method == "rum";
    });
    if (indexed) {
        return;
    }
    const std::string key = expression_key(predicate.side);
    const bool configured = predicate.side->func_call->n_args == 2;
    report(
        "non-sargable", predicate.offset,
        {.message = fmt::format("to_tsvector around {}: no index holds what is searched",
                                predicate.wrapped.name),
         .fix = configured && !key.empty() &&
                        sql::name_in_sql(predicate.wrapped.name) == predicate.wrapped.name
                    ? fmt::format("create index concurrently on {} using gin ({});",
                                  sql::qualified_name_in_sql(table->name), key)
                    : "create index ... using gin (to_tsvector('english', column)), and the same "
                      "in the query; or a stored column of type tsvector"});
}

void SqlJudge::check_cast(const Query& query, const Predicate& predicate) {
    const Table* table = table_of(query, predicate.column);
    const Column* column = table == nullptr ? nullptr : table->column(predicate.column.name);
    if (column == nullptr || predicate.value == nullptr ||
        (predicate.test != Test::kEquals && predicate.test != Test::kRange)) {
        return;
    }
    const sql::Node* value = predicate.value;
    const std::string_view type = last_type_name(value);
    bool cast = false;
    if (column->type == TypeClass::kInteger) {
        const bool decimal = value->node_case == PG_QUERY__NODE__NODE_A_CONST &&
                             value->a_const->val_case == PG_QUERY__A__CONST__VAL_FVAL &&
                             std::string_view(value->a_const->fval->fval).find_first_of(".eE") !=
                                 std::string_view::npos;
        const TypeClass to = type.empty() ? TypeClass::kUnknown : type_class(type);
        cast = decimal || to == TypeClass::kNumeric || to == TypeClass::kFloat;
    } else if (column->type == TypeClass::kNumeric) {
        cast = !type.empty() && type_class(type) == TypeClass::kFloat;
    } else if (column->type == TypeClass::kChar) {
        cast = !type.empty() && type_class(type) == TypeClass::kText;
    }
    const Table* other = table_of(query, predicate.other);
    const Column* partner = other == nullptr ? nullptr : other->column(predicate.other.name);
    if (partner != nullptr) {
        const auto pair = [&](TypeClass a, TypeClass b) {
            return (column->type == a && partner->type == b) ||
                   (column->type == b && partner->type == a);
        };
        cast = pair(TypeClass::kInteger, TypeClass::kNumeric) ||
               pair(TypeClass::kInteger, TypeClass::kFloat) ||
               pair(TypeClass::kNumeric, TypeClass::kFloat);
    }
    if (cast) {
        report(
            "implicit-cast", predicate.offset,
            {.message = fmt::format("{} is cast to the type of what it is compared with",
                                    predicate.column.name),
             .fix =
                 column->type == TypeClass::kChar
                     ? "Give the value without a cast, or as $1::bpchar; or make the column text."
                     : ""});
    }
}

}  // namespace howdah::insight
