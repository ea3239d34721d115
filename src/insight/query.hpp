// Query: one SELECT, UPDATE or DELETE level of a statement, as the rules want it: its sources, the
// conjuncts of its conditions, its order and limits. Views into the tree; lives as long as it.
//
// Pure. Columns are resolved by the statement's own aliases and, where they are not qualified, by
// the schema; what cannot be told has source -1 and satisfies no rule.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "insight/schema.hpp"

namespace howdah::insight {

enum class Role : std::uint8_t {
    kTop,
    kFrom,    // subquery in FROM
    kWith,    // common table expression
    kSetArm,  // arm of UNION, INTERSECT, EXCEPT
    kExists,
    kIn,      // x IN (SELECT ...), x = ANY (SELECT ...), NOT IN
    kScalar,  // a value: in the select list, in a comparison
    kArray,   // ARRAY(SELECT ...)
    kInsert,  // INSERT ... SELECT
};

enum class QueryKind : std::uint8_t { kSelect, kUpdate, kDelete };

struct Source {
    std::string_view alias = {};  // as the query names it
    std::string table = {};       // canonical name; "" when it is no table
    const Table* known = nullptr;
    bool one_row = false;      // gives at most one row, or few: function, VALUES, aggregate
    bool dependent = false;    // LATERAL or function: may name its neighbours
    bool left_joined = false;  // on the nullable side of an outer join
    std::size_t offset = 0;
};

struct ColumnUse {
    int source = -1;     // of Query::sources; -1 = not known
    bool outer = false;  // a column of an enclosing query
    std::string_view name = {};
    std::size_t offset = 0;

    bool known() const { return source >= 0; }
};

enum class Test : std::uint8_t {
    kEquals,    // = value, = ANY, IN (list), IS NOT DISTINCT FROM
    kRange,     // <, <=, >, >=, BETWEEN, LIKE 'x%'
    kNull,      // IS NULL
    kWildcard,  // LIKE '%x', ILIKE, ~
    kOperator,  // @>, &&, @@, ->...: what GIN and GiST are for
    kUnequal,   // <>, NOT IN, IS NOT NULL, NOT LIKE
    kTrue,      // a boolean column alone, or NOT column
    kConstant,  // true, 1 = 1
    kOr,        // arms
    kOther,
};

struct Predicate {
    Test test = Test::kOther;
    ColumnUse column = {};             // tested column, where it stands alone on its side
    ColumnUse wrapped = {};            // the first column inside an expression
    const sql::Node* side = nullptr;   // the expression that holds `wrapped`
    ColumnUse other = {};              // a column on the other side
    const sql::Node* value = nullptr;  // the other side
    const sql::Node* node = nullptr;
    std::vector<std::vector<Predicate>> arms = {};  // kOr: the conjuncts of each
    std::vector<int> touched = {};  // sources named anywhere below; -1 = some unknown column
    bool join = false;              // from ON or USING, not from WHERE
    bool prefix = false;            // kRange by LIKE 'x%' or ~ '^x'
    std::size_t offset = 0;
};

struct OrderKey {
    ColumnUse column = {};
    const sql::Node* node = nullptr;
    std::size_t offset = 0;
};

struct Query {
    QueryKind kind = QueryKind::kSelect;
    Role role = Role::kTop;
    int depth = 0;                  // of subqueries
    const Query* parent = nullptr;  // that it may correlate with
    const PgQuery__SelectStmt* select = nullptr;
    bool has_where = false;
    bool true_where = false;  // WHERE true, WHERE 1 = 1
    bool correlated = false;  // names a column of an enclosing query
    bool aggregated = false;  // one row: aggregates without GROUP BY
    bool grouped = false;
    bool distinct = false;
    bool locking = false;
    bool natural = false;  // NATURAL JOIN: conditions that the text does not show
    std::vector<Source> sources = {};
    std::vector<Predicate> predicates = {};
    std::vector<OrderKey> order = {};
    const sql::Node* limit = nullptr;
    const sql::Node* offset_node = nullptr;
    std::size_t offset = 0;  // where it begins, as far as the tree tells

    // Columns of `source` that conjuncts hold to a value, a parameter or another source's column.
    std::vector<std::string> equal_columns(int source, bool joins) const;
};

// All queries of one statement, outer before inner. References stay good (deque).
using Queries = std::deque<Query>;
Queries read_queries(const sql::Node& statement, const Schema& schema);

// Integer constant, through a cast; nothing for anything else.
std::optional<std::int64_t> integer_of(const sql::Node* node);
// String constant.
std::optional<std::string_view> string_of(const sql::Node* node);
// First byte of an expression that the tree knows; 0 = none.
std::size_t offset_of(const sql::Node* node);
std::string_view operator_of(const PgQuery__AExpr& expression);
bool is_aggregate(std::string_view function);

}  // namespace howdah::insight
