#include "migrate/interpreter.hpp"

#include <algorithm>

#include "migrate/alter_table.hpp"
#include "migrate/build_table.hpp"
#include "migrate/routines.hpp"

namespace howdah::migrate {

Lock Action::strongest() const {
    Lock lock = Lock::kNone;
    for (const TableEffect& effect : effects) {
        lock = std::max(lock, effect.lock);
    }
    return lock;
}

bool Action::works() const {
    return !fresh && std::ranges::any_of(effects, &TableEffect::works);
}
bool Action::rewrites() const {
    return !fresh && std::ranges::any_of(effects, [](const TableEffect& effect) {
        return effect.rewrite && !effect.fresh;
    });
}
bool Action::builds() const {
    return !fresh && std::ranges::any_of(effects, [](const TableEffect& effect) {
        return effect.build && !effect.fresh;
    });
}

Action Interpreter::action(ActionKind kind) const {
    Action made;
    made.kind = kind;
    made.begin = place_.begin;
    made.end = place_.end;
    made.statement = place_.number;
    made.nested = depth_ > 0;
    made.node = node_;
    return made;
}

bool Interpreter::is_fresh(const std::string& table) const {
    const Table* known = schema_.find(table);
    return known != nullptr && (known->temporary || known->born == migration_);
}

bool Interpreter::are_new(const std::string& table, const std::vector<std::string>& columns) const {
    const Table* known = schema_.find(table);
    return known != nullptr && !columns.empty() &&
           std::ranges::all_of(columns, [&](const std::string& name) {
               const Column* column = known->column(name);
               return column != nullptr && column->born == migration_;
           });
}

// Effects on tables that nobody uses yet are of no interest to anybody.
void Interpreter::emit(Action& made) {
    for (TableEffect& effect : made.effects) {
        effect.fresh = is_fresh(effect.table);
    }
    // Reading other tables on the way blocks nobody.
    bool touches = false;
    bool all_fresh = true;
    for (const TableEffect& effect : made.effects) {
        const bool counts = effect.lock > Lock::kAccessShare;
        touches = touches || counts;
        all_fresh = all_fresh && (!counts || effect.fresh);
    }
    all_fresh = all_fresh && touches;
    made.fresh = made.fresh || all_fresh;
    (*see_)(made);
}

void Interpreter::touch(Action& made, const std::string& table, Lock lock) const {
    if (!table.empty()) {
        add_effect(made.effects, {.table = table, .lock = lock, .second = table != made.table});
    }
}

// The same effect on the table and everything below it; a partitioned parent has no rows itself.
void Interpreter::touch_tree(Action& made, const std::string& table, TableEffect effect) const {
    touch_each(made, schema_.with_descendants(table), std::move(effect));
}

void Interpreter::touch_partitions(Action& made, const std::string& table,
                                   TableEffect effect) const {
    touch_each(made, schema_.with_partitions(table), std::move(effect));
}

void Interpreter::touch_each(Action& made, const std::vector<std::string>& tables,
                             TableEffect effect) const {
    for (const std::string& each : tables) {
        const Table* known = schema_.find(each);
        effect.table = each;
        effect.second = each != made.table;
        TableEffect own = effect;
        if (known != nullptr && known->kind == TableKind::kPartitioned) {
            own.scan = own.build = own.rewrite = false;
        }
        add_effect(made.effects, own);
    }
}

void Interpreter::touch_inherited_keys(Action& made, const Table* parent) const {
    if (parent == nullptr) {
        return;
    }
    for (const TableConstraint& key : parent->constraints) {
        if (key.kind == ConstraintKind::kForeign) {
            touch(made, key.other_table, Lock::kShareRowExclusive);
        }
    }
}

void Interpreter::touch_referencing(Action& made, const std::string& parent,
                                    TableEffect effect) const {
    effect.second = true;
    for (const std::string& other : schema_.referencing(parent)) {
        effect.table = other;
        add_effect(made.effects, effect);
    }
}

void Interpreter::touch_cascades(Action& made, const std::string& table,
                                 const std::vector<std::string>& changed) const {
    const auto reaches = [&](const TableConstraint& key, const std::string& target) {
        const char what = changed.empty() ? key.on_delete : key.on_update;
        const Table* known = schema_.find(target);
        const bool named = changed.empty() || std::ranges::any_of(changed, [&](const auto& column) {
                               return key.other_columns.empty()
                                          ? known != nullptr && known->in_primary_key(column)
                                          : std::ranges::find(key.other_columns, column) !=
                                                key.other_columns.end();
                           });
        return key.kind == ConstraintKind::kForeign && key.other_table == target && what != 'a' &&
               what != 'r' && named;
    };
    std::vector<std::string> reached{table};
    for (std::size_t i = 0; i < reached.size() && (i == 0 || changed.empty()); ++i) {
        const std::string target = reached[i];
        for (const std::string& other : schema_.referencing(target)) {
            for (const TableConstraint& key : schema_.find(other)->constraints) {
                if (!reaches(key, target)) {
                    continue;
                }
                touch(made, other, Lock::kRowExclusive);
                if (key.on_delete == 'c' && std::ranges::find(reached, other) == reached.end()) {
                    reached.push_back(other);
                }
            }
        }
    }
}

// ACCESS SHARE (ROW SHARE under FOR UPDATE) on what a query names.
void Interpreter::read_tables(Action& made, const ProtobufCMessage& part) const {
    std::vector<std::string> ctes;
    sql::visit(part, [&](const sql::Node& node) {
        if (node.node_case == PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR) {
            ctes.push_back(text_or(node.common_table_expr->ctename));
        }
    });
    sql::visit(part, [&](const sql::Node& node) {
        if (node.node_case != PG_QUERY__NODE__NODE_RANGE_VAR) {
            return;
        }
        const bool bare =
            node.range_var->schemaname == nullptr || *node.range_var->schemaname == '\0';
        if (!bare || std::ranges::find(ctes, text_or(node.range_var->relname)) == ctes.end()) {
            touch(made, schema_.name_of(node.range_var), Lock::kAccessShare);
        }
    });
}

void Interpreter::run(const sql::Node& node, const StatementPlace& place, const See& see) {
    place_ = place;
    see_ = &see;
    node_ = &node;
    if (create_something(node) || change_something(node) || maintain_something(node)) {
        return;
    }
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
            return transaction(*node.transaction_stmt);
        case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
            return set_variable(*node.variable_set_stmt);
        case PG_QUERY__NODE__NODE_INSERT_STMT:
        case PG_QUERY__NODE__NODE_UPDATE_STMT:
        case PG_QUERY__NODE__NODE_DELETE_STMT:
        case PG_QUERY__NODE__NODE_MERGE_STMT:
        case PG_QUERY__NODE__NODE_COPY_STMT:
        case PG_QUERY__NODE__NODE_SELECT_STMT:
            return data_changes(node);
        case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
            return explain(*node.explain_stmt);
        case PG_QUERY__NODE__NODE_DO_STMT:
        case PG_QUERY__NODE__NODE_CALL_STMT:
            return Routines(*this).run(node);
        default:
            return small_statement(node);
    }
}

bool Interpreter::create_something(const sql::Node& node) {
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_CREATE_STMT:
            create_table(*node.create_stmt);
            return true;
        case PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT:
            create_table(*node.create_foreign_table_stmt->base_stmt);
            return true;
        case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
            create_table_as(*node.create_table_as_stmt);
            return true;
        case PG_QUERY__NODE__NODE_VIEW_STMT:
            create_view(*node.view_stmt);
            return true;
        case PG_QUERY__NODE__NODE_INDEX_STMT:
            create_index(*node.index_stmt);
            return true;
        case PG_QUERY__NODE__NODE_CREATE_TRIG_STMT:
            create_trigger(*node.create_trig_stmt);
            return true;
        case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
            create_function(*node.create_function_stmt);
            return true;
        case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
        case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
        case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
            create_type(node);
            return true;
        default:
            return false;
    }
}

bool Interpreter::change_something(const sql::Node& node) {
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
            AlterTable(*this, *node.alter_table_stmt).run();
            return true;
        case PG_QUERY__NODE__NODE_DROP_STMT:
            drop(*node.drop_stmt);
            return true;
        case PG_QUERY__NODE__NODE_RENAME_STMT:
            rename(*node.rename_stmt);
            return true;
        case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT:
            set_schema(*node.alter_object_schema_stmt);
            return true;
        case PG_QUERY__NODE__NODE_ALTER_DOMAIN_STMT:
            alter_domain(*node.alter_domain_stmt);
            return true;
        case PG_QUERY__NODE__NODE_ALTER_ENUM_STMT:
            alter_enum(*node.alter_enum_stmt);
            return true;
        case PG_QUERY__NODE__NODE_ALTER_TABLE_MOVE_ALL_STMT: {
            Action made = action(ActionKind::kRewriteStorage);
            made.name = "every table of the tablespace";
            emit(made);
            return true;
        }
        default:
            return false;
    }
}

bool Interpreter::maintain_something(const sql::Node& node) {
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
            truncate(*node.truncate_stmt);
            return true;
        case PG_QUERY__NODE__NODE_VACUUM_STMT:
            vacuum(*node.vacuum_stmt);
            return true;
        case PG_QUERY__NODE__NODE_CLUSTER_STMT:
            cluster(*node.cluster_stmt);
            return true;
        case PG_QUERY__NODE__NODE_REINDEX_STMT:
            reindex(*node.reindex_stmt);
            return true;
        case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT:
            refresh(*node.refresh_mat_view_stmt);
            return true;
        case PG_QUERY__NODE__NODE_CREATE_PUBLICATION_STMT:
        case PG_QUERY__NODE__NODE_ALTER_PUBLICATION_STMT:
            publication(node);
            return true;
        default:
            return false;
    }
}

void Interpreter::transaction(const PgQuery__TransactionStmt& statement) {
    ActionKind kind = ActionKind::kSavepoint;
    switch (statement.kind) {
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
            kind = ActionKind::kBegin;
            break;
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE:
            kind = ActionKind::kCommit;
            break;
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
            kind = ActionKind::kRollback;
            break;
        default:
            break;
    }
    Action made = action(kind);
    emit(made);
}

void Interpreter::set_variable(const PgQuery__VariableSetStmt& statement) {
    Action made = action(ActionKind::kSet);
    made.name = text_or(statement.name);
    if (statement.kind != PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE) {
        const bool all = statement.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL;
        made.name = all ? kAllSettings : made.name;
        made.other = kDefaultValue;
    }
    if (statement.n_args > 0 && statement.args[0]->node_case == PG_QUERY__NODE__NODE_A_CONST) {
        const PgQuery__AConst& value = *statement.args[0]->a_const;
        if (value.val_case == PG_QUERY__A__CONST__VAL_IVAL) {
            made.other = std::to_string(value.ival->ival);
        } else if (value.val_case == PG_QUERY__A__CONST__VAL_SVAL) {
            made.other = text_or(value.sval->sval);
        }
    }
    made.traits |= statement.is_local != 0 ? kTemporary : 0U;
    emit(made);
    const bool path = made.name == "search_path";
    if (made.name == kAllSettings || (path && made.other == kDefaultValue)) {
        schema_.search_path.clear();
    } else if (path) {
        // The schema of whoever runs it ("$user") is hardly ever there.
        std::string first = made.other;
        for (std::size_t i = 0; i < statement.n_args && first == "$user"; ++i) {
            const PgQuery__Node& next = *statement.args[i];
            const bool named = next.node_case == PG_QUERY__NODE__NODE_A_CONST &&
                               next.a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL;
            first = named ? text_or(next.a_const->sval->sval) : first;
        }
        schema_.search_path = first == "public" || first == "$user" ? std::string() : first;
    }
}

void Interpreter::create_view(const PgQuery__ViewStmt& statement) {
    Action made = action(ActionKind::kCreateView);
    made.table = schema_.name_of(statement.view);
    made.traits |= statement.replace != 0 ? kIfExists : 0U;
    const bool exists = schema_.find(made.table) != nullptr;
    const bool may_exist = statement.replace != 0;
    if (exists || may_exist) {
        touch(made, made.table, Lock::kAccessExclusive);
    }
    Action reads = action(ActionKind::kSelect);
    if (statement.query != nullptr) {
        read_tables(reads, statement.query->base);
    }
    for (const TableEffect& effect : reads.effects) {
        add_effect(made.effects, effect);
    }
    // Only the view itself: reading the tables below it blocks nobody.
    made.fresh = is_fresh(made.table) || !may_exist;
    emit(made);
    if (!exists) {
        Table view{
            .name = made.table, .kind = TableKind::kView, .born = migration_, .complete = false};
        for (const TableEffect& effect : reads.effects) {
            view.reads.push_back(effect.table);
        }
        if (statement.query != nullptr) {
            view.columns_read = columns_named(statement.query->base);
        }
        schema_.add_table(std::move(view));
    }
}

void Interpreter::create_index(const PgQuery__IndexStmt& statement) {
    Action made = action(ActionKind::kCreateIndex);
    made.table = schema_.name_of(statement.relation);
    Index index = index_of(statement, migration_);
    const std::string prefix = schema_part(made.table);
    index.name = prefix.empty() ? index.name : prefix + "." + index.name;
    made.name = index.name;
    made.columns = index.columns;
    const bool only = statement.relation->inh == 0;
    made.traits |= (statement.concurrent != 0 ? kConcurrently : 0U) | (only ? kOnly : 0U) |
                   (statement.if_not_exists != 0 ? kIfExists : 0U) |
                   (statement.unique != 0 ? kInlineUnique : 0U) |
                   (are_new(made.table, made.columns) ? kNewColumns : 0U);
    const Lock lock = statement.concurrent != 0 ? Lock::kShareUpdateExclusive : Lock::kShare;
    if (only) {
        const Table* table = schema_.find(made.table);
        const bool partitioned = table == nullptr || table->kind == TableKind::kPartitioned;
        add_effect(made.effects, {.table = made.table, .lock = lock, .build = !partitioned});
        index.valid = !partitioned;
    } else {
        touch_partitions(made, made.table, {.lock = lock, .build = true});
    }
    if (statement.if_not_exists != 0 && schema_.index(index.name) != nullptr) {
        for (TableEffect& effect : made.effects) {
            effect.build = false;
        }
    }
    made.own_transaction_only = statement.concurrent != 0;
    emit(made);
    if (statement.if_not_exists == 0 || schema_.index(index.name) == nullptr) {
        schema_.add_index(made.table, std::move(index));
    }
}

void Interpreter::create_trigger(const PgQuery__CreateTrigStmt& statement) {
    Action made = action(ActionKind::kCreateTrigger);
    made.table = schema_.name_of(statement.relation);
    made.name = text_or(statement.trigname);
    touch_partitions(made, made.table, {.lock = Lock::kShareRowExclusive});
    if (statement.constrrel != nullptr) {
        touch(made, schema_.name_of(statement.constrrel), Lock::kAccessShare);
    }
    emit(made);
    if (Table* table = schema_.tables.find(made.table);
        table != nullptr && statement.n_funcname > 0) {
        table->triggers.push_back({.name = made.name,
                                   .function = std::string(sql::string_value(
                                       statement.funcname[statement.n_funcname - 1]))});
    }
}

void Interpreter::create_function(const PgQuery__CreateFunctionStmt& statement) {
    Action made = action(ActionKind::kCreateFunction);
    Routine routine;
    for (std::size_t i = 0; i < statement.n_options; ++i) {
        const PgQuery__DefElem* option = statement.options[i]->def_elem;
        const std::string name = text_or(option->defname);
        if (name == "volatility") {
            routine.volatility = sql::string_value(option->arg).empty()
                                     ? 'v'
                                     : sql::string_value(option->arg).front();
        } else if (name == "language") {
            routine.language = sql::string_value(option->arg);
        } else if (name == "as" && option->arg != nullptr &&
                   option->arg->node_case == PG_QUERY__NODE__NODE_LIST &&
                   option->arg->list->n_items > 0) {
            routine.body = sql::string_value(option->arg->list->items[0]);
        }
    }
    const std::vector<std::string> names = strings_of(statement.funcname, statement.n_funcname);
    made.name = schema_.name_of(names.size() > 1 ? names[names.size() - 2] : "", names.back());
    made.traits |= statement.replace != 0 ? kIfExists : 0U;
    emit(made);
    schema_.routines.at(made.name) = std::move(routine);
}

// What a column of the domain begins with, where it has no default of its own.
void Interpreter::set_domain_default(Domain& domain, const sql::Node* expression) const {
    domain.has_default = is_value(expression);
    domain.default_calls.clear();
    domain.default_volatility =
        domain.has_default ? expression_volatility(schema_, *expression, domain.default_calls)
                           : Volatility::kSteady;
}

void Interpreter::create_type(const sql::Node& node) {
    Action made = action(ActionKind::kCreateType);
    const auto joined = [&](sql::Node* const* names, std::size_t count) {
        const std::vector<std::string> parts = strings_of(names, count);
        return parts.empty()
                   ? std::string()
                   : schema_.name_of(parts.size() > 1 ? parts[parts.size() - 2] : "", parts.back());
    };
    if (node.node_case == PG_QUERY__NODE__NODE_CREATE_ENUM_STMT) {
        made.name = joined(node.create_enum_stmt->type_name, node.create_enum_stmt->n_type_name);
        emit(made);
        schema_.enums.at(made.name).born = migration_;
    } else if (node.node_case == PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT) {
        const PgQuery__CreateDomainStmt& statement = *node.create_domain_stmt;
        made.name = joined(statement.domainname, statement.n_domainname);
        emit(made);
        Domain domain{.base = type_of(statement.type_name)};
        if (const Domain* below = schema_.domains.find(domain.base.name)) {
            domain.has_default = below->has_default;
            domain.default_volatility = below->default_volatility;
            domain.default_calls = below->default_calls;
        }
        for (std::size_t i = 0; i < statement.n_constraints; ++i) {
            const auto kind = statement.constraints[i]->constraint->contype;
            domain.constraints += kind == PG_QUERY__CONSTR_TYPE__CONSTR_CHECK ||
                                          kind == PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL
                                      ? 1
                                      : 0;
            if (kind == PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT) {
                set_domain_default(domain, statement.constraints[i]->constraint->raw_expr);
            }
        }
        schema_.domains.at(made.name) = std::move(domain);
    } else {
        made.name = schema_.name_of(node.composite_type_stmt->typevar);
        emit(made);
    }
}

}  // namespace howdah::migrate
