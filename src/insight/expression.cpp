// expression_key: a canonical text of simple expressions.
#include <fmt/format.h>

#include "insight/schema.hpp"

namespace howdah::insight {
namespace {

bool add_key(std::string& out, const sql::Node* node);

bool add_list(std::string& out, std::size_t count, sql::Node* const* nodes) {
    for (std::size_t i = 0; i < count; ++i) {
        out += i == 0 ? "" : ",";
        if (!add_key(out, nodes[i])) {
            return false;
        }
    }
    return true;
}

bool add_constant(std::string& out, const PgQuery__AConst& constant) {
    if (constant.isnull != 0) {
        out += "null";
        return true;
    }
    switch (constant.val_case) {
        case PG_QUERY__A__CONST__VAL_IVAL:
            out += std::to_string(constant.ival->ival);
            return true;
        case PG_QUERY__A__CONST__VAL_FVAL:
            out += constant.fval->fval;
            return true;
        case PG_QUERY__A__CONST__VAL_BOOLVAL:
            out += constant.boolval->boolval != 0 ? "true" : "false";
            return true;
        case PG_QUERY__A__CONST__VAL_SVAL:
            out += fmt::format("'{}'", constant.sval->sval);
            return true;
        default:
            return false;
    }
}

bool add_call(std::string& out, const PgQuery__FuncCall& call) {
    if (call.n_funcname == 0 || call.agg_star != 0 || call.over != nullptr) {
        return false;
    }
    out += sql::string_value(call.funcname[call.n_funcname - 1]);
    out += '(';
    const bool plain = add_list(out, call.n_args, call.args);
    out += ')';
    return plain;
}

bool add_operator(std::string& out, const PgQuery__AExpr& expression) {
    if (expression.kind != PG_QUERY__A__EXPR__KIND__AEXPR_OP || expression.n_name == 0) {
        return false;
    }
    out += '(';
    if (expression.lexpr != nullptr && !add_key(out, expression.lexpr)) {
        return false;
    }
    out += sql::string_value(expression.name[expression.n_name - 1]);
    const bool plain = add_key(out, expression.rexpr);
    out += ')';
    return plain;
}

bool add_key(std::string& out, const sql::Node* node) {
    if (node == nullptr) {
        return false;
    }
    switch (node->node_case) {
        case PG_QUERY__NODE__NODE_COLUMN_REF: {
            const PgQuery__ColumnRef& column = *node->column_ref;
            const std::string_view name =
                column.n_fields == 0 ? "" : sql::string_value(column.fields[column.n_fields - 1]);
            out += name;
            return !name.empty();
        }
        case PG_QUERY__NODE__NODE_A_CONST:
            return add_constant(out, *node->a_const);
        case PG_QUERY__NODE__NODE_FUNC_CALL:
            return add_call(out, *node->func_call);
        case PG_QUERY__NODE__NODE_A_EXPR:
            return add_operator(out, *node->a_expr);
        case PG_QUERY__NODE__NODE_COALESCE_EXPR:
            out += "coalesce(";
            if (!add_list(out, node->coalesce_expr->n_args, node->coalesce_expr->args)) {
                return false;
            }
            out += ')';
            return true;
        case PG_QUERY__NODE__NODE_TYPE_CAST: {
            const PgQuery__TypeName* type = node->type_cast->type_name;
            // A constant's cast ('x'::text, which pg_dump writes) says nothing new.
            if (node->type_cast->arg->node_case == PG_QUERY__NODE__NODE_A_CONST) {
                return add_key(out, node->type_cast->arg);
            }
            if (type == nullptr || type->n_names == 0 || !add_key(out, node->type_cast->arg)) {
                return false;
            }
            out += "::";
            out += sql::string_value(type->names[type->n_names - 1]);
            return true;
        }
        default:
            return false;
    }
}

}  // namespace

std::string expression_key(const sql::Node* node) {
    std::string out;
    return add_key(out, node) ? out : std::string();
}

std::string expression_key(std::string_view text) {
    const auto tree = sql::Tree::parse(fmt::format("select ({})", text));
    if (!tree || tree->first() == nullptr ||
        tree->first()->node_case != PG_QUERY__NODE__NODE_SELECT_STMT ||
        tree->first()->select_stmt->n_target_list != 1) {
        return {};
    }
    return expression_key(tree->first()->select_stmt->target_list[0]->res_target->val);
}

}  // namespace howdah::insight
