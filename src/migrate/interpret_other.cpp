// Interpreter: types, maintenance, data changes and the statements that touch no table's shape.
#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/interpreter.hpp"
#include "migrate/routines.hpp"

namespace howdah::migrate {
namespace {

bool option_set(sql::Node* const* options, std::size_t count, std::string_view name) {
    for (std::size_t i = 0; i < count; ++i) {
        if (options[i]->node_case != PG_QUERY__NODE__NODE_DEF_ELEM) {
            continue;
        }
        const PgQuery__DefElem& option = *options[i]->def_elem;
        if (text_or(option.defname) != name) {
            continue;
        }
        if (option.arg == nullptr) {
            return true;
        }
        const std::string_view value = sql::string_value(option.arg);
        if (option.arg->node_case == PG_QUERY__NODE__NODE_INTEGER) {
            return option.arg->integer->ival != 0;
        }
        return value != "false" && value != "off" && value != "0";
    }
    return false;
}

std::vector<std::string> columns_set(const PgQuery__UpdateStmt& statement) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < statement.n_target_list; ++i) {
        if (statement.target_list[i]->node_case == PG_QUERY__NODE__NODE_RES_TARGET) {
            names.push_back(text_or(statement.target_list[i]->res_target->name));
        }
    }
    return names;
}

std::string dotted(const Schema& schema, sql::Node* const* names, std::size_t count) {
    const std::vector<std::string> parts = strings_of(names, count);
    return parts.empty()
               ? std::string()
               : schema.name_of(parts.size() > 1 ? parts[parts.size() - 2] : "", parts.back());
}

}  // namespace

// ADD CONSTRAINT, VALIDATE and SET NOT NULL read every table that has a column of the domain.
void Interpreter::alter_domain(const PgQuery__AlterDomainStmt& statement) {
    Action made = action(ActionKind::kAlterDomain);
    made.name = dotted(schema_, statement.type_name, statement.n_type_name);
    const char subtype = text_or(statement.subtype).empty() ? ' ' : *statement.subtype;
    made.other = std::string(1, subtype);
    const bool not_valid = statement.def != nullptr &&
                           statement.def->node_case == PG_QUERY__NODE__NODE_CONSTRAINT &&
                           statement.def->constraint->skip_validation != 0;
    made.traits |= not_valid ? kNotValid : 0U;
    if ((subtype == 'C' && !not_valid) || subtype == 'V' || subtype == 'O') {
        for (auto& [name, table] : schema_.tables) {
            const bool uses = std::ranges::any_of(table.columns, [&](const Column& column) {
                return schema_.rests_on(column.type, made.name);
            });
            const bool rows = table.kind == TableKind::kTable;
            if (uses && rows) {
                add_effect(made.effects,
                           {.table = name, .lock = Lock::kShare, .second = true, .scan = true});
            }
        }
        std::ranges::sort(made.effects, {}, &TableEffect::table);
    }
    emit(made);
    if (Domain* domain = schema_.domains.find(made.name)) {
        if (subtype == 'T') {
            set_domain_default(*domain, statement.def);
        }
        domain->constraints += subtype == 'C' || subtype == 'O' ? 1 : 0;
        const bool less = (subtype == 'X' || subtype == 'N') && domain->constraints > 0;
        domain->constraints -= less ? 1 : 0;
    }
}

void Interpreter::alter_enum(const PgQuery__AlterEnumStmt& statement) {
    const bool rename = !text_or(statement.old_val).empty();
    Action made = action(rename ? ActionKind::kRenameEnumValue : ActionKind::kAddEnumValue);
    made.name = dotted(schema_, statement.type_name, statement.n_type_name);
    made.other = text_or(statement.new_val);
    made.traits |= statement.skip_if_new_val_exists != 0 ? kIfExists : 0U;
    const EnumType* known = schema_.enums.find(made.name);
    made.fresh = known != nullptr && known->born == migration_;
    emit(made);
    if (EnumType* type = schema_.enums.find(made.name); type != nullptr && !rename) {
        type->fresh_values.push_back(made.other);
    }
}

void Interpreter::vacuum(const PgQuery__VacuumStmt& statement) {
    const bool full = option_set(statement.options, statement.n_options, "full");
    const bool is_vacuum = statement.is_vacuumcmd != 0;
    const ActionKind kind = full        ? ActionKind::kVacuumFull
                            : is_vacuum ? ActionKind::kVacuum
                                        : ActionKind::kAnalyze;
    const Lock lock = full ? Lock::kAccessExclusive : Lock::kShareUpdateExclusive;
    for (std::size_t i = 0; i < std::max<std::size_t>(statement.n_rels, 1); ++i) {
        Action made = action(kind);
        made.own_transaction_only = is_vacuum;
        if (statement.n_rels > 0) {
            made.table = schema_.name_of(statement.rels[i]->vacuum_relation->relation);
            touch_partitions(made, made.table, {.lock = lock, .rewrite = full});
        }
        emit(made);
    }
}

void Interpreter::cluster(const PgQuery__ClusterStmt& statement) {
    Action made = action(ActionKind::kCluster);
    made.table = schema_.name_of(statement.relation);
    made.name = text_or(statement.indexname);
    made.own_transaction_only = statement.relation == nullptr;
    if (!made.table.empty()) {
        add_effect(made.effects,
                   {.table = made.table, .lock = Lock::kAccessExclusive, .rewrite = true});
    }
    emit(made);
}

void Interpreter::reindex(const PgQuery__ReindexStmt& statement) {
    Action made = action(ActionKind::kReindex);
    const bool concurrently = option_set(statement.params, statement.n_params, "concurrently");
    made.traits |= concurrently ? kConcurrently : 0U;
    const bool whole = statement.kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SCHEMA ||
                       statement.kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SYSTEM ||
                       statement.kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_DATABASE;
    made.own_transaction_only = concurrently || whole;
    made.name = whole ? text_or(statement.name) : schema_.name_of(statement.relation);
    const bool index = statement.kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_INDEX;
    if (!whole) {
        made.table = index ? schema_.table_of_index(made.name) : made.name;
        const Lock lock = concurrently ? Lock::kShareUpdateExclusive : Lock::kShare;
        if (made.table.empty()) {
            add_effect(made.effects,
                       {.table = "(the table of " + made.name + ")", .lock = lock, .build = true});
        } else {
            const Table* known = schema_.find(made.table);
            made.own_transaction_only =
                made.own_transaction_only ||
                (known != nullptr && known->kind == TableKind::kPartitioned);
            touch_partitions(made, made.table, {.lock = lock, .build = true});
        }
    }
    emit(made);
}

void Interpreter::refresh(const PgQuery__RefreshMatViewStmt& statement) {
    Action made = action(ActionKind::kRefresh);
    made.table = schema_.name_of(statement.relation);
    const bool concurrently = statement.concurrent != 0;
    made.traits |=
        (concurrently ? kConcurrently : 0U) | (statement.skip_data != 0 ? kSchemaOnly : 0U);
    add_effect(made.effects, {.table = made.table,
                              .lock = concurrently ? Lock::kExclusive : Lock::kAccessExclusive,
                              .scan = concurrently,
                              .rewrite = !concurrently});
    if (const Table* view = schema_.find(made.table); view != nullptr && !made.has(kSchemaOnly)) {
        for (const std::string& table : view->reads) {
            touch(made, table, Lock::kAccessShare);
        }
    }
    emit(made);
}

// EXPLAIN ANALYZE runs what it explains.
void Interpreter::explain(const PgQuery__ExplainStmt& statement) {
    if (statement.query != nullptr &&
        option_set(statement.options, statement.n_options, "analyze")) {
        run(*statement.query, place_, *see_);
        return;
    }
    Action made = action(ActionKind::kOther);
    emit(made);
}

void Interpreter::publication(const sql::Node& node) {
    Action made = action(ActionKind::kOther);
    sql::visit(node.base, [&](const sql::Node& part) {
        if (part.node_case != PG_QUERY__NODE__NODE_PUBLICATION_OBJ_SPEC ||
            part.publication_obj_spec->pubtable == nullptr) {
            return;
        }
        const std::string table = schema_.name_of(part.publication_obj_spec->pubtable->relation);
        touch(made, table, Lock::kShareUpdateExclusive);
        schema_.published.at(table) = migration_;
    });
    emit(made);
}

// A statement's WITH may write, too: each part is an action of its own.
void Interpreter::data_changes(const sql::Node& node) {
    one_data_change(node);
    sql::visit(node.base, [&](const sql::Node& part) {
        const sql::Node* inner = part.node_case == PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR
                                     ? part.common_table_expr->ctequery
                                     : nullptr;
        if (inner != nullptr && inner->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
            one_data_change(*inner);
        }
    });
    if (node.node_case != PG_QUERY__NODE__NODE_COPY_STMT) {
        Routines(*this).run_called(node);
    }
}

void Interpreter::one_data_change(const sql::Node& node) {
    Action made = action(ActionKind::kSelect);
    const PgQuery__RangeVar* target = nullptr;
    bool scan = false;
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_INSERT_STMT:
            made.kind = ActionKind::kInsert;
            target = node.insert_stmt->relation;
            break;
        case PG_QUERY__NODE__NODE_UPDATE_STMT:
            made.kind = ActionKind::kUpdate;
            target = node.update_stmt->relation;
            made.traits |= node.update_stmt->where_clause == nullptr ? kNoWhere : 0U;
            scan = true;
            break;
        case PG_QUERY__NODE__NODE_DELETE_STMT:
            made.kind = ActionKind::kDelete;
            target = node.delete_stmt->relation;
            made.traits |= node.delete_stmt->where_clause == nullptr ? kNoWhere : 0U;
            scan = true;
            break;
        case PG_QUERY__NODE__NODE_MERGE_STMT:
            made.kind = ActionKind::kMerge;
            target = node.merge_stmt->relation;
            scan = true;
            break;
        case PG_QUERY__NODE__NODE_COPY_STMT:
            made.kind = ActionKind::kCopy;
            target = node.copy_stmt->is_from != 0 ? node.copy_stmt->relation : nullptr;
            break;
        default:
            break;
    }
    made.table = schema_.name_of(target);
    touch_written(made, node, target, scan);
    const bool query = node.node_case == PG_QUERY__NODE__NODE_SELECT_STMT;
    if (query) {
        const PgQuery__SelectStmt& select = *node.select_stmt;
        read_tables(made, node.base);
        if (select.n_locking_clause > 0) {
            for (TableEffect& effect : made.effects) {
                effect.lock = Lock::kRowShare;
            }
        }
        // In a function's body INTO names variables.
        if (select.into_clause != nullptr && depth_ == 0) {
            schema_.add_table({.name = schema_.name_of(select.into_clause->rel),
                               .born = migration_,
                               .complete = false});
        }
    }
    emit(made);
    if (query) {
        set_by_function(*node.select_stmt);
    }
}

// The table that is written, what of it a statement reaches, and what its keys reach.
void Interpreter::touch_written(Action& made, const sql::Node& node,
                                const PgQuery__RangeVar* target, bool scan) const {
    if (target != nullptr) {
        const TableEffect effect{.table = made.table, .lock = Lock::kRowExclusive, .scan = scan};
        if (target->inh == 0) {
            add_effect(made.effects, effect);
        } else {
            scan ? touch_tree(made, made.table, effect)
                 : touch_partitions(made, made.table, effect);
        }
    }
    if (made.kind == ActionKind::kDelete) {
        touch_cascades(made, made.table, {});
    } else if (made.kind == ActionKind::kUpdate) {
        const std::vector<std::string> changed = columns_set(*node.update_stmt);
        if (!changed.empty()) {
            touch_cascades(made, made.table, changed);
        }
    }
}

// SELECT set_config('name', 'value', is_local)
void Interpreter::set_by_function(const PgQuery__SelectStmt& select) {
    for (std::size_t i = 0; i < select.n_target_list; ++i) {
        const sql::Node* value = select.target_list[i]->node_case == PG_QUERY__NODE__NODE_RES_TARGET
                                     ? select.target_list[i]->res_target->val
                                     : nullptr;
        if (value == nullptr || value->node_case != PG_QUERY__NODE__NODE_FUNC_CALL ||
            value->func_call->n_args != 3 || value->func_call->n_funcname == 0 ||
            sql::string_value(value->func_call->funcname[value->func_call->n_funcname - 1]) !=
                "set_config") {
            continue;
        }
        const auto constant = [&](std::size_t argument) -> const PgQuery__AConst* {
            const sql::Node* given = value->func_call->args[argument];
            return given->node_case == PG_QUERY__NODE__NODE_A_CONST ? given->a_const : nullptr;
        };
        const auto text = [](const PgQuery__AConst* given) {
            const bool is = given != nullptr && given->val_case == PG_QUERY__A__CONST__VAL_SVAL;
            return is ? text_or(given->sval->sval) : std::string();
        };
        Action made = action(ActionKind::kSet);
        made.name = text(constant(0));
        made.other = text(constant(1));
        const PgQuery__AConst* local = constant(2);
        const bool is_local =
            local == nullptr ||
            (local->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL && local->boolval->boolval != 0);
        made.traits |= is_local ? kTemporary : 0U;
        emit(made);
        if (made.name == "search_path") {
            const std::string first = made.other.substr(0, made.other.find(','));
            schema_.search_path = first == "public" ? std::string() : first;
        }
    }
}

void Interpreter::lock_tables(const PgQuery__LockStmt& statement, Action& made) const {
    for (std::size_t i = 0; i < statement.n_relations; ++i) {
        const std::string table = schema_.name_of(statement.relations[i]->range_var);
        made.table = made.table.empty() ? table : made.table;
        const TableEffect effect{.lock = static_cast<Lock>(statement.mode)};
        if (statement.relations[i]->range_var->inh == 0) {
            touch(made, table, effect.lock);
        } else {
            touch_tree(made, table, effect);
        }
    }
}

// ADD ATTRIBUTE ... CASCADE and friends come as ALTER TABLE; what is left locks no table.
void Interpreter::small_statement(const sql::Node& node) {
    Action made = action(ActionKind::kOther);
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_LOCK_STMT:
            made.kind = ActionKind::kLockTable;
            lock_tables(*node.lock_stmt, made);
            break;
        case PG_QUERY__NODE__NODE_COMMENT_STMT: {
            made.kind = ActionKind::kComment;
            const sql::Node* object = node.comment_stmt->object;
            if (node.comment_stmt->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE ||
                node.comment_stmt->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW ||
                node.comment_stmt->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW) {
                made.table = schema_.name_of(object);
            } else if (node.comment_stmt->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN &&
                       object->node_case == PG_QUERY__NODE__NODE_LIST &&
                       object->list->n_items > 1) {
                made.table = dotted(schema_, object->list->items, object->list->n_items - 1);
            }
            touch(made, made.table, Lock::kShareUpdateExclusive);
            break;
        }
        case PG_QUERY__NODE__NODE_CREATE_STATS_STMT:
            for (std::size_t i = 0; i < node.create_stats_stmt->n_relations; ++i) {
                if (node.create_stats_stmt->relations[i]->node_case ==
                    PG_QUERY__NODE__NODE_RANGE_VAR) {
                    made.table = schema_.name_of(node.create_stats_stmt->relations[i]->range_var);
                    touch(made, made.table, Lock::kShareUpdateExclusive);
                    schema_.statistics.at(dotted(schema_, node.create_stats_stmt->defnames,
                                                 node.create_stats_stmt->n_defnames)) = made.table;
                }
            }
            break;
        case PG_QUERY__NODE__NODE_CREATE_POLICY_STMT:
        case PG_QUERY__NODE__NODE_ALTER_POLICY_STMT:
        case PG_QUERY__NODE__NODE_RULE_STMT:
            made.kind = ActionKind::kPolicy;
            made.table = schema_.name_of(node.node_case == PG_QUERY__NODE__NODE_RULE_STMT
                                             ? node.rule_stmt->relation
                                         : node.node_case == PG_QUERY__NODE__NODE_CREATE_POLICY_STMT
                                             ? node.create_policy_stmt->table
                                             : node.alter_policy_stmt->table);
            touch(made, made.table, Lock::kAccessExclusive);
            break;
        case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
            made.kind = ActionKind::kCreateSchema;
            made.name = text_or(node.create_schema_stmt->schemaname);
            made.traits |= node.create_schema_stmt->if_not_exists != 0 ? kIfExists : 0U;
            break;
        case PG_QUERY__NODE__NODE_DROPDB_STMT:
            made.kind = ActionKind::kDropDatabase;
            made.name = text_or(node.dropdb_stmt->dbname);
            made.own_transaction_only = true;
            break;
        case PG_QUERY__NODE__NODE_CREATEDB_STMT:
        case PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT:
        case PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT:
        case PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT:
        case PG_QUERY__NODE__NODE_CREATE_SUBSCRIPTION_STMT:
            made.own_transaction_only = true;
            break;
        default:
            break;
    }
    emit(made);
}

}  // namespace howdah::migrate
