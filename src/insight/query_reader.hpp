// QueryReader: one statement's tree -> its queries. Inside module insight; one use.
//
// Recursion goes as deep as the statement nests, which Tree bounds (kNestingMax).
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "insight/query.hpp"

namespace howdah::insight {

class QueryReader {
  public:
    explicit QueryReader(const Schema& schema) : schema_(schema) {}
    void read(const sql::Node& statement);
    Queries take() { return std::move(queries_); }

  private:
    struct Link {
        Role role = Role::kTop;
        const Query* parent = nullptr;
        int depth = 0;
    };
    void read_select(const PgQuery__SelectStmt& select, Link link);
    void read_set_arms(const PgQuery__SelectStmt& select, Link link);
    void read_update(const PgQuery__UpdateStmt& update, Link link);
    void read_delete(const PgQuery__DeleteStmt& statement, Link link);
    void read_with(const PgQuery__WithClause* with, Link link);
    void read_statement(const sql::Node& statement, Link link);

    void add_source(Query& query, const sql::Node& node, bool nullable);
    void add_join(Query& query, const PgQuery__JoinExpr& join, bool nullable);
    void add_relation(Query& query, const PgQuery__RangeVar& relation, bool nullable);
    void add_where(Query& query, const sql::Node* where);
    void add_conjuncts(Query& query, const sql::Node* node, std::vector<Predicate>& to, bool join);
    Predicate read_predicate(Query& query, const sql::Node& node, bool join);
    void read_comparison(Query& query, const PgQuery__AExpr& expression, Predicate& predicate);
    void read_sides(Query& query, const PgQuery__AExpr& expression, Predicate& predicate);
    void read_or(Query& query, const PgQuery__BoolExpr& expression, Predicate& predicate,
                 bool join);
    void read_order(Query& query, std::size_t count, sql::Node* const* keys);

    ColumnUse resolve(Query& query, const PgQuery__ColumnRef& column);
    bool resolve_in(const Query& query, const PgQuery__ColumnRef& column, ColumnUse& use) const;
    // The only column that is `node`, through nothing; unknown otherwise.
    ColumnUse plain_column(Query& query, const sql::Node* node);
    ColumnUse first_column(Query& query, const sql::Node* node);
    // Collects the sources named below and reads the subqueries there.
    void visit(Query& query, const sql::Node* node, std::vector<int>* touched, bool* aggregates);
    void visit_sublink(Query& query, const PgQuery__SubLink& link, std::vector<int>* touched);

    const Schema& schema_;
    Queries queries_;
    std::vector<std::string_view> common_tables_;
    bool in_arm_ = false;  // inside an OR, whose subqueries have been read
};

}  // namespace howdah::insight
