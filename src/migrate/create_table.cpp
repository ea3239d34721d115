// Interpreter: CREATE TABLE, CREATE TABLE AS, CREATE MATERIALIZED VIEW.
#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/interpreter.hpp"

namespace howdah::migrate {
namespace {

// Columns and constraints as far as they are written; LIKE, OF and INHERITS take from others.
void read_elements(const Schema& schema, const PgQuery__CreateStmt& statement, Table& table,
                   std::vector<TableConstraint>& constraints) {
    for (std::size_t i = 0; i < statement.n_table_elts; ++i) {
        const sql::Node& element = *statement.table_elts[i];
        if (element.node_case == PG_QUERY__NODE__NODE_COLUMN_DEF) {
            const PgQuery__ColumnDef& definition = *element.column_def;
            table.columns.push_back(column_of(definition));
            for (std::size_t n = 0; n < definition.n_constraints; ++n) {
                if (is_kept_constraint(*definition.constraints[n]->constraint)) {
                    constraints.push_back(constraint_of(schema,
                                                        *definition.constraints[n]->constraint,
                                                        table.name, table.columns.back().name));
                }
            }
        } else if (element.node_case == PG_QUERY__NODE__NODE_CONSTRAINT) {
            if (is_kept_constraint(*element.constraint)) {
                constraints.push_back(constraint_of(schema, *element.constraint, table.name, ""));
            }
        } else if (element.node_case == PG_QUERY__NODE__NODE_TABLE_LIKE_CLAUSE) {
            const Table* model = schema.find(schema.name_of(element.table_like_clause->relation));
            table.complete = table.complete && model != nullptr && model->complete;
            if (model != nullptr) {
                table.columns.insert(table.columns.end(), model->columns.begin(),
                                     model->columns.end());
            }
        }
    }
}

void inherit_columns(const Schema& schema, Table& table) {
    const Table* parent = schema.find(table.parent);
    if (parent == nullptr) {
        table.complete = false;
        return;
    }
    table.complete = table.complete && parent->complete;
    table.columns.insert(table.columns.begin(), parent->columns.begin(), parent->columns.end());
}

}  // namespace

void Interpreter::create_table(const PgQuery__CreateStmt& statement) {
    Action made = action(ActionKind::kCreateTable);
    made.table = schema_.name_of(statement.relation);
    made.traits |= statement.if_not_exists != 0 ? kIfExists : 0U;
    Table table{.name = made.table, .born = migration_};
    table.temporary = text_or(statement.relation->relpersistence) == "t";
    table.unlogged = text_or(statement.relation->relpersistence) == "u";
    table.of_type = type_of(statement.of_typename).name;
    table.access_method = text_or(statement.access_method);
    table.tablespace = text_or(statement.tablespacename);
    made.traits |= table.temporary ? kTemporary : 0U;
    table.kind = statement.partspec != nullptr ? TableKind::kPartitioned : TableKind::kTable;
    for (std::size_t i = 0;
         table.kind == TableKind::kPartitioned && i < statement.partspec->n_part_params; ++i) {
        table.partition_key.push_back(
            text_or(statement.partspec->part_params[i]->partition_elem->name));
    }
    std::vector<TableConstraint> constraints;
    read_elements(schema_, statement, table, constraints);
    for (const TableConstraint& constraint : constraints) {
        if (constraint.kind == ConstraintKind::kForeign && constraint.other_table != made.table) {
            touch_partitions(made, constraint.other_table, {.lock = Lock::kShareRowExclusive});
        }
    }
    if (statement.n_inh_relations > 0 &&
        statement.inh_relations[0]->node_case == PG_QUERY__NODE__NODE_RANGE_VAR) {
        table.parent = schema_.name_of(statement.inh_relations[0]->range_var);
        inherit_columns(schema_, table);
        touch(
            made, table.parent,
            statement.partbound != nullptr ? Lock::kAccessExclusive : Lock::kShareUpdateExclusive);
    }
    for (std::size_t i = 0; i < statement.n_table_elts; ++i) {
        if (statement.table_elts[i]->node_case == PG_QUERY__NODE__NODE_TABLE_LIKE_CLAUSE) {
            touch(made, schema_.name_of(statement.table_elts[i]->table_like_clause->relation),
                  Lock::kAccessShare);
        }
    }
    const Table* parent = schema_.find(table.parent);
    if (statement.partbound != nullptr) {
        made.other = table.parent;
        touch_inherited_keys(made, parent);
        touch_referencing(made, table.parent, {.lock = Lock::kShareRowExclusive});
        if (parent != nullptr && !parent->default_partition.empty()) {
            add_effect(made.effects, {.table = parent->default_partition,
                                      .lock = Lock::kAccessExclusive,
                                      .second = true,
                                      .scan = true});
        }
    }
    const Table* existing = schema_.find(made.table);
    made.fresh = made.effects.empty();
    emit(made);
    if (existing != nullptr && statement.if_not_exists != 0) {
        return;
    }
    for (TableConstraint& constraint : constraints) {
        constraint.valid = true;  // NOT VALID means nothing on an empty table
        add_constraint(schema_, table, constraint, migration_);
    }
    if (statement.partbound != nullptr && statement.partbound->is_default != 0) {
        if (Table* owner = schema_.tables.find(table.parent)) {
            owner->default_partition = table.name;
        }
    }
    schema_.add_table(std::move(table));
}

void Interpreter::create_table_as(const PgQuery__CreateTableAsStmt& statement) {
    const bool materialized = statement.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW;
    Action made = action(materialized ? ActionKind::kCreateMatview : ActionKind::kCreateTable);
    made.table = schema_.name_of(statement.into->rel);
    made.traits |= statement.if_not_exists != 0 ? kIfExists : 0U;
    if (statement.query != nullptr) {
        read_tables(made, statement.query->base);
    }
    Table table{.name = made.table,
                .kind = materialized ? TableKind::kMaterialized : TableKind::kTable,
                .born = migration_,
                .complete = false};
    table.temporary = text_or(statement.into->rel->relpersistence) == "t";
    made.traits |= table.temporary ? kTemporary : 0U;
    for (const TableEffect& effect : made.effects) {
        table.reads.push_back(effect.table);
    }
    if (statement.query != nullptr && materialized) {
        table.columns_read = columns_named(statement.query->base);
    }
    made.fresh = true;
    const bool stays = statement.if_not_exists != 0 && schema_.find(made.table) != nullptr;
    emit(made);
    if (!stays) {
        schema_.add_table(std::move(table));
    }
}

}  // namespace howdah::migrate
