// Interpreter: DROP, RENAME, SET SCHEMA, TRUNCATE.
#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/interpreter.hpp"

namespace howdah::migrate {
namespace {

ActionKind drop_kind(PgQuery__ObjectType type) {
    switch (type) {
        case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
        case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
            return ActionKind::kDropTable;
        case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
            return ActionKind::kDropIndex;
        case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
        case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
            return ActionKind::kDropView;
        case PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA:
            return ActionKind::kDropSchema;
        case PG_QUERY__OBJECT_TYPE__OBJECT_TRIGGER:
            return ActionKind::kDropTrigger;
        case PG_QUERY__OBJECT_TYPE__OBJECT_POLICY:
        case PG_QUERY__OBJECT_TYPE__OBJECT_RULE:
            return ActionKind::kPolicy;
        case PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
        case PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN:
            return ActionKind::kDropType;
        case PG_QUERY__OBJECT_TYPE__OBJECT_FUNCTION:
        case PG_QUERY__OBJECT_TYPE__OBJECT_PROCEDURE:
        case PG_QUERY__OBJECT_TYPE__OBJECT_ROUTINE:
            return ActionKind::kDropFunction;
        default:
            return ActionKind::kDropOther;
    }
}

}  // namespace

// DROP TRIGGER t ON a.b names the table in all but the last part.
void Interpreter::drop(const PgQuery__DropStmt& statement) {
    for (std::size_t i = 0; i < statement.n_objects; ++i) {
        const sql::Node* object = statement.objects[i];
        Action made = action(drop_kind(statement.remove_type));
        made.traits |=
            (statement.missing_ok != 0 ? kIfExists : 0U) |
            (statement.concurrent != 0 ? kConcurrently : 0U) |
            (statement.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE ? kCascade : 0U);
        made.own_transaction_only = statement.concurrent != 0;
        switch (made.kind) {
            case ActionKind::kDropTable:
            case ActionKind::kDropView:
                made.table = schema_.name_of(object);
                drop_table(made);
                break;
            case ActionKind::kDropIndex:
                made.name = schema_.name_of(object);
                drop_index(made);
                break;
            case ActionKind::kDropSchema:
                made.name = sql::string_value(object);
                drop_schema(made);
                break;
            case ActionKind::kDropType:
                made.name = schema_.name_of(object);
                drop_type(made);
                break;
            case ActionKind::kDropTrigger:
            case ActionKind::kPolicy: {
                const std::vector<std::string> parts =
                    strings_of(object->list->items, object->list->n_items);
                made.name = parts.back();
                made.table = parts.size() < 2 ? ""
                                              : schema_.name_of(parts.size() > 2 ? parts[0] : "",
                                                                parts[parts.size() - 2]);
                drop_attached(made);
                break;
            }
            case ActionKind::kDropFunction:
                if (object->node_case == PG_QUERY__NODE__NODE_OBJECT_WITH_ARGS) {
                    made.name = strings_of(object->object_with_args->objname,
                                           object->object_with_args->n_objname)
                                    .back();
                }
                drop_function(made);
                break;
            default:
                made.name = schema_.name_of(object);
                if (statement.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE) {
                    touch_sequence_users(made);
                } else if (statement.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_STATISTIC_EXT) {
                    touch(made, schema_.statistics_table(made.name), Lock::kShareUpdateExclusive);
                }
                emit(made);
                break;
        }
    }
}

// Triggers, policies and rules. Nothing is locked for a trigger that is known not to be there.
void Interpreter::drop_attached(Action& made) {
    Table* known = schema_.tables.find(made.table);
    const bool missing =
        made.kind == ActionKind::kDropTrigger && made.has(kIfExists) && known != nullptr &&
        std::ranges::find(known->triggers, made.name, &Trigger::name) == known->triggers.end();
    if (!missing) {
        const TableEffect effect{.lock = Lock::kAccessExclusive};
        if (made.kind == ActionKind::kDropTrigger) {
            touch_partitions(made, made.table, effect);
        } else {
            touch(made, made.table, effect.lock);
        }
    }
    emit(made);
    if (known != nullptr && made.kind == ActionKind::kDropTrigger) {
        std::erase_if(known->triggers,
                      [&](const Trigger& trigger) { return trigger.name == made.name; });
    }
}

void Interpreter::drop_table(Action& made) {
    const Table* known = schema_.find(made.table);
    std::vector<std::string> gone;
    touch_tree(made, made.table, {.lock = Lock::kAccessExclusive});
    if (known != nullptr) {
        for (const TableConstraint& constraint : known->constraints) {
            if (constraint.kind == ConstraintKind::kForeign &&
                constraint.other_table != made.table) {
                touch_partitions(made, constraint.other_table, {.lock = Lock::kAccessExclusive});
            }
        }
        const Table* parent = schema_.find(known->parent);
        if (parent != nullptr && parent->kind == TableKind::kPartitioned) {
            touch(made, parent->name, Lock::kAccessExclusive);
            if (parent->default_partition != made.table) {
                touch(made, parent->default_partition, Lock::kAccessExclusive);
            }
        }
    }
    if (made.has(kCascade)) {
        for (const std::string& other : schema_.referencing(made.table)) {
            touch(made, other, Lock::kAccessExclusive);
        }
        gone = schema_.views_over(made.table, "");
        for (const std::string& view : gone) {
            touch(made, view, Lock::kAccessExclusive);
        }
    }
    made.fresh = is_fresh(made.table);
    emit(made);
    schema_.drop_table(made.table);
    for (const std::string& view : gone) {
        schema_.drop_table(view);
    }
}

void Interpreter::drop_index(Action& made) {
    made.table = schema_.table_of_index(made.name);
    const Index* index = schema_.index(made.name);
    made.columns = index == nullptr ? std::vector<std::string>{} : index->columns;
    const Lock lock =
        made.has(kConcurrently) ? Lock::kShareUpdateExclusive : Lock::kAccessExclusive;
    if (made.table.empty()) {
        // An index that no migration made: its table is not known, its lock is.
        add_effect(made.effects, {.table = "(the table of " + made.name + ")", .lock = lock});
    } else {
        touch_partitions(made, made.table, {.lock = lock});
    }
    made.fresh = (index != nullptr && index->born == migration_) || is_fresh(made.table);
    emit(made);
    schema_.drop_index(made.name);
}

namespace {

bool calls(const Table& table, const std::string& function) {
    const auto named = [&](const auto& part) {
        return std::ranges::find(part.calls, function) != part.calls.end();
    };
    return std::ranges::find(table.triggers, function, &Trigger::function) !=
               table.triggers.end() ||
           std::ranges::any_of(table.columns, named) ||
           std::ranges::any_of(table.constraints, named) ||
           std::ranges::any_of(table.indexes, named);
}

}  // namespace

// CASCADE takes the triggers, defaults, checks and indexes that call it.
void Interpreter::drop_function(Action& made) {
    if (made.has(kCascade)) {
        for (const auto& [name, table] : schema_.tables) {
            if (calls(table, last_part(made.name))) {
                touch(made, name, Lock::kAccessExclusive);
            }
        }
        std::ranges::sort(made.effects, {}, &TableEffect::table);
    }
    emit(made);
    schema_.routines.erase(made.name);
}

// CASCADE takes the defaults that draw from it.
void Interpreter::touch_sequence_users(Action& made) {
    if (!made.has(kCascade)) {
        return;
    }
    for (const auto& [name, table] : schema_.tables) {
        for (const Column& column : table.columns) {
            if (column.serial && made.name == name + "_" + column.name + "_seq") {
                touch(made, name, Lock::kAccessExclusive);
            }
        }
    }
}

void Interpreter::drop_type(Action& made) {
    if (made.has(kCascade)) {
        for (auto& [name, table] : schema_.tables) {
            const bool uses = std::ranges::any_of(
                table.columns, [&](const Column& column) { return column.type.name == made.name; });
            if (uses) {
                touch(made, name, Lock::kAccessExclusive);
            }
        }
    }
    emit(made);
    schema_.domains.erase(made.name);
    schema_.enums.erase(made.name);
}

void Interpreter::drop_schema(Action& made) {
    std::vector<std::string> inside;
    for (auto& [name, table] : schema_.tables) {
        if (schema_part(name) == made.name ||
            (made.name == "public" && schema_part(name).empty())) {
            inside.push_back(name);
        }
    }
    std::ranges::sort(inside);
    for (const std::string& table : inside) {
        touch(made, table, Lock::kAccessExclusive);
    }
    emit(made);
    for (const std::string& table : inside) {
        schema_.drop_table(table);
    }
}

void Interpreter::rename_without_table(const PgQuery__RenameStmt& statement, Action& made) {
    if (statement.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA) {
        made.kind = ActionKind::kRenameSchema;
        emit(made);
        schema_.rename_schema(made.name, made.other);
        return;
    }
    made.name = schema_.name_of(statement.object);
    const std::string prefix = schema_part(made.name);
    emit(made);
    schema_.rename_type(made.name, prefix.empty() ? made.other : prefix + "." + made.other);
}

void Interpreter::rename_index(Action& made) {
    made.kind = ActionKind::kAlterIndex;
    const Index* index = schema_.index(made.table);
    emit(made);
    if (index != nullptr) {
        Index moved = *index;
        const std::string owner = schema_.table_of_index(made.table);
        schema_.drop_index(made.table);
        const std::string prefix = schema_part(made.table);
        moved.name = prefix.empty() ? made.other : prefix + "." + made.other;
        schema_.add_index(owner, std::move(moved));
    }
}

void Interpreter::rename(const PgQuery__RenameStmt& statement) {
    Action made = action(ActionKind::kOther);
    made.table = schema_.name_of(statement.relation);
    made.name = text_or(statement.subname);
    made.other = text_or(statement.newname);
    switch (statement.rename_type) {
        case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
        case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
        case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
        case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE: {
            if (schema_.find(made.table) == nullptr && schema_.index(made.table) != nullptr) {
                return rename_index(made);  // ALTER TABLE names any relation
            }
            made.kind = ActionKind::kRenameTable;
            made.name = made.table;
            const std::string prefix = schema_part(made.table);
            made.other = prefix.empty() ? made.other : prefix + "." + made.other;
            touch(made, made.table, Lock::kAccessExclusive);
            emit(made);
            schema_.rename_table(made.table, made.other);
            return;
        }
        case PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN:
            made.kind = ActionKind::kRenameColumn;
            touch_tree(made, made.table, {.lock = Lock::kAccessExclusive});
            emit(made);
            for (const std::string& each : schema_.with_descendants(made.table)) {
                if (Table* table = schema_.tables.find(each)) {
                    schema_.rename_column(*table, made.name, made.other);
                }
            }
            return;
        case PG_QUERY__OBJECT_TYPE__OBJECT_TABCONSTRAINT:
            made.kind = ActionKind::kAlterConstraint;
            touch_tree(made, made.table, {.lock = Lock::kAccessExclusive});
            emit(made);
            if (Table* table = schema_.tables.find(made.table)) {
                for (TableConstraint& constraint : table->constraints) {
                    constraint.name = constraint.name == made.name ? made.other : constraint.name;
                }
            }
            return;
        case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
            return rename_index(made);
        case PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA:
        case PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN:
        case PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
            return rename_without_table(statement, made);
        case PG_QUERY__OBJECT_TYPE__OBJECT_TRIGGER:
            made.kind = ActionKind::kPolicy;
            touch_partitions(made, made.table, {.lock = Lock::kAccessExclusive});
            break;
        case PG_QUERY__OBJECT_TYPE__OBJECT_POLICY:
        case PG_QUERY__OBJECT_TYPE__OBJECT_RULE:
            made.kind = ActionKind::kPolicy;
            touch(made, made.table, Lock::kAccessExclusive);
            break;
        default:
            break;
    }
    emit(made);
}

void Interpreter::set_schema(const PgQuery__AlterObjectSchemaStmt& statement) {
    const bool relation = statement.relation != nullptr;
    Action made = action(relation ? ActionKind::kSetSchema : ActionKind::kOther);
    made.table = schema_.name_of(statement.relation);
    if (relation) {
        const std::string target = text_or(statement.newschema);
        made.other =
            target == "public" ? last_part(made.table) : target + "." + last_part(made.table);
        touch(made, made.table, Lock::kAccessExclusive);
    }
    emit(made);
    if (relation) {
        schema_.rename_table(made.table, made.other);
    } else if (statement.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN ||
               statement.object_type == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE) {
        const std::string name = schema_.name_of(statement.object);
        schema_.rename_type(name, schema_.name_of(text_or(statement.newschema), last_part(name)));
    }
}

void Interpreter::truncate(const PgQuery__TruncateStmt& statement) {
    const bool cascade = statement.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
    for (std::size_t i = 0; i < statement.n_relations; ++i) {
        Action made = action(ActionKind::kTruncate);
        made.table = schema_.name_of(statement.relations[i]->range_var);
        made.traits |= cascade ? kCascade : 0U;
        std::vector<std::string> reached{made.table};
        for (std::size_t n = 0; n < reached.size(); ++n) {
            const bool only = n == 0 && statement.relations[i]->range_var->inh == 0;
            if (only) {
                touch(made, reached[n], Lock::kAccessExclusive);
            } else {
                touch_tree(made, reached[n], {.lock = Lock::kAccessExclusive});
            }
            const auto others =
                cascade ? schema_.referencing(reached[n]) : std::vector<std::string>{};
            for (const std::string& other : others) {
                if (std::ranges::find(reached, other) == reached.end()) {
                    reached.push_back(other);
                }
            }
        }
        made.fresh = is_fresh(made.table) && reached.size() == 1;
        emit(made);
    }
}

}  // namespace howdah::migrate
