// AlterTable: one ALTER TABLE statement, subcommand by subcommand. Inside module migrate.
// Source: AlterTableGetLockLevel and ATController of PostgreSQL 15's tablecmds.c, measured.
#pragma once

#include "migrate/interpreter.hpp"

namespace howdah::migrate {

class AlterTable {
  public:
    AlterTable(Interpreter& interpreter, const PgQuery__AlterTableStmt& statement);
    void run();

  private:
    using Command = PgQuery__AlterTableCmd;

    bool column_command(const Command& command, Action& made);
    bool constraint_command(const Command& command, Action& made);
    bool storage_command(const Command& command, Action& made);
    void alter_index(const Command& command, Action& made);
    void add_column(const Command& command, Action& made);
    void inline_constraints(const PgQuery__ColumnDef& definition, Action& made);
    void read_default(const PgQuery__ColumnDef& definition, Action& made);
    void drop_column(const Command& command, Action& made);
    void alter_type(const Command& command, Action& made);
    void judge_type_change(const PgQuery__ColumnDef& definition, Action& made);
    void retype_dependents(Action& made);
    void set_not_null(const Command& command, Action& made);
    void add_constraint(const Command& command, Action& made);
    void use_index(const PgQuery__Constraint& definition, Action& made);
    void validate(const Command& command, Action& made);
    void drop_constraint(const Command& command, Action& made);
    void attach(const Command& command, Action& made);
    void attach_keys(const Table& parent, const Table* partition, Action& made);
    void detach(const Command& command, Action& made);
    void rewrite_storage(const Command& command, Action& made);
    void set_options(const Command& command, Action& made);

    void lock_tree(Action& made, Lock lock, bool scan = false);
    void lock_only(Action& made, Lock lock);
    // The table and its partitions, unless ALTER TABLE ONLY.
    void touch_partitions(Action& made, TableEffect effect);
    void emit(Action& made) { interpreter_.emit(made); }
    Table* table() { return interpreter_.schema_.tables.find(table_); }
    Schema& schema() { return interpreter_.schema_; }

    Interpreter& interpreter_;
    const PgQuery__AlterTableStmt& statement_;
    std::string table_;
};

}  // namespace howdah::migrate
