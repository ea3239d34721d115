// apply_ddl: what CREATE, ALTER, DROP and RENAME make of the schema.
#include <algorithm>

#include "insight/schema.hpp"
#include "insight/source_text.hpp"

namespace howdah::insight {
namespace {

std::string_view text_or(const char* text) {
    return text == nullptr ? std::string_view() : std::string_view(text);
}

std::string name_of(const PgQuery__RangeVar* relation) {
    return relation == nullptr
               ? std::string()
               : canonical_name(text_or(relation->schemaname), text_or(relation->relname));
}

// A dotted name given as a list of strings.
std::string name_of_list(std::size_t count, sql::Node* const* parts) {
    if (count == 0) {
        return {};
    }
    return canonical_name(count > 1 ? sql::string_value(parts[count - 2]) : std::string_view(),
                          sql::string_value(parts[count - 1]));
}

std::vector<std::string> names_of(std::size_t count, sql::Node* const* parts) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) {
        names.emplace_back(sql::string_value(parts[i]));
    }
    return names;
}

TypeClass class_of(const PgQuery__TypeName* type) {
    if (type == nullptr || type->n_names == 0) {
        return TypeClass::kUnknown;
    }
    return type->n_array_bounds > 0 ? TypeClass::kArray
                                    : type_class(sql::string_value(type->names[type->n_names - 1]));
}

void add_key_index(Table& table, std::vector<std::string> columns, bool primary,
                   std::string_view name) {
    Index index{.name = std::string(name), .unique = true, .primary = primary};
    for (std::string& column : columns) {
        if (primary) {
            for (Column& each : table.columns) {
                each.not_null = each.not_null || each.name == column;
            }
        }
        index.keys.push_back({.column = std::move(column)});
    }
    table.indexes.push_back(std::move(index));
}

void add_constraint(Table& table, const PgQuery__Constraint& constraint, const std::string& column,
                    const StatementPlace& place) {
    const auto own = [&](std::size_t count, sql::Node* const* parts) {
        return count == 0 && !column.empty() ? std::vector<std::string>{column}
                                             : names_of(count, parts);
    };
    switch (constraint.contype) {
        case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
        case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE: {
            const std::vector<std::string> keys = own(constraint.n_keys, constraint.keys);
            if (!keys.empty()) {
                add_key_index(table, keys,
                              constraint.contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY,
                              text_or(constraint.conname));
            }
            break;
        }
        case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN: {
            const auto offset = constraint.location > 0
                                    ? place.begin + static_cast<std::size_t>(constraint.location)
                                    : place.begin;
            table.foreign_keys.push_back(
                {.columns = own(constraint.n_fk_attrs, constraint.fk_attrs),
                 .table = name_of(constraint.pktable),
                 .other_columns = names_of(constraint.n_pk_attrs, constraint.pk_attrs),
                 .origin = Origin::kSql,
                 .place = place_in(place.file, place.text, offset)});
            break;
        }
        default:
            break;
    }
}

bool is_c_collation(std::string_view name) {
    return name == "C" || name == "POSIX" || name == "ucs_basic";
}

void add_column(Table& table, const PgQuery__ColumnDef& definition, const StatementPlace& place) {
    Column column{.name = std::string(text_or(definition.colname)),
                  .field = std::string(text_or(definition.colname)),
                  .type = class_of(definition.type_name),
                  .not_null = definition.is_not_null != 0};
    for (std::size_t i = 0; i < definition.n_constraints; ++i) {
        column.not_null = column.not_null || definition.constraints[i]->constraint->contype ==
                                                 PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL;
    }
    if (definition.coll_clause != nullptr && definition.coll_clause->n_collname > 0) {
        const PgQuery__CollateClause& collate = *definition.coll_clause;
        column.by_bytes =
            is_c_collation(sql::string_value(collate.collname[collate.n_collname - 1]));
    }
    const std::string name = column.name;
    if (table.column(name) == nullptr) {
        table.columns.push_back(std::move(column));
    }
    for (std::size_t i = 0; i < definition.n_constraints; ++i) {
        add_constraint(table, *definition.constraints[i]->constraint, name, place);
    }
}

void create_table(Schema& schema, const PgQuery__CreateStmt& statement,
                  const StatementPlace& place) {
    Table& table = schema.at(name_of(statement.relation));
    for (std::size_t i = 0; i < statement.n_inh_relations; ++i) {
        if (const Table* parent = schema.find(*statement.inh_relations[i]->range_var)) {
            table.columns = parent->columns;
            if (statement.partbound != nullptr) {
                table.indexes = parent->indexes;
            }
        }
    }
    for (std::size_t i = 0; i < statement.n_table_elts; ++i) {
        const sql::Node& element = *statement.table_elts[i];
        if (element.node_case == PG_QUERY__NODE__NODE_COLUMN_DEF) {
            add_column(table, *element.column_def, place);
        } else if (element.node_case == PG_QUERY__NODE__NODE_CONSTRAINT) {
            add_constraint(table, *element.constraint, "", place);
        } else if (element.node_case == PG_QUERY__NODE__NODE_TABLE_LIKE_CLAUSE) {
            const Table* model = schema.find(*element.table_like_clause->relation);
            if (model != nullptr) {
                table.columns.insert(table.columns.end(), model->columns.begin(),
                                     model->columns.end());
            }
        }
    }
}

// "c" of `c IS NOT NULL`; "" of anything else.
std::string_view column_not_null(const sql::Node* where) {
    const bool tested = where != nullptr && where->node_case == PG_QUERY__NODE__NODE_NULL_TEST &&
                        where->null_test->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NOT_NULL &&
                        where->null_test->arg != nullptr &&
                        where->null_test->arg->node_case == PG_QUERY__NODE__NODE_COLUMN_REF;
    if (!tested) {
        return {};
    }
    const PgQuery__ColumnRef& column = *where->null_test->arg->column_ref;
    return column.n_fields == 0 ? std::string_view()
                                : sql::string_value(column.fields[column.n_fields - 1]);
}

bool compares_bytes(const PgQuery__IndexElem& element) {
    const bool operators =
        element.n_opclass > 0 &&
        sql::string_value(element.opclass[element.n_opclass - 1]).ends_with("_pattern_ops");
    const bool collation =
        element.n_collation > 0 &&
        is_c_collation(sql::string_value(element.collation[element.n_collation - 1]));
    return operators || collation;
}

void create_index(Schema& schema, const PgQuery__IndexStmt& statement) {
    Table& table = schema.at(name_of(statement.relation));
    Index index{.name = std::string(text_or(statement.idxname)),
                .unique = statement.unique != 0,
                .partial = statement.where_clause != nullptr};
    const std::string_view not_null = column_not_null(statement.where_clause);
    if (!text_or(statement.access_method).empty()) {
        index.method = statement.access_method;
    }
    for (std::size_t i = 0; i < statement.n_index_params; ++i) {
        const PgQuery__IndexElem& element = *statement.index_params[i]->index_elem;
        for (std::size_t n = 0; n < element.n_opclass; ++n) {
            index.trigram = index.trigram || sql::string_value(element.opclass[n]).find("trgm") !=
                                                 std::string_view::npos;
        }
        index.pattern = index.pattern || (i == 0 && compares_bytes(element));
        index.keys.push_back({.column = std::string(text_or(element.name)),
                              .expression = expression_key(element.expr)});
        // Whoever compares the column leaves NULL out: WHERE c IS NOT NULL keeps nothing from them.
        if (!not_null.empty() && index.keys.back().column == not_null) {
            index.partial = false;
        }
    }
    table.indexes.push_back(std::move(index));
}

void alter_table(Schema& schema, const PgQuery__AlterTableStmt& statement,
                 const StatementPlace& place) {
    if (statement.relation == nullptr || statement.objtype != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE) {
        return;
    }
    Table& table = schema.at(name_of(statement.relation));
    for (std::size_t i = 0; i < statement.n_cmds; ++i) {
        if (statement.cmds[i]->node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_CMD) {
            continue;
        }
        const PgQuery__AlterTableCmd& command = *statement.cmds[i]->alter_table_cmd;
        const std::string_view name = text_or(command.name);
        const auto column = std::ranges::find(table.columns, name, &Column::name);
        switch (command.subtype) {
            case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
                add_column(table, *command.def->column_def, place);
                break;
            case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
                add_constraint(table, *command.def->constraint, "", place);
                break;
            case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
                std::erase_if(table.columns, [&](const Column& c) { return c.name == name; });
                std::erase_if(table.indexes, [&](const Index& index) {
                    return std::ranges::find(index.keys, name, &IndexKey::column) !=
                           index.keys.end();
                });
                std::erase_if(table.foreign_keys, [&](const ForeignKey& key) {
                    return std::ranges::find(key.columns, name) != key.columns.end();
                });
                break;
            case PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint:
                std::erase_if(table.indexes, [&](const Index& x) { return x.name == name; });
                break;
            case PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull:
            case PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull:
                if (column != table.columns.end()) {
                    column->not_null = command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull;
                }
                break;
            case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
                if (column != table.columns.end()) {
                    column->type = class_of(command.def->column_def->type_name);
                }
                break;
            default:
                break;
        }
    }
}

void drop(Schema& schema, const PgQuery__DropStmt& statement) {
    for (std::size_t i = 0; i < statement.n_objects; ++i) {
        if (statement.objects[i]->node_case != PG_QUERY__NODE__NODE_LIST) {
            continue;
        }
        const PgQuery__List& list = *statement.objects[i]->list;
        const std::string name = name_of_list(list.n_items, list.items);
        if (statement.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE ||
            statement.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW) {
            schema.remove(name);
        } else if (statement.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX) {
            const std::string last = names_of(list.n_items, list.items).back();
            for (auto& [unused, table] : schema.tables()) {
                std::erase_if(table.indexes, [&](const Index& x) { return x.name == last; });
            }
        }
    }
}

void rename(Schema& schema, const PgQuery__RenameStmt& statement) {
    if (statement.relation == nullptr) {
        return;
    }
    const std::string from = name_of(statement.relation);
    if (statement.rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE) {
        schema.rename(from, canonical_name(text_or(statement.relation->schemaname),
                                           text_or(statement.newname)));
        return;
    }
    if (statement.rename_type != PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN ||
        schema.find(from) == nullptr) {
        return;
    }
    Table& table = schema.at(from);
    const std::string_view old = text_or(statement.subname);
    const std::string now(text_or(statement.newname));
    for (Column& column : table.columns) {
        if (column.name == old) {
            column.name = column.field = now;
        }
    }
    for (Index& index : table.indexes) {
        for (IndexKey& key : index.keys) {
            key.column = key.column == old ? now : key.column;
        }
    }
    for (ForeignKey& key : table.foreign_keys) {
        std::ranges::replace(key.columns, std::string(old), now);
    }
}

}  // namespace

void apply_ddl(Schema& schema, const sql::Node& node, const StatementPlace& place) {
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_CREATE_STMT:
            create_table(schema, *node.create_stmt, place);
            break;
        case PG_QUERY__NODE__NODE_INDEX_STMT:
            create_index(schema, *node.index_stmt);
            break;
        case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
            alter_table(schema, *node.alter_table_stmt, place);
            break;
        case PG_QUERY__NODE__NODE_VIEW_STMT:
            schema.at(name_of(node.view_stmt->view)).view = true;
            break;
        case PG_QUERY__NODE__NODE_DROP_STMT:
            drop(schema, *node.drop_stmt);
            break;
        case PG_QUERY__NODE__NODE_RENAME_STMT:
            rename(schema, *node.rename_stmt);
            break;
        default:
            break;
    }
}

}  // namespace howdah::insight
