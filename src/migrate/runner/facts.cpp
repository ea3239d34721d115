#include "migrate/runner/facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "pg/connection.hpp"
#include "sql/tokens.hpp"
#include "sql/tree.hpp"

namespace howdah::migrate::runner {
namespace {

std::string relation_name(const PgQuery__RangeVar* relation) {
    if (relation == nullptr || relation->relname == nullptr) {
        return {};
    }
    const std::string name = pg::quoted_name(relation->relname);
    const bool qualified = relation->schemaname != nullptr && *relation->schemaname != '\0';
    return qualified ? pg::quoted_name(relation->schemaname) + "." + name : name;
}

// A dotted name given as a list of strings.
std::string list_name(PgQuery__Node* const* parts, std::size_t count) {
    std::string name;
    for (std::size_t i = 0; i < count; ++i) {
        name += (i == 0 ? "" : ".") + pg::quoted_name(sql::string_value(parts[i]));
    }
    return name;
}

std::string object_name(const PgQuery__Node* object) {
    switch (object->node_case) {
        case PG_QUERY__NODE__NODE_LIST:
            return list_name(object->list->items, object->list->n_items);
        case PG_QUERY__NODE__NODE_TYPE_NAME:
            return list_name(object->type_name->names, object->type_name->n_names);
        default:
            return pg::quoted_name(sql::string_value(object));
    }
}

bool has_option(PgQuery__Node* const* options, std::size_t count, std::string_view name) {
    return std::any_of(options, options + count, [&](const PgQuery__Node* option) {
        return option->node_case == PG_QUERY__NODE__NODE_DEF_ELEM &&
               option->def_elem->defname == name;
    });
}

void want(Facts& facts, std::string relation, LockMode mode) {
    if (!relation.empty()) {
        facts.locks.push_back({.relation = std::move(relation), .mode = mode});
    }
}

Control control_of(const PgQuery__TransactionStmt& statement) {
    switch (statement.kind) {
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
            return Control::kBegin;
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
            return Control::kCommit;
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
            return Control::kSavepoint;
        default:
            return Control::kRollback;
    }
}

void read_index(Facts& facts, const PgQuery__IndexStmt& statement) {
    Change change{.kind = ChangeKind::kCreateIndex,
                  .relation = relation_name(statement.relation),
                  .name = {},
                  .concurrently = statement.concurrent != 0,
                  .if_exists = statement.if_not_exists != 0};
    if (statement.idxname != nullptr && *statement.idxname != '\0') {
        const bool qualified =
            statement.relation->schemaname != nullptr && *statement.relation->schemaname != '\0';
        change.name = (qualified ? pg::quoted_name(statement.relation->schemaname) + "." : "") +
                      pg::quoted_name(statement.idxname);
    }
    facts.own_transaction = change.concurrently;
    want(facts, change.relation,
         change.concurrently ? LockMode::kShareUpdateExclusive : LockMode::kShare);
    facts.changes.push_back(std::move(change));
}

void read_drop(Facts& facts, const PgQuery__DropStmt& statement) {
    for (std::size_t i = 0; i < statement.n_objects; ++i) {
        Change change{.kind = ChangeKind::kOther,
                      .relation = object_name(statement.objects[i]),
                      .name = {},
                      .concurrently = statement.concurrent != 0,
                      .if_exists = statement.missing_ok != 0};
        if (statement.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX) {
            change.kind = ChangeKind::kDropIndex;
            change.name = change.relation;
            want(
                facts, change.relation,
                change.concurrently ? LockMode::kShareUpdateExclusive : LockMode::kAccessExclusive);
        } else if (statement.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE) {
            change.kind = ChangeKind::kDropTable;
            want(facts, change.relation, LockMode::kAccessExclusive);
        } else if (statement.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA) {
            change.kind = ChangeKind::kDropSchema;
        }
        facts.own_transaction |= change.concurrently;
        facts.changes.push_back(std::move(change));
    }
}

// Modes of AlterTableGetLockLevel (PostgreSQL 15) for the forms that take less than the strongest.
LockMode alter_mode(const PgQuery__AlterTableCmd& command) {
    switch (command.subtype) {
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStatistics:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetOptions:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ResetOptions:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ClusterOn:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropCluster:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ValidateConstraint:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetRelOptions:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition:
            return LockMode::kShareUpdateExclusive;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_EnableTrig:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_EnableAlwaysTrig:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_EnableReplicaTrig:
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DisableTrig:
            return LockMode::kShareRowExclusive;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint: {
            const bool foreign =
                command.def != nullptr &&
                command.def->node_case == PG_QUERY__NODE__NODE_CONSTRAINT &&
                command.def->constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN;
            return foreign ? LockMode::kShareRowExclusive : LockMode::kAccessExclusive;
        }
        default:
            return LockMode::kAccessExclusive;
    }
}

ChangeKind alter_kind(PgQuery__AlterTableType type) {
    switch (type) {
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
            return ChangeKind::kAddColumn;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
            return ChangeKind::kDropColumn;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
            return ChangeKind::kAddConstraint;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_ValidateConstraint:
            return ChangeKind::kValidate;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStatistics:
            return ChangeKind::kSafe;
        default:
            return ChangeKind::kOther;
    }
}

void read_alter_command(Facts& facts, const std::string& table,
                        const PgQuery__AlterTableCmd& command) {
    Change change{.kind = alter_kind(command.subtype),
                  .relation = table,
                  .name = command.name != nullptr ? command.name : "",
                  .concurrently = false,
                  .if_exists = command.missing_ok != 0};
    const PgQuery__Node* def = command.def;
    if (def != nullptr && def->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF &&
        change.kind == ChangeKind::kAddColumn) {
        change.name = def->column_def->colname;
    } else if (def != nullptr && def->node_case == PG_QUERY__NODE__NODE_CONSTRAINT) {
        change.name = def->constraint->conname != nullptr ? def->constraint->conname : "";
        const char* index = def->constraint->indexname;
        change.takes_index = index != nullptr && *index != 0 ? pg::quoted_name(index) : "";
        want(facts, relation_name(def->constraint->pktable), LockMode::kShareRowExclusive);
    } else if (def != nullptr && def->node_case == PG_QUERY__NODE__NODE_PARTITION_CMD) {
        change.name = relation_name(def->partition_cmd->name);
        if (def->partition_cmd->concurrent != 0) {
            change.kind = ChangeKind::kDetachConcurrently;
            facts.own_transaction = change.concurrently = true;
        }
    }
    want(facts, table, change.concurrently ? LockMode::kShareUpdateExclusive : alter_mode(command));
    facts.changes.push_back(std::move(change));
}

void read_alter_table(Facts& facts, const PgQuery__AlterTableStmt& statement) {
    const std::string table = relation_name(statement.relation);
    for (std::size_t i = 0; i < statement.n_cmds; ++i) {
        if (statement.cmds[i]->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD) {
            read_alter_command(facts, table, *statement.cmds[i]->alter_table_cmd);
        }
    }
}

void read_create_table(Facts& facts, const PgQuery__CreateStmt& statement) {
    facts.changes.push_back({.kind = ChangeKind::kCreateTable,
                             .relation = relation_name(statement.relation),
                             .name = {},
                             .concurrently = false,
                             .if_exists = statement.if_not_exists != 0});
    // Foreign keys lock what they point at; a partition its parent.
    const auto reference = [&](const PgQuery__Node& node) {
        if (node.node_case == PG_QUERY__NODE__NODE_CONSTRAINT &&
            node.constraint->pktable != nullptr) {
            want(facts, relation_name(node.constraint->pktable), LockMode::kShareRowExclusive);
        }
    };
    sql::visit(statement.base, reference);
    for (std::size_t i = 0; statement.partbound != nullptr && i < statement.n_inh_relations; ++i) {
        want(facts, relation_name(statement.inh_relations[i]->range_var),
             LockMode::kAccessExclusive);
    }
}

void read_reindex(Facts& facts, const PgQuery__ReindexStmt& statement) {
    Change change{.kind = ChangeKind::kReindex,
                  .relation = relation_name(statement.relation),
                  .name = {},
                  .concurrently = has_option(statement.params, statement.n_params, "concurrently"),
                  .if_exists = false};
    facts.own_transaction =
        change.concurrently || statement.kind > PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_TABLE;
    want(facts, change.relation,
         change.concurrently ? LockMode::kShareUpdateExclusive : LockMode::kShare);
    facts.changes.push_back(std::move(change));
}

void simple(Facts& facts, ChangeKind kind, std::string relation, bool if_exists = false) {
    facts.changes.push_back({.kind = kind,
                             .relation = std::move(relation),
                             .name = {},
                             .concurrently = false,
                             .if_exists = if_exists});
}

void read_enum(Facts& facts, const PgQuery__AlterEnumStmt& statement) {
    const bool adds = statement.old_val == nullptr || *statement.old_val == '\0';
    facts.apart = adds;
    facts.changes.push_back({.kind = adds ? ChangeKind::kAddEnumValue : ChangeKind::kOther,
                             .relation = list_name(statement.type_name, statement.n_type_name),
                             .name = statement.new_val != nullptr ? statement.new_val : "",
                             .concurrently = false,
                             .if_exists = statement.skip_if_new_val_exists != 0});
}

bool read_data(Facts& facts, const PgQuery__Node& node) {
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_INSERT_STMT: {
            // Its WITH may write to other tables.
            const bool alone = node.insert_stmt->with_clause == nullptr;
            simple(facts, ChangeKind::kOther,
                   alone ? relation_name(node.insert_stmt->relation) : std::string());
            return true;
        }
        case PG_QUERY__NODE__NODE_UPDATE_STMT:
            simple(facts, ChangeKind::kUpdate, relation_name(node.update_stmt->relation));
            return true;
        case PG_QUERY__NODE__NODE_DELETE_STMT:
            simple(facts, ChangeKind::kDelete, relation_name(node.delete_stmt->relation));
            return true;
        case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
            for (std::size_t i = 0; i < node.truncate_stmt->n_relations; ++i) {
                const std::string table =
                    relation_name(node.truncate_stmt->relations[i]->range_var);
                simple(facts, ChangeKind::kTruncate, table);
                want(facts, table, LockMode::kAccessExclusive);
            }
            return true;
        case PG_QUERY__NODE__NODE_COPY_STMT:
            facts.copies_stdin =
                node.copy_stmt->is_from != 0 &&
                (node.copy_stmt->filename == nullptr || *node.copy_stmt->filename == '\0');
            simple(facts, ChangeKind::kOther, relation_name(node.copy_stmt->relation));
            return true;
        default:
            return false;
    }
}

bool read_create(Facts& facts, const PgQuery__Node& node) {
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_CREATE_STMT:
            read_create_table(facts, *node.create_stmt);
            break;
        case PG_QUERY__NODE__NODE_INDEX_STMT:
            read_index(facts, *node.index_stmt);
            break;
        case PG_QUERY__NODE__NODE_VIEW_STMT:
            simple(facts, ChangeKind::kCreateView, relation_name(node.view_stmt->view),
                   node.view_stmt->replace != 0);
            break;
        case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
            simple(facts, ChangeKind::kCreateSequence,
                   relation_name(node.create_seq_stmt->sequence),
                   node.create_seq_stmt->if_not_exists != 0);
            break;
        case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
            simple(facts, ChangeKind::kCreateType,
                   list_name(node.create_enum_stmt->type_name, node.create_enum_stmt->n_type_name));
            break;
        case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
            simple(facts, ChangeKind::kCreateSchema,
                   pg::quoted_name(node.create_schema_stmt->schemaname),
                   node.create_schema_stmt->if_not_exists != 0);
            break;
        default:
            return false;
    }
    return true;
}

std::string constant_text(const PgQuery__Node* node) {
    const bool text = node != nullptr && node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
                      node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL;
    return text && node->a_const->sval->sval != nullptr ? node->a_const->sval->sval : "";
}

// SET name = ... (not LOCAL, which ends with its transaction; search_path is told all the same).
void read_setting(Facts& facts, const PgQuery__VariableSetStmt& statement) {
    const std::string name = statement.name != nullptr ? statement.name : "";
    const bool multi = statement.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI;
    facts.sets = multi || statement.is_local != 0 ? "" : name;
    if (name == "search_path") {
        for (std::size_t i = 0; i < statement.n_args; ++i) {
            facts.sets_to +=
                (i == 0 ? "" : ", ") + pg::quoted_name(constant_text(statement.args[i]));
        }
    }
    simple(facts, ChangeKind::kSafe, {});
}

// SELECT set_config('name', 'value', false)
void read_select(Facts& facts, const PgQuery__SelectStmt& statement) {
    simple(facts, ChangeKind::kSafe, {});
    for (std::size_t i = 0; i < statement.n_target_list; ++i) {
        const PgQuery__Node* target = statement.target_list[i];
        const PgQuery__Node* value = target->node_case == PG_QUERY__NODE__NODE_RES_TARGET
                                         ? target->res_target->val
                                         : nullptr;
        if (value == nullptr || value->node_case != PG_QUERY__NODE__NODE_FUNC_CALL ||
            value->func_call->n_funcname == 0 || value->func_call->n_args != 3 ||
            sql::string_value(value->func_call->funcname[value->func_call->n_funcname - 1]) !=
                "set_config") {
            continue;
        }
        facts.sets = constant_text(value->func_call->args[0]);
        if (facts.sets == "search_path") {
            const std::string path = constant_text(value->func_call->args[1]);
            facts.sets_to = path.empty() ? "\"\"" : path;
        }
    }
}

void read_other(Facts& facts, const PgQuery__Node& node) {
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
            return read_alter_table(facts, *node.alter_table_stmt);
        case PG_QUERY__NODE__NODE_DROP_STMT:
            return read_drop(facts, *node.drop_stmt);
        case PG_QUERY__NODE__NODE_REINDEX_STMT:
            return read_reindex(facts, *node.reindex_stmt);
        case PG_QUERY__NODE__NODE_ALTER_ENUM_STMT:
            return read_enum(facts, *node.alter_enum_stmt);
        case PG_QUERY__NODE__NODE_VACUUM_STMT:
            facts.own_transaction = node.vacuum_stmt->is_vacuumcmd != 0;
            return simple(facts, ChangeKind::kSafe, {});
        case PG_QUERY__NODE__NODE_CLUSTER_STMT:
            facts.own_transaction = node.cluster_stmt->relation == nullptr;
            want(facts, relation_name(node.cluster_stmt->relation), LockMode::kAccessExclusive);
            return simple(facts, ChangeKind::kSafe, {});
        case PG_QUERY__NODE__NODE_CREATEDB_STMT:
        case PG_QUERY__NODE__NODE_DROPDB_STMT:
        case PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT:
        case PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT:
        case PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT:
        case PG_QUERY__NODE__NODE_CREATE_SUBSCRIPTION_STMT:
        case PG_QUERY__NODE__NODE_DROP_SUBSCRIPTION_STMT:
            facts.own_transaction = true;
            return simple(facts, ChangeKind::kOther, {});
        case PG_QUERY__NODE__NODE_RENAME_STMT:
            want(facts, relation_name(node.rename_stmt->relation), LockMode::kAccessExclusive);
            // A table that has another name is not undone with the one that the file makes.
            return simple(facts, ChangeKind::kOther,
                          node.rename_stmt->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE
                              ? std::string()
                              : relation_name(node.rename_stmt->relation));
        case PG_QUERY__NODE__NODE_CREATE_TRIG_STMT:
            want(facts, relation_name(node.create_trig_stmt->relation),
                 LockMode::kShareRowExclusive);
            return simple(facts, ChangeKind::kOther,
                          relation_name(node.create_trig_stmt->relation));
        case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT:
            want(facts, relation_name(node.refresh_mat_view_stmt->relation),
                 node.refresh_mat_view_stmt->concurrent != 0 ? LockMode::kExclusive
                                                             : LockMode::kAccessExclusive);
            return simple(facts, ChangeKind::kSafe, {});
        case PG_QUERY__NODE__NODE_SELECT_STMT:
            return read_select(facts, *node.select_stmt);
        case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
            return read_setting(facts, *node.variable_set_stmt);
        case PG_QUERY__NODE__NODE_COMMENT_STMT:
            return simple(facts, ChangeKind::kSafe, {});
        default:
            return simple(facts, ChangeKind::kOther, {});
    }
}

// The first words decide where the parser does not know the statement.
void guess(Facts& facts, std::string_view statement) {
    sql::Lexer lexer(statement);
    std::string words;
    bool concurrently = false;
    for (int i = 0; i < 8; ++i) {
        const sql::Token token = lexer.next_code();
        if (token.kind != sql::TokenKind::kWord) {
            break;
        }
        std::string word(token.in(statement));
        std::ranges::transform(word, word.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        concurrently |= word == "concurrently";
        words += word + " ";
    }
    facts.own_transaction =
        concurrently || words.starts_with("vacuum ") || words.starts_with("alter system ") ||
        words.starts_with("create database ") || words.starts_with("drop database ");
    simple(facts, ChangeKind::kOther, {});
}

}  // namespace

std::string_view conflicting_modes(LockMode mode) {
    // PostgreSQL manual, table 13.2.
    switch (mode) {
        case LockMode::kShareUpdateExclusive:
            return "{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,"
                   "AccessExclusiveLock}";
        case LockMode::kShare:
            return "{RowExclusiveLock,ShareUpdateExclusiveLock,ShareRowExclusiveLock,ExclusiveLock,"
                   "AccessExclusiveLock}";
        case LockMode::kShareRowExclusive:
            return "{RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,"
                   "ExclusiveLock,AccessExclusiveLock}";
        case LockMode::kExclusive:
            return "{RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,"
                   "ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}";
        case LockMode::kAccessExclusive:
            break;
    }
    return "{AccessShareLock,RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,"
           "ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}";
}

Facts facts_of(std::string_view statement) {
    Facts facts;
    const auto tree = sql::Tree::parse(statement);
    facts.parsed = tree.has_value();
    if (!tree || tree->first() == nullptr) {
        guess(facts, statement);
        return facts;
    }
    const PgQuery__Node& node = *tree->first();
    if (node.node_case == PG_QUERY__NODE__NODE_TRANSACTION_STMT) {
        facts.control = control_of(*node.transaction_stmt);
        return facts;
    }
    if (!read_create(facts, node) && !read_data(facts, node)) {
        read_other(facts, node);
    }
    return facts;
}

std::string without_literals(std::string_view statement, std::size_t size_max) {
    std::string text;
    sql::Lexer lexer(statement);
    std::size_t before = 0;
    for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next()) {
        if (token.kind == sql::TokenKind::kComment) {
            continue;
        }
        if (!text.empty() && token.begin > before) {
            text += ' ';
        }
        before = token.end;
        const bool literal =
            token.kind == sql::TokenKind::kString || token.kind == sql::TokenKind::kNumber;
        text += literal ? std::string_view("?") : token.in(statement);
        if (text.size() > size_max) {
            text.resize(size_max);
            return text + "...";
        }
    }
    return text;
}

}  // namespace howdah::migrate::runner
