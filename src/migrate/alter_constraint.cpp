// AlterTable: constraints, partitions, storage and everything else that is no column.
#include <algorithm>
#include <utility>

#include "migrate/alter_table.hpp"
#include "migrate/build_table.hpp"

namespace howdah::migrate {

bool AlterTable::constraint_command(const Command& command, Action& made) {
    switch (command.subtype) {
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
            add_constraint(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ValidateConstraint:
            validate(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint:
            drop_constraint(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterConstraint:
            made.kind = ActionKind::kAlterConstraint;
            if (command.def != nullptr &&
                command.def->node_case == PG_QUERY__NODE__NODE_CONSTRAINT) {
                made.name = text_or(command.def->constraint->conname);
            }
            lock_only(made, Lock::kAccessExclusive);
            emit(made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition:
            attach(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartition:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartitionFinalize:
            detach(command, made);
            return true;
        default:
            return false;
    }
}

void AlterTable::use_index(const PgQuery__Constraint& definition, Action& made) {
    made.kind = ActionKind::kUseIndex;
    const std::string prefix = schema_part(table_);
    const std::string index_name = prefix.empty() ? text_or(definition.indexname)
                                                  : prefix + "." + text_or(definition.indexname);
    made.other = index_name;
    const Index* index = schema().index(index_name);
    made.columns = index == nullptr ? std::vector<std::string>{} : index->columns;
    const Table* known = table();
    const bool proved = index != nullptr && known != nullptr &&
                        std::ranges::all_of(index->columns, [&](const std::string& name) {
                            return known->never_null(name, true);
                        });
    made.traits |= proved ? kProvedNotNull : 0U;
    const bool primary = made.constraint == ConstraintKind::kPrimary;
    add_effect(made.effects,
               {.table = table_, .lock = Lock::kAccessExclusive, .scan = primary && !proved});
    emit(made);
    if (Table* changed = table()) {
        TableConstraint added{.name = made.name, .kind = made.constraint, .columns = made.columns};
        for (Column& column : changed->columns) {
            column.not_null =
                column.not_null ||
                (primary && std::ranges::find(made.columns, column.name) != made.columns.end());
        }
        changed->constraints.push_back(std::move(added));
    }
}

void AlterTable::add_constraint(const Command& command, Action& made) {
    const PgQuery__Constraint& definition = *command.def->constraint;
    const TableConstraint added = constraint_of(schema(), definition, table_, "");
    made.kind = ActionKind::kAddConstraint;
    made.name = added.name;
    made.constraint = added.kind;
    made.columns = added.columns;
    made.constraint_def = &definition;
    made.traits |= added.valid ? 0U : kNotValid;
    made.traits |= interpreter_.are_new(table_, made.columns) ? kNewColumns : 0U;
    if (!text_or(definition.indexname).empty()) {
        return use_index(definition, made);
    }
    const bool reads = added.valid && !interpreter_.is_fresh(table_);
    switch (added.kind) {
        case ConstraintKind::kForeign:
            made.other = added.other_table;
            touch_partitions(made, {.lock = Lock::kShareRowExclusive, .scan = reads});
            if (added.other_table != table_) {
                interpreter_.touch_partitions(made, added.other_table,
                                              {.lock = Lock::kShareRowExclusive, .scan = reads});
            }
            break;
        case ConstraintKind::kCheck:
            if (definition.is_no_inherit != 0 || statement_.relation->inh == 0) {
                interpreter_.touch_each(made, {table_},
                                        {.lock = Lock::kAccessExclusive, .scan = added.valid});
            } else {
                interpreter_.touch_tree(made, table_,
                                        {.lock = Lock::kAccessExclusive, .scan = added.valid});
            }
            break;
        case ConstraintKind::kPrimary:
        case ConstraintKind::kUnique:
        case ConstraintKind::kExclude: {
            const bool primary = added.kind == ConstraintKind::kPrimary;
            const Table* known = table();
            const bool proved = known != nullptr &&
                                std::ranges::all_of(added.columns, [&](const std::string& name) {
                                    return known->never_null(name, true);
                                });
            made.traits |= primary && proved ? kProvedNotNull : 0U;
            // Partitions build theirs under SHARE; to be set NOT NULL takes more, and all heirs.
            lock_only(made, Lock::kAccessExclusive);
            if (primary && !proved) {
                lock_tree(made, Lock::kAccessExclusive, true);
            }
            touch_partitions(made, {.lock = Lock::kShare, .build = true});
            break;
        }
    }
    emit(made);
    if (Table* known = table()) {
        migrate::add_constraint(schema(), *known, added, interpreter_.migration_);
    }
}

void AlterTable::validate(const Command& command, Action& made) {
    made.kind = ActionKind::kValidate;
    made.name = text_or(command.name);
    const Table* known = table();
    const TableConstraint* constraint = known == nullptr ? nullptr : known->constraint(made.name);
    const bool pending = constraint == nullptr || !constraint->valid;
    lock_tree(made, Lock::kShareUpdateExclusive, pending);
    if (constraint != nullptr && constraint->kind == ConstraintKind::kForeign && pending) {
        made.constraint = ConstraintKind::kForeign;
        made.other = constraint->other_table;
        interpreter_.touch_partitions(made, constraint->other_table,
                                      {.lock = Lock::kAccessShare, .scan = true});
        interpreter_.touch(made, constraint->other_table, Lock::kRowShare);
    }
    emit(made);
    if (Table* changed = table()) {
        for (TableConstraint& each : changed->constraints) {
            each.valid = each.valid || each.name == made.name;
        }
    }
}

void AlterTable::drop_constraint(const Command& command, Action& made) {
    made.kind = ActionKind::kDropConstraint;
    made.name = text_or(command.name);
    const Table* known = table();
    const TableConstraint* constraint = known == nullptr ? nullptr : known->constraint(made.name);
    if (constraint != nullptr) {
        made.constraint = constraint->kind;
        made.columns = constraint->columns;
        made.other = constraint->other_table;
        const bool told = constraint->only_not_null &&
                          std::ranges::all_of(constraint->not_null, [&](const std::string& name) {
                              return known->never_null(name, false);
                          });
        made.traits |= told ? kProvedNotNull : 0U;
    } else if (made.name.ends_with("_pkey")) {
        made.constraint = ConstraintKind::kPrimary;
    } else if (made.name.ends_with("_fkey")) {
        made.constraint = ConstraintKind::kForeign;
    }
    const bool inherited = constraint == nullptr || constraint->kind == ConstraintKind::kCheck;
    inherited ? lock_tree(made, Lock::kAccessExclusive)
              : touch_partitions(made, {.lock = Lock::kAccessExclusive});
    if (made.constraint == ConstraintKind::kForeign && !made.other.empty()) {
        interpreter_.touch_partitions(made, made.other, {.lock = Lock::kAccessExclusive});
    }
    const bool key =
        made.constraint == ConstraintKind::kPrimary || made.constraint == ConstraintKind::kUnique;
    if (key && made.has(kCascade)) {
        for (const std::string& other : schema().referencing(table_)) {
            interpreter_.touch(made, other, Lock::kAccessExclusive);
        }
    }
    emit(made);
    if (Table* changed = table()) {
        std::erase_if(changed->constraints,
                      [&](const TableConstraint& each) { return each.name == made.name; });
        const std::string prefix = schema_part(table_);
        schema().drop_index(prefix.empty() ? made.name : prefix + "." + made.name);
    }
}

namespace {

// A validated CHECK saves the scan when PostgreSQL can prove the bound from it. Proving is left to
// PostgreSQL (the rule says what must hold); what says nothing about the key proves nothing.
bool may_prove_bound(const Table& parent, const Table& partition) {
    const auto about_key = [&](const TableConstraint& check) {
        return check.kind == ConstraintKind::kCheck && check.valid &&
               std::ranges::all_of(parent.partition_key, [&](const std::string& column) {
                   return column.empty() ||
                          std::ranges::find(check.columns, column) != check.columns.end();
               });
    };
    return std::ranges::any_of(partition.constraints, about_key);
}

bool key_is_not_null(const Table& parent, const Table& partition) {
    return std::ranges::all_of(parent.partition_key, [&](const std::string& column) {
        return column.empty() || partition.never_null(column, true);
    });
}

// Indexes of the parent that the new partition does not have are built under its lock.
bool lacks_an_index(const Table& parent, const Table& partition) {
    return !std::ranges::all_of(parent.indexes, [&](const Index& wanted) {
        return std::ranges::any_of(partition.indexes, [&](const Index& index) {
            return index.columns == wanted.columns && index.partial == wanted.partial &&
                   index.reads == wanted.reads && (index.unique || !wanted.unique);
        });
    });
}

}  // namespace

// Rows of the partition are looked up for each foreign key that it has not yet.
void AlterTable::attach_keys(const Table& parent, const Table* partition, Action& made) {
    for (const TableConstraint& key : parent.constraints) {
        if (key.kind != ConstraintKind::kForeign) {
            continue;
        }
        const bool has = partition != nullptr &&
                         std::ranges::any_of(partition->constraints, [&](const auto& own) {
                             return own.kind == ConstraintKind::kForeign && own.valid &&
                                    own.other_table == key.other_table &&
                                    own.columns == key.columns;
                         });
        const bool reads = !has && !interpreter_.is_fresh(made.other);
        made.constraint = reads ? ConstraintKind::kForeign : made.constraint;
        add_effect(made.effects, {.table = key.other_table,
                                  .lock = Lock::kShareRowExclusive,
                                  .second = true,
                                  .scan = reads});
        add_effect(
            made.effects,
            {.table = made.other, .lock = Lock::kAccessExclusive, .second = true, .scan = reads});
    }
}

void AlterTable::attach(const Command& command, Action& made) {
    const PgQuery__PartitionCmd& partition = *command.def->partition_cmd;
    if (statement_.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX) {
        emit(made);
        return;
    }
    made.kind = ActionKind::kAttachPartition;
    made.other = schema().name_of(partition.name);
    const Table* child = schema().find(made.other);
    const Table* parent = table();
    const Table unknown;  // its key is not known, so any check may be the one
    const Table& owner = parent == nullptr ? unknown : *parent;
    const bool checked =
        child != nullptr && may_prove_bound(owner, *child) && key_is_not_null(owner, *child);
    const bool bound_default = partition.bound != nullptr && partition.bound->is_default != 0;
    made.traits |= checked ? kProvedNotNull : 0U;
    lock_only(made, Lock::kShareUpdateExclusive);
    const bool fresh = interpreter_.is_fresh(made.other);
    add_effect(made.effects,
               {.table = made.other,
                .lock = Lock::kAccessExclusive,
                .second = true,
                .scan = !checked && !fresh,
                .build = child != nullptr && !fresh && lacks_an_index(owner, *child)});
    attach_keys(owner, child, made);
    interpreter_.touch_referencing(made, table_, {.lock = Lock::kShareRowExclusive});
    if (!owner.default_partition.empty()) {
        const Table* fallback = schema().find(owner.default_partition);
        add_effect(made.effects,
                   {.table = owner.default_partition,
                    .lock = Lock::kAccessExclusive,
                    .second = true,
                    .scan = fallback == nullptr || !may_prove_bound(owner, *fallback)});
    }
    emit(made);
    if (Table* changed = table()) {
        changed->children.push_back(made.other);
        if (bound_default) {
            changed->default_partition = made.other;
        }
    }
    if (Table* changed = schema().tables.find(made.other)) {
        changed->parent = table_;
    }
}

void AlterTable::detach(const Command& command, Action& made) {
    const PgQuery__PartitionCmd& partition = *command.def->partition_cmd;
    made.kind = ActionKind::kDetachPartition;
    made.other = schema().name_of(partition.name);
    const bool gentle = partition.concurrent != 0 ||
                        command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartitionFinalize;
    made.traits |= gentle ? kConcurrently : 0U;
    made.own_transaction_only = partition.concurrent != 0;
    lock_only(made, gentle ? Lock::kShareUpdateExclusive : Lock::kAccessExclusive);
    add_effect(made.effects, {.table = made.other, .lock = Lock::kAccessExclusive, .second = true});
    // No row may point at what goes; then the tables' keys are made anew without it.
    interpreter_.touch_referencing(made, table_, {.lock = Lock::kAccessExclusive, .scan = true});
    if (const Table* parent = table(); parent != nullptr && !parent->default_partition.empty()) {
        add_effect(
            made.effects,
            {.table = parent->default_partition, .lock = Lock::kAccessExclusive, .second = true});
    }
    emit(made);
    if (Table* changed = table()) {
        std::erase(changed->children, made.other);
        if (changed->default_partition == made.other) {
            changed->default_partition.clear();
        }
    }
    if (Table* changed = schema().tables.find(made.other)) {
        changed->parent.clear();
    }
}

// Storage parameters that AlterTableGetRelOptionsLockLevel does not lower.
void AlterTable::set_options(const Command& command, Action& made) {
    Lock lock = Lock::kShareUpdateExclusive;
    if (command.def != nullptr && command.def->node_case == PG_QUERY__NODE__NODE_LIST) {
        for (std::size_t i = 0; i < command.def->list->n_items; ++i) {
            const sql::Node* item = command.def->list->items[i];
            if (item->node_case == PG_QUERY__NODE__NODE_DEF_ELEM &&
                text_or(item->def_elem->defname) == "user_catalog_table") {
                lock = Lock::kAccessExclusive;
            }
        }
    }
    const bool view = statement_.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW;
    lock_only(made, view ? Lock::kAccessExclusive : lock);
    emit(made);
}

// Nothing is written where the table is known to be so already.
void AlterTable::rewrite_storage(const Command& command, Action& made) {
    made.kind = ActionKind::kRewriteStorage;
    const std::string wanted = text_or(command.name);
    Table* known = table();
    bool same = false;
    if (known != nullptr) {
        switch (command.subtype) {
            case PG_QUERY__ALTER_TABLE_TYPE__AT_SetLogged:
                same = !std::exchange(known->unlogged, false);
                break;
            case PG_QUERY__ALTER_TABLE_TYPE__AT_SetUnLogged:
                same = std::exchange(known->unlogged, true);
                break;
            case PG_QUERY__ALTER_TABLE_TYPE__AT_SetAccessMethod:
                same = wanted == (known->access_method.empty() ? "heap" : known->access_method);
                known->access_method = wanted;
                break;
            default:
                same = wanted == (known->tablespace.empty() ? "pg_default" : known->tablespace);
                known->tablespace = wanted;
                break;
        }
    }
    made.traits |= same ? kSchemaOnly : 0U;
    add_effect(made.effects, {.table = table_, .lock = Lock::kAccessExclusive, .rewrite = !same});
    emit(made);
}

bool AlterTable::storage_command(const Command& command, Action& made) {
    switch (command.subtype) {
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetLogged:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetUnLogged:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetAccessMethod:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetTableSpace:
            rewrite_storage(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ClusterOn:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropCluster:
            lock_only(made, Lock::kShareUpdateExclusive);
            emit(made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetRelOptions:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions:
            set_options(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_EnableTrig:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_EnableAlwaysTrig:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_EnableReplicaTrig:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DisableTrig:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_EnableTrigAll:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DisableTrigAll:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_EnableTrigUser:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DisableTrigUser:
            made.kind = ActionKind::kToggleTrigger;
            touch_partitions(made, {.lock = Lock::kShareRowExclusive});
            emit(made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ReplicaIdentity:
            made.kind = ActionKind::kReplicaIdentity;
            if (command.def != nullptr &&
                command.def->node_case == PG_QUERY__NODE__NODE_REPLICA_IDENTITY_STMT) {
                made.name = text_or(command.def->replica_identity_stmt->identity_type);
            }
            lock_only(made, Lock::kAccessExclusive);
            emit(made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropInherit:
            lock_only(made, Lock::kAccessExclusive);
            if (command.def != nullptr &&
                command.def->node_case == PG_QUERY__NODE__NODE_RANGE_VAR) {
                const bool add = command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit;
                made.other = schema().name_of(command.def->range_var);
                interpreter_.touch(made, made.other,
                                   add ? Lock::kShareUpdateExclusive : Lock::kAccessShare);
            }
            emit(made);
            if (Table* parent = schema().tables.find(made.other)) {
                std::erase(parent->children, table_);
                if (command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit) {
                    parent->children.push_back(table_);
                }
            }
            return true;
        default:
            return false;
    }
}

}  // namespace howdah::migrate
