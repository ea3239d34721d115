#include "migrate/alter_table.hpp"

#include <algorithm>
#include <array>

#include "migrate/build_table.hpp"

namespace howdah::migrate {

AlterTable::AlterTable(Interpreter& interpreter, const PgQuery__AlterTableStmt& statement)
    : interpreter_(interpreter),
      statement_(statement),
      table_(interpreter.schema_.name_of(statement.relation)) {}

void AlterTable::lock_tree(Action& made, Lock lock, bool scan) {
    if (statement_.relation->inh == 0) {
        add_effect(made.effects, {.table = table_, .lock = lock, .scan = scan});
    } else {
        interpreter_.touch_tree(made, table_, {.lock = lock, .scan = scan});
    }
}

void AlterTable::touch_partitions(Action& made, TableEffect effect) {
    if (statement_.relation->inh == 0) {
        interpreter_.touch_each(made, {table_}, std::move(effect));
    } else {
        interpreter_.touch_partitions(made, table_, std::move(effect));
    }
}

void AlterTable::lock_only(Action& made, Lock lock) {
    add_effect(made.effects, {.table = table_, .lock = lock});
}

void AlterTable::run() {
    const bool index = statement_.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX;
    const bool other = statement_.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE ||
                       statement_.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE;
    for (std::size_t i = 0; i < statement_.n_cmds; ++i) {
        const Command& command = *statement_.cmds[i]->alter_table_cmd;
        Action made = interpreter_.action(ActionKind::kAlterTable);
        made.table = table_;
        made.name = text_or(command.name);
        made.traits |= (command.missing_ok != 0 ? kIfExists : 0U) |
                       (command.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE ? kCascade : 0U);
        if (statement_.n_cmds > 1 && !made.nested) {
            std::tie(made.begin, made.end) = subcommand_range(interpreter_.place_, i);
        }
        if (index) {
            alter_index(command, made);
        } else if (other) {
            made.kind = ActionKind::kOther;
            if (statement_.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE && made.has(kCascade)) {
                for (const auto& [name, typed] : schema().tables) {
                    if (typed.of_type == table_) {
                        interpreter_.touch(made, name, Lock::kAccessExclusive);
                    }
                }
            }
            emit(made);
        } else if (!column_command(command, made) && !constraint_command(command, made) &&
                   !storage_command(command, made)) {
            lock_only(made, Lock::kAccessExclusive);
            emit(made);
        }
    }
}

// Only SET TABLESPACE is more than a note in the catalog: it copies the index, and who plans a
// query of the table opens all its indexes.
void AlterTable::alter_index(const Command& command, Action& made) {
    made.kind = ActionKind::kAlterIndex;
    made.name = table_;
    if (command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetTableSpace) {
        const std::string owner = schema().table_of_index(table_);
        const Index* index = schema().index(table_);
        made.kind = ActionKind::kRewriteStorage;
        made.fresh = index != nullptr && index->born == interpreter_.migration_;
        made.fresh = made.fresh || interpreter_.is_fresh(owner);
        made.table.clear();
        made.name = "index " + table_ + (owner.empty() ? "" : " of " + owner);
    }
    emit(made);
}

bool AlterTable::column_command(const Command& command, Action& made) {
    switch (command.subtype) {
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
            add_column(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
            drop_column(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
            alter_type(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull:
            set_not_null(command, made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull:
            made.kind = ActionKind::kDropNotNull;
            lock_tree(made, Lock::kAccessExclusive);
            emit(made);
            for (const std::string& each : schema().with_descendants(table_)) {
                if (Table* known = schema().tables.find(each)) {
                    for (Column& column : known->columns) {
                        column.not_null = column.name == made.name ? false : column.not_null;
                    }
                }
            }
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ColumnDefault:
            made.kind = ActionKind::kSetDefault;
            lock_tree(made, Lock::kAccessExclusive);
            emit(made);
            if (Table* known = table()) {
                for (Column& column : known->columns) {
                    column.has_default =
                        column.name == made.name ? command.def != nullptr : column.has_default;
                }
            }
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStatistics:
            lock_tree(made, Lock::kShareUpdateExclusive);
            emit(made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetOptions:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ResetOptions:
            lock_only(made, Lock::kShareUpdateExclusive);
            emit(made);
            return true;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropExpression:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStorage:
            lock_tree(made, Lock::kAccessExclusive);
            emit(made);
            return true;
        default:
            return false;
    }
}

namespace {

std::uint32_t trait_of(Volatility volatility) {
    return volatility == Volatility::kVolatile  ? kVolatileDefault
           : volatility == Volatility::kUnknown ? kUnknownDefault
                                                : 0U;
}

}  // namespace

void AlterTable::read_default(const PgQuery__ColumnDef& definition, Action& made) {
    bool own_default = false;
    for (std::size_t i = 0; i < definition.n_constraints; ++i) {
        const PgQuery__Constraint& part = *definition.constraints[i]->constraint;
        if (part.contype == PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED) {
            made.traits |= kGenerated;
        } else if (part.contype == PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY) {
            made.traits |= kIdentity;
        } else if (part.contype == PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL) {
            made.traits |= kNotNull;
        } else if (part.contype == PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT &&
                   part.raw_expr != nullptr) {
            own_default = true;
            made.traits |= is_value(part.raw_expr) ? kHasDefault : 0U;
            made.traits |= trait_of(expression_volatility(schema(), *part.raw_expr, made.other));
        }
    }
    const ColumnType type = type_of(definition.type_name);
    const Domain* domain = type.array_dimensions > 0 ? nullptr : schema().domains.find(type.name);
    if (domain != nullptr && domain->has_default && !own_default) {
        made.traits |= kHasDefault | trait_of(domain->default_volatility);
        made.other = domain->default_calls;
    }
    made.traits |= is_serial(type.name) ? kSerial | kNotNull : 0U;
    if (!made.any(kVolatileDefault | kUnknownDefault)) {
        made.other.clear();
    }
    int constraints = 0;
    (void)schema().base_of(type, constraints);
    made.traits |= constraints > 0 ? kConstrainedDomain : 0U;
}

void AlterTable::inline_constraints(const PgQuery__ColumnDef& definition, Action& made) {
    const std::string column = text_or(definition.colname);
    for (std::size_t i = 0; i < definition.n_constraints; ++i) {
        const PgQuery__Constraint& part = *definition.constraints[i]->constraint;
        TableEffect effect{.table = table_, .lock = Lock::kAccessExclusive};
        switch (part.contype) {
            case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK:
                made.traits |= kInlineCheck;
                effect.scan = true;
                break;
            case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
                made.traits |= kInlineUnique;
                effect.build = true;
                break;
            case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
                made.traits |= kInlinePrimary | kNotNull;
                effect.build = true;
                break;
            case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN: {
                made.traits |= kInlineForeign;
                const std::string target = schema().name_of(part.pktable);
                // Rows that are all NULL need no look-up; a default needs one each.
                const bool filled = made.any(kHasDefault | kSerial | kIdentity | kGenerated);
                effect.scan = filled;
                if (target != table_) {
                    interpreter_.touch_partitions(
                        made, target, {.lock = Lock::kShareRowExclusive, .scan = filled});
                }
                break;
            }
            default:
                continue;
        }
        add_effect(made.effects, effect);
    }
}

void AlterTable::add_column(const Command& command, Action& made) {
    const PgQuery__ColumnDef& definition = *command.def->column_def;
    made.kind = ActionKind::kAddColumn;
    made.name = text_or(definition.colname);
    made.column_def = &definition;
    made.to = type_of(definition.type_name);
    read_default(definition, made);
    lock_tree(made, Lock::kAccessExclusive);
    const bool rewrite = made.any(kVolatileDefault | kUnknownDefault | kSerial | kIdentity |
                                  kGenerated | kConstrainedDomain);
    const bool reads = made.has(kNotNull) && !rewrite && !made.has(kHasDefault);
    interpreter_.touch_tree(made, table_,
                            {.lock = Lock::kAccessExclusive, .scan = reads, .rewrite = rewrite});
    inline_constraints(definition, made);
    const Table* known = table();
    const bool exists = known != nullptr && known->column(made.name) != nullptr;
    emit(made);
    if (known == nullptr || (exists && made.has(kIfExists))) {
        return;
    }
    for (const std::string& each : schema().with_descendants(table_)) {
        if (Table* target = schema().tables.find(each)) {
            target->columns.push_back(column_of(definition));
            target->columns.back().born = interpreter_.migration_;
        }
    }
    for (std::size_t i = 0; i < definition.n_constraints; ++i) {
        const PgQuery__Constraint& part = *definition.constraints[i]->constraint;
        if (is_kept_constraint(part)) {
            migrate::add_constraint(schema(), *table(),
                                    constraint_of(schema(), part, table_, made.name),
                                    interpreter_.migration_);
        }
    }
}

void AlterTable::drop_column(const Command& command, Action& made) {
    made.kind = ActionKind::kDropColumn;
    made.name = text_or(command.name);
    lock_tree(made, Lock::kAccessExclusive);
    if (const Table* known = table()) {
        for (const TableConstraint& constraint : known->constraints) {
            const bool holds =
                std::ranges::find(constraint.columns, made.name) != constraint.columns.end();
            if (holds && constraint.kind == ConstraintKind::kForeign) {
                interpreter_.touch_partitions(made, constraint.other_table,
                                              {.lock = Lock::kAccessExclusive});
            }
        }
    }
    const std::vector<std::string> views =
        made.has(kCascade) ? schema().views_over(table_, made.name) : std::vector<std::string>();
    for (const std::string& view : views) {
        interpreter_.touch(made, view, Lock::kAccessExclusive);
    }
    if (made.has(kCascade)) {
        for (const std::string& other : schema().referencing(table_)) {
            for (const TableConstraint& key : schema().find(other)->constraints) {
                const bool implied = key.other_columns.empty() && table() != nullptr &&
                                     table()->in_primary_key(made.name);
                if (key.other_table == table_ &&
                    (implied ||
                     std::ranges::find(key.other_columns, made.name) != key.other_columns.end())) {
                    interpreter_.touch(made, other, Lock::kAccessExclusive);
                }
            }
        }
    }
    emit(made);
    for (const std::string& each : schema().with_descendants(table_)) {
        schema().drop_column(each, made.name);
    }
    for (const std::string& view : views) {
        schema().drop_table(view);
    }
}

namespace {

// USING col::newtype (or just col) is what PostgreSQL would do anyway.
bool is_plain_cast(const sql::Node* expression, const std::string& column, const ColumnType& type) {
    const sql::Node* inner = expression;
    if (inner->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
        if (type_of(inner->type_cast->type_name) != type) {
            return false;
        }
        inner = inner->type_cast->arg;
    }
    return inner != nullptr && inner->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
           inner->column_ref->n_fields == 1 &&
           sql::string_value(inner->column_ref->fields[0]) == column;
}

}  // namespace

void AlterTable::judge_type_change(const PgQuery__ColumnDef& definition, Action& made) {
    int old_constraints = 0;
    int new_constraints = 0;
    const ColumnType from = schema().base_of(made.from, old_constraints);
    const ColumnType to = schema().base_of(made.to, new_constraints);
    made.change = classify_change(from, to);
    if (made.from.known() && made.from != made.to && new_constraints > 0) {
        made.change = TypeChange::kRewrite;
    } else if (made.change == TypeChange::kNothing && made.from != made.to) {
        made.change = TypeChange::kMetadata;
    }
    if (definition.raw_default != nullptr &&
        !is_plain_cast(definition.raw_default, made.name, made.to)) {
        made.traits |= kHasUsing;
        made.change = TypeChange::kRewrite;
    }
    const bool user_type = schema().enums.find(made.to.name) != nullptr ||
                           schema().enums.find(made.from.name) != nullptr;
    if (made.change == TypeChange::kUnknown && user_type && made.from.known()) {
        made.change = TypeChange::kRewrite;
    }
}

// Checks on the column are proved again, foreign keys made again (with locks on both tables).
void AlterTable::retype_dependents(Action& made) {
    const auto holds = [&](const std::vector<std::string>& columns) {
        return std::ranges::find(columns, made.name) != columns.end();
    };
    if (const Table* known = table()) {
        for (const TableConstraint& constraint : known->constraints) {
            if (!holds(constraint.columns)) {
                continue;
            }
            if (constraint.kind == ConstraintKind::kForeign) {
                add_effect(made.effects, {.table = constraint.other_table,
                                          .lock = Lock::kAccessExclusive,
                                          .second = true,
                                          .scan = made.change == TypeChange::kRewrite});
            } else if (constraint.kind == ConstraintKind::kCheck && constraint.valid) {
                add_effect(made.effects,
                           {.table = table_, .lock = Lock::kAccessExclusive, .scan = true});
            }
        }
    }
    for (const std::string& other : schema().referencing(table_)) {
        for (const TableConstraint& key : schema().find(other)->constraints) {
            const bool implied = key.other_columns.empty() && table() != nullptr &&
                                 table()->in_primary_key(made.name);
            if (key.other_table == table_ && (implied || holds(key.other_columns))) {
                add_effect(made.effects, {.table = other,
                                          .lock = Lock::kAccessExclusive,
                                          .second = true,
                                          .scan = made.change == TypeChange::kRewrite});
            }
        }
    }
}

void AlterTable::alter_type(const Command& command, Action& made) {
    const PgQuery__ColumnDef& definition = *command.def->column_def;
    made.kind = ActionKind::kAlterType;
    made.name = text_or(command.name);
    made.column_def = &definition;
    const Table* known = table();
    const Column* column = known == nullptr ? nullptr : known->column(made.name);
    made.from = column == nullptr ? ColumnType{} : column->type;
    made.to = column_of(definition).type;
    judge_type_change(definition, made);
    const bool rewrite = made.change == TypeChange::kRewrite ||
                         made.change == TypeChange::kUnknown || made.change == TypeChange::kIfUtc;
    interpreter_.touch_tree(made, table_, {.lock = Lock::kAccessExclusive, .rewrite = rewrite});
    if (known != nullptr && made.change != TypeChange::kNothing) {
        // Indexes on expressions and partial ones are never taken over.
        const bool built = std::ranges::any_of(known->indexes, [&](const Index& index) {
            const auto in = [&](const std::vector<std::string>& names) {
                return std::ranges::find(names, made.name) != names.end();
            };
            return in(index.reads) ||
                   ((made.change == TypeChange::kIndexRebuild || index.partial) &&
                    in(index.columns));
        });
        add_effect(made.effects, {.table = table_, .lock = Lock::kAccessExclusive, .build = built});
    }
    if (made.change != TypeChange::kNothing) {
        retype_dependents(made);
    }
    emit(made);
    for (const std::string& each : schema().with_descendants(table_)) {
        if (Table* target = schema().tables.find(each)) {
            for (Column& changed : target->columns) {
                changed.type = changed.name == made.name ? made.to : changed.type;
            }
        }
    }
}

void AlterTable::set_not_null(const Command& command, Action& made) {
    made.kind = ActionKind::kSetNotNull;
    made.name = text_or(command.name);
    for (const std::string& each : schema().with_descendants(table_)) {
        const Table* known = schema().find(each);
        const bool proved = known != nullptr && known->never_null(made.name, true);
        made.traits |= each == table_ && proved ? kProvedNotNull : 0U;
        const bool rows = known == nullptr || known->kind != TableKind::kPartitioned;
        add_effect(made.effects, {.table = each,
                                  .lock = Lock::kAccessExclusive,
                                  .second = each != table_,
                                  .scan = rows && !proved});
    }
    emit(made);
    for (const std::string& each : schema().with_descendants(table_)) {
        if (Table* known = schema().tables.find(each)) {
            for (Column& column : known->columns) {
                column.not_null = column.not_null || column.name == made.name;
            }
        }
    }
}

}  // namespace howdah::migrate
