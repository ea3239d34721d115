#include "sql/facts_walker.hpp"

#include <algorithm>
#include <limits>

#include "sql/builtins.hpp"
#include "sql/shape.hpp"

namespace howdah::sql {
namespace {

constexpr std::string_view kTemporary = "t";

template <typename T>
const T& as(const ProtobufCMessage* message) {
    return *reinterpret_cast<const T*>(message);
}

template <typename T>
T member(const ProtobufCMessage* message, unsigned offset) {
    return *reinterpret_cast<const T*>(reinterpret_cast<const char*>(message) + offset);
}

// PgQuery__Node is a union of pointers, each to a message that knows its own type.
const ProtobufCMessage* content(const Node* node) {
    if (node == nullptr || node->node_case == PG_QUERY__NODE__NODE__NOT_SET) {
        return nullptr;
    }
    return reinterpret_cast<const ProtobufCMessage*>(node->alias);
}

// A built-in's bare name; "" for any other function.
std::string_view builtin_name(const Name& function) {
    return function.schema.empty() || function.schema == "pg_catalog" ? function.name
                                                                      : std::string_view();
}

Name last_two(std::size_t count, Node* const* parts) {
    Name name;
    if (count > 0) {
        name.name = string_value(parts[count - 1]);
    }
    if (count > 1) {
        name.schema = string_value(parts[count - 2]);
    }
    return name;
}

// set_config(name, value, is_local): which of the two it does.
std::uint32_t set_config_effects(const PgQuery__FuncCall& call) {
    constexpr std::size_t kIsLocal = 2;
    if (call.n_args == 3 && call.args[kIsLocal]->node_case == PG_QUERY__NODE__NODE_A_CONST) {
        const PgQuery__AConst& constant = *call.args[kIsLocal]->a_const;
        if (constant.val_case == PG_QUERY__A__CONST__VAL_BOOLVAL) {
            return constant.boolval->boolval != 0 ? kSetLocal : kSetSession;
        }
    }
    return kSetLocal | kSetSession;
}

std::uint32_t set_effects(const PgQuery__VariableSetStmt& set) {
    const std::string_view name = set.name;
    // These last as long as the transaction, however they are set.
    const bool of_transaction = name == "transaction_isolation" ||
                                name == "transaction_read_only" || name == "transaction_deferrable";
    if (set.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI) {
        return name == "SESSION CHARACTERISTICS" ? kSetSession : kSetLocal;
    }
    return set.is_local != 0 || of_transaction ? kSetLocal : kSetSession;
}

// Whether a statement's own relation is the one that it writes.
bool modifies(const ProtobufCMessage* message) {
    const ProtobufCMessageDescriptor* type = message->descriptor;
    return type == &pg_query__insert_stmt__descriptor ||
           type == &pg_query__update_stmt__descriptor ||
           type == &pg_query__delete_stmt__descriptor ||
           type == &pg_query__merge_stmt__descriptor ||
           (type == &pg_query__copy_stmt__descriptor &&
            as<PgQuery__CopyStmt>(message).is_from != 0);
}

std::uint32_t transaction_effects(const PgQuery__TransactionStmt& transaction) {
    const std::uint32_t chain = transaction.chain != 0 ? kBegin : kEffectNone;
    switch (transaction.kind) {
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
            return kBegin;
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
            return kCommit | chain;
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
            return kRollback | chain;
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
            return kSavepoint;
        case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE:
            return kPrepareTransaction;
        default:
            return kWrite;  // COMMIT PREPARED, ROLLBACK PREPARED
    }
}

}  // namespace

std::uint32_t FactsWalker::statement(const Node* node) {
    found_ = 0;
    on_commit_drop_ = false;
    relations_written_ = false;
    kind_ = StatementKind::kOther;
    if (node == nullptr) {
        return kUnknownCode | kWrite;
    }
    return by_kind(*node);
}

void FactsWalker::move_to(Statement& statement) {
    statement.deferred_effects = deferred_;
    statement.clock_literal = clock_literal_;
    statement.has_list = has_list_;
    statement.params_max = params_max_;
    statement.tables_read = std::move(tables_read_);
    statement.tables_written = std::move(tables_written_);
    statement.functions = std::move(functions_);
}

std::uint32_t FactsWalker::by_kind(const Node& node) {
    const auto plain = [&](StatementKind kind, std::uint32_t effects) {
        kind_ = kind;
        walk_node(&node);
        return effects | found_;
    };
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_SELECT_STMT:
            return select(*node.select_stmt);
        case PG_QUERY__NODE__NODE_INSERT_STMT:
            return plain(StatementKind::kInsert, kWrite);
        case PG_QUERY__NODE__NODE_UPDATE_STMT:
            return plain(StatementKind::kUpdate, kWrite);
        case PG_QUERY__NODE__NODE_DELETE_STMT:
            return plain(StatementKind::kDelete, kWrite);
        case PG_QUERY__NODE__NODE_MERGE_STMT:
            return plain(StatementKind::kMerge, kWrite);
        case PG_QUERY__NODE__NODE_COPY_STMT:
            return copy(*node.copy_stmt);
        case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
            return explain(*node.explain_stmt);
        case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
            return plain(StatementKind::kShow, kReadOnly);
        case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
            return plain(StatementKind::kSet, set_effects(*node.variable_set_stmt));
        case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
            return plain(StatementKind::kSet, kSetLocal);
        case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
            return plain(StatementKind::kTransaction, transaction_effects(*node.transaction_stmt));
        case PG_QUERY__NODE__NODE_PREPARE_STMT:
            return prepare(*node.prepare_stmt);
        case PG_QUERY__NODE__NODE_EXECUTE_STMT:
            return plain(StatementKind::kPrepared, kSqlExecute);
        case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
            return plain(StatementKind::kPrepared,
                         kMayClean | (*node.deallocate_stmt->name == '\0' ? kSqlDeallocateAll
                                                                          : kSqlDeallocate));
        case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
            return declare_cursor(*node.declare_cursor_stmt);
        case PG_QUERY__NODE__NODE_FETCH_STMT:
            return plain(StatementKind::kCursor, kEffectNone);
        case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
            return plain(StatementKind::kCursor, kMayClean);
        case PG_QUERY__NODE__NODE_LISTEN_STMT:
            return plain(StatementKind::kOther, kListen);
        case PG_QUERY__NODE__NODE_UNLISTEN_STMT:
            return plain(StatementKind::kOther, kUnlisten | kMayClean);
        case PG_QUERY__NODE__NODE_NOTIFY_STMT:
            return plain(StatementKind::kOther, kNotify);
        case PG_QUERY__NODE__NODE_DISCARD_STMT:
            return plain(
                StatementKind::kOther,
                kMayClean | (node.discard_stmt->target == PG_QUERY__DISCARD_MODE__DISCARD_ALL
                                 ? kDiscardAll
                                 : kDiscardOther));
        case PG_QUERY__NODE__NODE_LOCK_STMT:
            return plain(StatementKind::kOther, kRowLock);
        case PG_QUERY__NODE__NODE_DO_STMT:
            // The code is a literal, so it is all that tells one DO from another.
            literals_decide_ = true;
            inline_code_ = true;
            return plain(StatementKind::kOther, kUnknownCode | kWrite);
        case PG_QUERY__NODE__NODE_CALL_STMT:
        case PG_QUERY__NODE__NODE_LOAD_STMT:
            return plain(StatementKind::kOther, kUnknownCode | kWrite);
        default:
            return ddl(node);
    }
}

std::uint32_t FactsWalker::ddl(const Node& node) {
    relations_written_ = true;
    std::uint32_t effects = kWrite;
    kind_ = StatementKind::kDdl;
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
        case PG_QUERY__NODE__NODE_VACUUM_STMT:
        case PG_QUERY__NODE__NODE_CLUSTER_STMT:
        case PG_QUERY__NODE__NODE_REINDEX_STMT:
        case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
        case PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT:
        case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT:
            kind_ = StatementKind::kOther;
            break;
        case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
            effects |= create_table_as(*node.create_table_as_stmt);
            break;
        case PG_QUERY__NODE__NODE_CREATE_STMT:
            effects |= kDdl;
            on_commit_drop_ =
                node.create_stmt->oncommit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP;
            break;
        case PG_QUERY__NODE__NODE_DROP_STMT:
            effects |= drop(*node.drop_stmt);
            break;
        case PG_QUERY__NODE__NODE_DROP_OWNED_STMT:
            effects |= kDdl | kMayClean;
            break;
        case PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT:
        case PG_QUERY__NODE__NODE_ALTER_EXTENSION_STMT:
            effects |= kDdl | kUnknownCode;  // run a script of somebody's
            break;
        default:
            effects |= kDdl;
            break;
    }
    walk_node(&node);
    return effects | found_;
}

std::uint32_t FactsWalker::select(const PgQuery__SelectStmt& select) {
    kind_ = StatementKind::kSelect;
    walk(&select.base);
    // Nothing was found that is more than a read.
    return found_ == 0 ? kReadOnly : found_;
}

std::uint32_t FactsWalker::explain(const PgQuery__ExplainStmt& explain) {
    bool analyze = false;
    for (std::size_t i = 0; i < explain.n_options; ++i) {
        if (explain.options[i]->node_case != PG_QUERY__NODE__NODE_DEF_ELEM) {
            continue;
        }
        const PgQuery__DefElem& option = *explain.options[i]->def_elem;
        if (std::string_view(option.defname) != "analyze") {
            continue;
        }
        bool off = false;
        if (option.arg != nullptr) {
            literals_decide_ = true;
            const std::string_view value = string_value(option.arg);
            off = value == "false" || value == "off" ||
                  (option.arg->node_case == PG_QUERY__NODE__NODE_INTEGER &&
                   option.arg->integer->ival == 0);
        }
        analyze = analyze || !off;
    }
    const std::size_t written_before = tables_written_.size();
    std::uint32_t effects = explain.query == nullptr ? kUnknownCode : by_kind(*explain.query);
    kind_ = StatementKind::kExplain;
    if (analyze) {
        return effects;
    }
    // Only planned: what it would write it reads (and locks as a writer). Planning may evaluate
    // functions that call themselves immutable.
    tables_read_.insert(tables_read_.end(),
                        tables_written_.begin() + static_cast<std::ptrdiff_t>(written_before),
                        tables_written_.end());
    tables_written_.resize(written_before);
    effects &= kReadOnly | kUnknownCode | kSqlExecute | kUnparsed;
    return effects;
}

std::uint32_t FactsWalker::copy(const PgQuery__CopyStmt& copy) {
    kind_ = StatementKind::kCopy;
    const bool through_client = *copy.filename == '\0' && copy.is_program == 0;
    if (copy.is_from != 0) {
        walk(&copy.base);
        return found_ | kWrite | (through_client ? kCopyIn : kEffectNone);
    }
    walk(&copy.base);
    if (!through_client) {
        return found_ | kWrite;
    }
    return kCopyOut | (found_ == 0 ? kReadOnly : found_);
}

std::uint32_t FactsWalker::create_table_as(const PgQuery__CreateTableAsStmt& create) {
    on_commit_drop_ = create.into != nullptr &&
                      create.into->on_commit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP;
    const bool executes =
        create.query != nullptr && create.query->node_case == PG_QUERY__NODE__NODE_EXECUTE_STMT;
    return kDdl | (executes ? kSqlExecute : kEffectNone);
}

std::uint32_t FactsWalker::declare_cursor(const PgQuery__DeclareCursorStmt& declare) {
    constexpr std::int32_t kCursorHold = 0x0020;  // CURSOR_OPT_HOLD, nodes/parsenodes.h
    kind_ = StatementKind::kCursor;
    walk(&declare.base);
    return found_ | ((declare.options & kCursorHold) != 0 ? kHoldCursor : kEffectNone);
}

std::uint32_t FactsWalker::prepare(const PgQuery__PrepareStmt& prepare) {
    deferred_ |= prepare.query == nullptr ? kUnknownCode : by_kind(*prepare.query);
    kind_ = StatementKind::kPrepared;
    return kSqlPrepare | (found_ & kTempObject);
}

std::uint32_t FactsWalker::drop(const PgQuery__DropStmt& drop) {
    switch (drop.remove_type) {
        case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
        case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
        case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
        case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
        case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
        case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
            for (std::size_t i = 0; i < drop.n_objects; ++i) {
                if (drop.objects[i]->node_case == PG_QUERY__NODE__NODE_LIST) {
                    const PgQuery__List& list = *drop.objects[i]->list;
                    tables_written_.push_back(last_two(list.n_items, list.items));
                }
            }
            break;
        default:
            break;
    }
    return kDdl | kMayClean;
}

void FactsWalker::walk_node(const Node* node) {
    if (const ProtobufCMessage* message = content(node); message != nullptr) {
        walk(message);
    }
}

void FactsWalker::walk(const ProtobufCMessage* message) {
    if (message->descriptor == &pg_query__node__descriptor) {
        walk_node(reinterpret_cast<const Node*>(message));
        return;
    }
    const std::size_t common_tables = common_tables_.size();
    const bool written = relations_written_;
    visit(message);
    walk_fields(message);
    relations_written_ = written;
    if (message->descriptor == &pg_query__common_table_expr__descriptor) {
        common_tables_.resize(common_tables);
        common_tables_.emplace_back(as<PgQuery__CommonTableExpr>(message).ctename);
    } else if (message->descriptor != &pg_query__with_clause__descriptor) {
        common_tables_.resize(common_tables);
    }
}

// The WITH clause first: its names are known to the rest of the statement, and to each later query
// of the clause (with RECURSIVE, to all of them).
void FactsWalker::walk_fields(const ProtobufCMessage* message) {
    const ProtobufCMessageDescriptor& type = *message->descriptor;
    for (unsigned i = 0; i < type.n_fields; ++i) {
        if (type.fields[i].descriptor == &pg_query__with_clause__descriptor) {
            walk_field(message, type.fields[i]);
        }
    }
    for (unsigned i = 0; i < type.n_fields; ++i) {
        if (type.fields[i].descriptor != &pg_query__with_clause__descriptor) {
            const bool target =
                type.fields[i].descriptor == &pg_query__range_var__descriptor && modifies(message);
            relations_written_ = relations_written_ || target;
            walk_field(message, type.fields[i]);
            relations_written_ = relations_written_ && !target;
        }
    }
}

void FactsWalker::walk_field(const ProtobufCMessage* message,
                             const ProtobufCFieldDescriptor& field) {
    if (field.type == PROTOBUF_C_TYPE_STRING && field.label != PROTOBUF_C_LABEL_REPEATED) {
        const bool chosen = (field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
                            member<std::uint32_t>(message, field.quantifier_offset) == field.id;
        const char* text = chosen ? member<const char*>(message, field.offset) : nullptr;
        if (text != nullptr && names_pg_temp(text)) {
            found_ |= kTempObject;
        }
        return;
    }
    if (field.type != PROTOBUF_C_TYPE_MESSAGE) {
        return;
    }
    if (field.label == PROTOBUF_C_LABEL_REPEATED) {
        const auto count = member<std::size_t>(message, field.quantifier_offset);
        const auto* items = member<const ProtobufCMessage* const*>(message, field.offset);
        for (std::size_t i = 0; i < count; ++i) {
            walk(items[i]);
        }
        return;
    }
    if ((field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        member<std::uint32_t>(message, field.quantifier_offset) != field.id) {
        return;
    }
    const auto* below = member<const ProtobufCMessage*>(message, field.offset);
    if (below != nullptr) {
        walk(below);
    }
}

void FactsWalker::visit(const ProtobufCMessage* message) {
    const ProtobufCMessageDescriptor* type = message->descriptor;
    if (type == &pg_query__func_call__descriptor) {
        function_call(as<PgQuery__FuncCall>(message));
    } else if (type == &pg_query__a__expr__descriptor) {
        expression(as<PgQuery__AExpr>(message));
    } else if (type == &pg_query__a__const__descriptor) {
        constant(as<PgQuery__AConst>(message));
    } else if (type == &pg_query__range_var__descriptor) {
        relation(as<PgQuery__RangeVar>(message));
    } else if (type == &pg_query__select_stmt__descriptor) {
        relations_written_ = false;
    } else if (type == &pg_query__into_clause__descriptor) {
        found_ |= kWrite | kDdl;
        relations_written_ = true;
    } else if (type == &pg_query__locking_clause__descriptor) {
        found_ |= kRowLock;
    } else if (modifies(message)) {
        found_ |= kWrite;
        relations_written_ = false;
    } else if (type == &pg_query__sub_link__descriptor) {
        const auto& link = as<PgQuery__SubLink>(message);
        operator_name(link.n_oper_name, link.oper_name);
    } else if (type == &pg_query__sort_by__descriptor) {
        const auto& sort = as<PgQuery__SortBy>(message);
        operator_name(sort.n_use_op, sort.use_op);
    } else if (type == &pg_query__range_table_sample__descriptor) {
        const auto& sample = as<PgQuery__RangeTableSample>(message);
        const Name method = last_two(sample.n_method, sample.method);
        const bool known = builtin_name(method) == "system" || builtin_name(method) == "bernoulli";
        found_ |= known ? kVolatile : kVolatile | kUnknownCode;
    } else if (type == &pg_query__param_ref__descriptor) {
        const std::int32_t number = as<PgQuery__ParamRef>(message).number;
        const int bounded = std::clamp<int>(number, 0, std::numeric_limits<std::uint16_t>::max());
        params_max_ = std::max(params_max_, static_cast<std::uint16_t>(bounded));
    } else if (type == &pg_query__with_clause__descriptor &&
               as<PgQuery__WithClause>(message).recursive != 0) {
        const auto& with = as<PgQuery__WithClause>(message);
        for (std::size_t i = 0; i < with.n_ctes; ++i) {
            common_tables_.emplace_back(with.ctes[i]->common_table_expr->ctename);
        }
    }
}

void FactsWalker::function_call(const PgQuery__FuncCall& call) {
    const Name& function = functions_.emplace_back(last_two(call.n_funcname, call.funcname));
    const std::string_view builtin = builtin_name(function);
    if (builtin_volatility(builtin) == Volatility::kUnknown) {
        found_ |= kUnknownCode;
    } else if (builtin == "set_config") {
        found_ |= kVolatile | set_config_effects(call);
    } else {
        found_ |= builtin_effects(builtin);
    }
}

void FactsWalker::expression(const PgQuery__AExpr& expression) {
    operator_name(expression.n_name, expression.name);
    has_list_ = has_list_ || expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_IN ||
                expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY ||
                expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL;
}

void FactsWalker::constant(const PgQuery__AConst& constant) {
    if (constant.val_case == PG_QUERY__A__CONST__VAL_SVAL) {
        clock_literal_ = clock_literal_ || is_clock_literal(constant.sval->sval);
    }
}

// OPERATOR(schema.op) calls whatever function stands behind it.
void FactsWalker::operator_name(std::size_t count, Node* const* parts) {
    if (count > 1 && string_value(parts[0]) != "pg_catalog") {
        found_ |= kUnknownCode;
    }
}

bool FactsWalker::is_common_table(const PgQuery__RangeVar& relation) const {
    return *relation.schemaname == '\0' &&
           std::ranges::find(common_tables_, std::string_view(relation.relname)) !=
               common_tables_.end();
}

void FactsWalker::relation(const PgQuery__RangeVar& relation) {
    if (relation.relpersistence == kTemporary) {
        found_ |= on_commit_drop_ ? kCreateOnCommitDrop : kTempObject;
    }
    if (relations_written_) {
        written(relation);
    } else if (!is_common_table(relation)) {
        tables_read_.push_back({relation.schemaname, relation.relname});
    }
}

void FactsWalker::written(const PgQuery__RangeVar& relation) {
    tables_written_.push_back({relation.schemaname, relation.relname});
    if (std::string_view(relation.relname) == "pg_settings") {
        found_ |= kSetSession;  // a rule on this view calls set_config
    }
}

}  // namespace howdah::sql
