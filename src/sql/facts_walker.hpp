// FactsWalker: one parse tree -> effects, names of relations and functions. Internal to module sql.
//
// A statement's own node decides most (statement()); the rest comes from a walk over everything
// below it by protobuf-c's descriptors, so that no node that hides a function call can be
// forgotten. Recursion is bounded by Tree's kNestingMax.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sql/statement.hpp"
#include "sql/tree.hpp"

namespace howdah::sql {

class FactsWalker {
  public:
    // The effects of one statement; its names are kept.
    std::uint32_t statement(const Node* node);
    [[nodiscard]] StatementKind kind() const { return kind_; }
    [[nodiscard]] bool literals_decide() const { return literals_decide_; }
    // A DO: its code is in the text, but in no tree and no fingerprint.
    [[nodiscard]] bool inline_code() const { return inline_code_; }
    // Everything but effects, kind and count, of all statements so far.
    void move_to(Statement& statement);

  private:
    std::uint32_t by_kind(const Node& node);
    std::uint32_t explain(const PgQuery__ExplainStmt& explain);
    std::uint32_t select(const PgQuery__SelectStmt& select);
    std::uint32_t copy(const PgQuery__CopyStmt& copy);
    std::uint32_t create_table_as(const PgQuery__CreateTableAsStmt& create);
    std::uint32_t declare_cursor(const PgQuery__DeclareCursorStmt& declare);
    std::uint32_t prepare(const PgQuery__PrepareStmt& prepare);
    std::uint32_t drop(const PgQuery__DropStmt& drop);
    std::uint32_t ddl(const Node& node);

    // Everything below; results are added to found_ and the names.
    void walk_node(const Node* node);
    void walk(const ProtobufCMessage* message);
    void walk_fields(const ProtobufCMessage* message);
    void walk_field(const ProtobufCMessage* message, const ProtobufCFieldDescriptor& field);
    void visit(const ProtobufCMessage* message);
    void function_call(const PgQuery__FuncCall& call);
    void expression(const PgQuery__AExpr& expression);
    void relation(const PgQuery__RangeVar& relation);
    void written(const PgQuery__RangeVar& relation);
    void operator_name(std::size_t count, Node* const* parts);
    void constant(const PgQuery__AConst& constant);
    [[nodiscard]] bool is_common_table(const PgQuery__RangeVar& relation) const;

    StatementKind kind_ = StatementKind::kOther;
    std::uint32_t found_ = 0;  // effects met in the walk of the current statement
    std::uint32_t deferred_ = 0;
    bool on_commit_drop_ = false;
    bool relations_written_ = false;  // relations outside a query count as written (DDL)
    bool literals_decide_ = false;
    bool inline_code_ = false;
    bool clock_literal_ = false;
    bool has_list_ = false;
    std::uint16_t params_max_ = 0;
    std::vector<std::string_view> common_tables_;
    std::vector<Name> tables_read_;
    std::vector<Name> tables_written_;
    std::vector<Name> functions_;
};

}  // namespace howdah::sql
