#include "migrate/build_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "migrate/interpreter.hpp"

namespace howdah::migrate {

std::vector<std::string> strings_of(sql::Node* const* nodes, std::size_t count) {
    std::vector<std::string> strings;
    strings.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        strings.emplace_back(sql::string_value(nodes[i]));
    }
    return strings;
}

std::string last_part(std::string_view dotted) {
    const std::size_t dot = dotted.rfind('.');
    return std::string(dot == std::string_view::npos ? dotted : dotted.substr(dot + 1));
}

std::string schema_part(std::string_view dotted) {
    const std::size_t dot = dotted.rfind('.');
    return std::string(dot == std::string_view::npos ? std::string_view() : dotted.substr(0, dot));
}

Column column_of(const PgQuery__ColumnDef& definition) {
    Column column{.name = text_or(definition.colname), .type = type_of(definition.type_name)};
    if (definition.coll_clause != nullptr && definition.coll_clause->n_collname > 0) {
        column.type.collation = sql::string_value(
            definition.coll_clause->collname[definition.coll_clause->n_collname - 1]);
    }
    if (is_serial(column.type.name)) {
        column.has_default = true;
        column.serial = true;
        column.not_null = true;
        const std::string& name = column.type.name;
        column.type.name = name == "serial" ? "int4" : name == "bigserial" ? "int8" : "int2";
    }
    for (std::size_t i = 0; i < definition.n_constraints; ++i) {
        if (definition.constraints[i]->node_case != PG_QUERY__NODE__NODE_CONSTRAINT) {
            continue;
        }
        switch (definition.constraints[i]->constraint->contype) {
            case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL:
            case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
                column.not_null = true;
                break;
            case PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT:
                column.has_default = true;
                column.calls = functions_called(definition.constraints[i]->constraint->raw_expr);
                break;
            case PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED:
                column.generated = true;
                column.calls = functions_called(definition.constraints[i]->constraint->raw_expr);
                break;
            case PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY:
                column.identity = true;
                column.not_null = true;
                break;
            default:
                break;
        }
    }
    return column;
}

std::vector<std::string> columns_named(const ProtobufCMessage& part) {
    std::vector<std::string> names;
    sql::visit(part, [&](const sql::Node& node) {
        if (node.node_case != PG_QUERY__NODE__NODE_COLUMN_REF || node.column_ref->n_fields == 0) {
            return;
        }
        const sql::Node* last = node.column_ref->fields[node.column_ref->n_fields - 1];
        std::string name = last->node_case == PG_QUERY__NODE__NODE_A_STAR
                               ? std::string("*")
                               : std::string(sql::string_value(last));
        if (std::ranges::find(names, name) == names.end()) {
            names.push_back(std::move(name));
        }
    });
    return names;
}

std::vector<std::string> functions_called(const sql::Node* expression) {
    std::vector<std::string> names;
    if (expression == nullptr) {
        return names;
    }
    const auto note = [&](const sql::Node& node) {
        if (node.node_case == PG_QUERY__NODE__NODE_FUNC_CALL && node.func_call->n_funcname > 0) {
            names.emplace_back(
                sql::string_value(node.func_call->funcname[node.func_call->n_funcname - 1]));
        }
    };
    sql::visit(expression->base, note);
    return names;
}

bool is_value(const sql::Node* expression) {
    return expression != nullptr && (expression->node_case != PG_QUERY__NODE__NODE_A_CONST ||
                                     expression->a_const->isnull == 0);
}

bool is_kept_constraint(const PgQuery__Constraint& definition) {
    switch (definition.contype) {
        case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK:
        case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
        case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
        case PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION:
        case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
            return true;
        default:
            return false;
    }
}

namespace {

// As makeObjectName: of a name that is too long the longer part is cut, byte by byte.
std::string object_name(std::string table, std::string columns, std::string_view label) {
    constexpr std::size_t kNameMax = 63;
    const std::size_t around = label.size() + (columns.empty() ? 1 : 2);
    while (table.size() + columns.size() + around > kNameMax) {
        std::string& longer = table.size() > columns.size() ? table : columns;
        longer.pop_back();
    }
    return fmt::format("{}{}{}_{}", table, columns.empty() ? "" : "_", columns, label);
}

std::string default_name(const TableConstraint& constraint, const std::string& table) {
    const std::string base = last_part(table);
    const std::string columns = fmt::format("{}", fmt::join(constraint.columns, "_"));
    switch (constraint.kind) {
        case ConstraintKind::kPrimary:
            return object_name(base, "", "pkey");
        case ConstraintKind::kUnique:
            return object_name(base, columns, "key");
        case ConstraintKind::kForeign:
            return object_name(base, columns, "fkey");
        case ConstraintKind::kExclude:
            return object_name(base, columns, "excl");
        case ConstraintKind::kCheck:
            break;
    }
    return object_name(base, columns, "check");
}

void note_columns(const sql::Node* expression, std::vector<std::string>& columns) {
    if (expression == nullptr) {
        return;
    }
    sql::visit(expression->base, [&](const sql::Node& node) {
        if (node.node_case == PG_QUERY__NODE__NODE_COLUMN_REF && node.column_ref->n_fields > 0) {
            columns.emplace_back(
                sql::string_value(node.column_ref->fields[node.column_ref->n_fields - 1]));
        }
    });
}

// "a IS NOT NULL AND b IS NOT NULL": the columns; false when it says anything else.
bool only_not_null(const sql::Node* expression, std::vector<std::string>& columns) {
    if (expression == nullptr) {
        return false;
    }
    if (expression->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR) {
        const PgQuery__BoolExpr& both = *expression->bool_expr;
        return both.boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR &&
               std::all_of(both.args, both.args + both.n_args, [&](const sql::Node* argument) {
                   return only_not_null(argument, columns);
               });
    }
    if (expression->node_case != PG_QUERY__NODE__NODE_NULL_TEST ||
        expression->null_test->nulltesttype != PG_QUERY__NULL_TEST_TYPE__IS_NOT_NULL ||
        expression->null_test->arg->node_case != PG_QUERY__NODE__NODE_COLUMN_REF) {
        return false;
    }
    note_columns(expression->null_test->arg, columns);
    return true;
}

char action_of(const char* text) {
    return text == nullptr || *text == '\0' ? 'a' : *text;
}

void read_kind(const Schema& schema, const PgQuery__Constraint& definition,
               TableConstraint& constraint) {
    switch (definition.contype) {
        case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
            constraint.kind = ConstraintKind::kUnique;
            break;
        case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
            constraint.kind = ConstraintKind::kPrimary;
            break;
        case PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION:
            constraint.kind = ConstraintKind::kExclude;
            break;
        case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
            constraint.kind = ConstraintKind::kForeign;
            constraint.other_table = schema.name_of(definition.pktable);
            constraint.other_columns = strings_of(definition.pk_attrs, definition.n_pk_attrs);
            constraint.on_delete = action_of(definition.fk_del_action);
            constraint.on_update = action_of(definition.fk_upd_action);
            break;
        default:
            constraint.kind = ConstraintKind::kCheck;
            constraint.not_null = proved_not_null(definition.raw_expr);
            constraint.calls = functions_called(definition.raw_expr);
            if (std::vector<std::string> columns; only_not_null(definition.raw_expr, columns)) {
                constraint.only_not_null = true;
            }
            break;
    }
}

}  // namespace

TableConstraint constraint_of(const Schema& schema, const PgQuery__Constraint& definition,
                              const std::string& table, const std::string& column) {
    TableConstraint constraint{.name = text_or(definition.conname),
                               .valid = !definition.skip_validation};
    read_kind(schema, definition, constraint);
    constraint.columns = definition.n_fk_attrs > 0
                             ? strings_of(definition.fk_attrs, definition.n_fk_attrs)
                             : strings_of(definition.keys, definition.n_keys);
    if (constraint.columns.empty() && !column.empty()) {
        constraint.columns.push_back(column);
    }
    if (constraint.kind == ConstraintKind::kCheck && constraint.columns.empty() &&
        definition.raw_expr != nullptr) {
        sql::visit(definition.raw_expr->base, [&](const sql::Node& node) {
            if (node.node_case != PG_QUERY__NODE__NODE_COLUMN_REF ||
                node.column_ref->n_fields == 0) {
                return;
            }
            std::string name(
                sql::string_value(node.column_ref->fields[node.column_ref->n_fields - 1]));
            if (!name.empty() &&
                std::ranges::find(constraint.columns, name) == constraint.columns.end()) {
                constraint.columns.push_back(std::move(name));
            }
        });
    }
    if (constraint.name.empty()) {
        TableConstraint naming = constraint;
        if (constraint.kind == ConstraintKind::kCheck && constraint.columns.size() > 1) {
            naming.columns.clear();
        }
        constraint.name = default_name(naming, table);
    }
    return constraint;
}

void add_constraint(Schema& schema, Table& table, const TableConstraint& constraint,
                    std::uint32_t migration) {
    table.constraints.push_back(constraint);
    if (constraint.kind == ConstraintKind::kForeign) {
        schema.note_key(constraint.other_table, table.name);
    }
    if (constraint.kind == ConstraintKind::kPrimary) {
        for (Column& column : table.columns) {
            if (std::ranges::find(constraint.columns, column.name) != constraint.columns.end()) {
                column.not_null = true;
            }
        }
    }
    const bool indexed = constraint.kind == ConstraintKind::kPrimary ||
                         constraint.kind == ConstraintKind::kUnique ||
                         constraint.kind == ConstraintKind::kExclude;
    if (indexed) {
        const std::string prefix = schema_part(table.name);
        schema.index_table.at(prefix.empty() ? constraint.name : prefix + "." + constraint.name) =
            table.name;
        table.indexes.push_back(
            {.name = prefix.empty() ? constraint.name : prefix + "." + constraint.name,
             .columns = constraint.columns,
             .unique = constraint.kind != ConstraintKind::kExclude,
             .born = migration});
    }
}

namespace {

// What PostgreSQL calls an expression's column in an index name (FigureColname, in short).
std::string name_of_expression(const sql::Node* expression) {
    if (expression != nullptr && expression->node_case == PG_QUERY__NODE__NODE_FUNC_CALL &&
        expression->func_call->n_funcname > 0) {
        return std::string(sql::string_value(
            expression->func_call->funcname[expression->func_call->n_funcname - 1]));
    }
    return "expr";
}

}  // namespace

Index index_of(const PgQuery__IndexStmt& statement, std::uint32_t migration) {
    Index index{.name = text_or(statement.idxname),
                .unique = statement.unique != 0,
                .partial = statement.where_clause != nullptr,
                .method = text_or(statement.access_method),
                .born = migration};
    std::string columns;
    for (std::size_t i = 0; i < statement.n_index_params; ++i) {
        const sql::Node* param = statement.index_params[i];
        if (param->node_case != PG_QUERY__NODE__NODE_INDEX_ELEM) {
            continue;
        }
        const PgQuery__IndexElem& element = *param->index_elem;
        index.columns.push_back(text_or(element.name));
        columns += "_" + (index.columns.back().empty() ? name_of_expression(element.expr)
                                                       : index.columns.back());
        note_columns(element.expr, index.reads);
        std::ranges::move(functions_called(element.expr), std::back_inserter(index.calls));
    }
    note_columns(statement.where_clause, index.reads);
    std::ranges::move(functions_called(statement.where_clause), std::back_inserter(index.calls));
    if (!only_not_null(statement.where_clause, index.where_not_null)) {
        index.where_not_null.clear();
    }
    if (index.name.empty()) {
        index.name = object_name(text_or(statement.relation->relname),
                                 columns.empty() ? "" : columns.substr(1), "idx");
    }
    return index;
}

std::vector<std::string> proved_not_null(const sql::Node* expression) {
    std::vector<std::string> columns;
    if (expression == nullptr) {
        return columns;
    }
    if (expression->node_case == PG_QUERY__NODE__NODE_NULL_TEST) {
        const PgQuery__NullTest& test = *expression->null_test;
        const bool plain = test.nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NOT_NULL &&
                           test.arg != nullptr &&
                           test.arg->node_case == PG_QUERY__NODE__NODE_COLUMN_REF;
        if (plain && test.arg->column_ref->n_fields > 0) {
            columns.emplace_back(sql::string_value(
                test.arg->column_ref->fields[test.arg->column_ref->n_fields - 1]));
        }
    } else if (expression->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR &&
               expression->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        for (std::size_t i = 0; i < expression->bool_expr->n_args; ++i) {
            std::ranges::move(proved_not_null(expression->bool_expr->args[i]),
                              std::back_inserter(columns));
        }
    }
    return columns;
}

}  // namespace howdah::migrate
