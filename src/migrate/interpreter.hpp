// Interpreter: what a statement will do, from its tree and the schema before it. Predicts locks,
// rewrites, scans and index builds (PostgreSQL 15; lock_oracle_pgtest.cpp holds every line of it
// against a live server) and then brings the schema up to date.
//
// Pure: no I/O, no clock. One thread at a time.
#pragma once

#include <functional>
#include <string_view>

#include "migrate/action.hpp"
#include "migrate/schema.hpp"

namespace howdah::migrate {

// Where a statement stands, for the actions' offsets.
struct StatementPlace {
    std::string_view text;  // of the whole file
    std::size_t begin = 0;  // of the statement
    std::size_t end = 0;
    std::size_t number = 0;  // in the file, from 0
};

class Interpreter {
  public:
    // `migration` numbers the file under judgement (Table::born).
    Interpreter(Schema& schema, std::uint32_t migration) : schema_(schema), migration_(migration) {}

    // Hands each action to `see` while the schema still is what it was before that action.
    using See = std::function<void(Action&)>;
    void run(const sql::Node& node, const StatementPlace& place, const See& see);

  private:
    friend class AlterTable;
    friend class Routines;

    Action action(ActionKind kind) const;
    void emit(Action& action);
    bool is_fresh(const std::string& table) const;
    bool are_new(const std::string& table, const std::vector<std::string>& columns) const;
    void touch(Action& action, const std::string& table, Lock lock) const;
    void touch_tree(Action& action, const std::string& table, TableEffect effect) const;
    // Only partitions: tables that INHERIT have indexes, keys and triggers of their own.
    void touch_partitions(Action& action, const std::string& table, TableEffect effect) const;
    void touch_each(Action& action, const std::vector<std::string>& tables,
                    TableEffect effect) const;
    // A partition takes over its parent's foreign keys, with their lock on the referenced table.
    void touch_inherited_keys(Action& action, const Table* parent) const;
    // The tables whose keys point at the partitioned `parent` watch each partition, too.
    void touch_referencing(Action& action, const std::string& parent, TableEffect effect) const;
    // Rows of other tables that go, or change, with those of `table`; `changed`: columns of an
    // UPDATE, empty for a DELETE.
    void touch_cascades(Action& action, const std::string& table,
                        const std::vector<std::string>& changed) const;
    void read_tables(Action& action, const ProtobufCMessage& part) const;

    void transaction(const PgQuery__TransactionStmt& statement);
    void create_table(const PgQuery__CreateStmt& statement);
    void create_table_as(const PgQuery__CreateTableAsStmt& statement);
    void create_view(const PgQuery__ViewStmt& statement);
    void create_index(const PgQuery__IndexStmt& statement);
    void create_trigger(const PgQuery__CreateTrigStmt& statement);
    void create_function(const PgQuery__CreateFunctionStmt& statement);
    void create_type(const sql::Node& node);
    void set_domain_default(Domain& domain, const sql::Node* expression) const;
    void drop(const PgQuery__DropStmt& statement);
    void drop_attached(Action& action);
    void drop_table(Action& action);
    void drop_index(Action& action);
    void drop_type(Action& action);
    void drop_function(Action& action);
    void touch_sequence_users(Action& action);
    void drop_schema(Action& action);
    void rename(const PgQuery__RenameStmt& statement);
    void rename_index(Action& made);
    void rename_without_table(const PgQuery__RenameStmt& statement, Action& made);
    void set_schema(const PgQuery__AlterObjectSchemaStmt& statement);
    void alter_domain(const PgQuery__AlterDomainStmt& statement);
    void alter_enum(const PgQuery__AlterEnumStmt& statement);
    void truncate(const PgQuery__TruncateStmt& statement);
    void vacuum(const PgQuery__VacuumStmt& statement);
    void cluster(const PgQuery__ClusterStmt& statement);
    void reindex(const PgQuery__ReindexStmt& statement);
    void refresh(const PgQuery__RefreshMatViewStmt& statement);
    void data_changes(const sql::Node& node);
    void touch_written(Action& made, const sql::Node& node, const PgQuery__RangeVar* target,
                       bool scan) const;
    void lock_tables(const PgQuery__LockStmt& statement, Action& made) const;
    void one_data_change(const sql::Node& node);
    void set_by_function(const PgQuery__SelectStmt& select);
    void explain(const PgQuery__ExplainStmt& statement);
    void publication(const sql::Node& node);
    void small_statement(const sql::Node& node);
    void set_variable(const PgQuery__VariableSetStmt& statement);
    bool create_something(const sql::Node& node);
    bool change_something(const sql::Node& node);
    bool maintain_something(const sql::Node& node);

    Schema& schema_;
    std::uint32_t migration_;
    StatementPlace place_;
    const See* see_ = nullptr;
    const sql::Node* node_ = nullptr;
    int depth_ = 0;  // of DO blocks and called functions
};

// Byte range of subcommand `index` of an ALTER TABLE statement, found by its tokens (PostgreSQL's
// tree has no place for them).
std::pair<std::size_t, std::size_t> subcommand_range(const StatementPlace& place,
                                                     std::size_t index);

// Columns that a CHECK expression proves to be not null: c IS NOT NULL, and what AND joins to it.
std::vector<std::string> proved_not_null(const sql::Node* expression);

}  // namespace howdah::migrate
