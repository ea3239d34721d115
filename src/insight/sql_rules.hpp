// SqlJudge: the rules over one statement's queries. Inside module insight.
#pragma once

#include "insight/query.hpp"
#include "insight/sql_analysis.hpp"

namespace howdah::insight {

// Which index serves a source's conditions, and which would.
struct Access {
    bool known = false;               // the table's indexes are known
    bool served = false;              // some index narrows the scan
    bool unique = false;              // at most one row
    bool small = false;               // so few rows that a scan is right
    bool filtered = false;            // has conditions of its own that an index could serve
    std::vector<std::string> wanted;  // columns of the index that would serve: equal ones, a range
    std::string prefix;               // column that LIKE 'x%' narrows by
    std::size_t offset = 0;           // of the first condition
};
Access access_of(const Query& query, int source);
// LIKE, <> and so on: conditions that leave the table as large as it was.
bool only_weak_conditions(const Query& query, int source);

class SqlJudge {
  public:
    struct Input {
        std::string_view text;
        const SqlPlace& place;
        const Schema& schema;
        const SqlOptions& options;
    };
    SqlJudge(const Input& input, std::vector<Finding>& out)
        : text_(input.text),
          place_(input.place),
          schema_(input.schema),
          options_(input.options),
          out_(out) {}

    void judge(const Query& query);
    void judge_insert(const PgQuery__InsertStmt& insert);

  private:
    void report(std::string_view rule, std::size_t offset, Notice notice);
    void report(std::string_view rule, Range range, Notice notice);
    // The dotted name or token at `offset`.
    Range word_at(std::size_t offset) const;

    void check_star(const Query& query);
    void check_pagination(const Query& query);
    void check_offset(const Query& query);
    void check_predicates(const Query& query);
    void check_predicate(const Query& query, const Predicate& predicate);
    void check_pattern(const Query& query, const Predicate& predicate);
    void check_expression(const Query& query, const Predicate& predicate);
    void check_cast(const Query& query, const Predicate& predicate);
    void check_null(const Predicate& predicate);
    void check_not_in(const Predicate& predicate);
    void check_list(const Predicate& predicate);
    void check_count(const Predicate& predicate);
    void check_or(const Query& query, const Predicate& predicate);
    void check_cartesian(const Query& query);
    void check_missing_where(const Query& query);
    void check_correlated(const Query& query);
    void check_order(const Query& query);
    void check_access(const Query& query);
    void check_collation(const Source& source, const Access& access);
    void check_join_access(const Query& query, int source);
    void check_operator_access(const Query& query, int source);
    void check_text_search(const Query& query, const Predicate& predicate);
    void check_sort_access(const Query& query);

    std::string_view text_;
    const SqlPlace& place_;
    const Schema& schema_;
    const SqlOptions& options_;
    std::vector<Finding>& out_;
};

}  // namespace howdah::insight
