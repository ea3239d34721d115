// Schema: what the migrations read so far have made. Owned by one lint run, used on one thread.
//
// 1. Names are canonical: "users" for public.users, "app.users" otherwise, as PostgreSQL folds
// them.
// 2. A table that no migration made may exist all the same (made before the history, or by a tool):
//    find() gives nullptr, and every answer about it is "unknown", never "no".
// 3. `born` is the number of the migration that made an object; what was born in the migration
// under
//    judgement is used by nobody yet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "migrate/column_type.hpp"

namespace howdah::migrate {

struct Column {
    std::string name = {};
    ColumnType type = {};
    bool not_null = false;
    bool has_default = false;
    bool generated = false;
    bool identity = false;
    bool serial = false;                  // its default is the sequence table_column_seq
    std::vector<std::string> calls = {};  // functions that its default or expression names
    std::uint32_t born = 0;               // the migration that added it to a table that was there
};

enum class ConstraintKind : std::uint8_t { kCheck, kUnique, kPrimary, kExclude, kForeign };

struct TableConstraint {
    std::string name = {};
    ConstraintKind kind = ConstraintKind::kCheck;
    std::vector<std::string> columns = {};
    std::string other_table = {};                 // foreign keys: the referenced table
    std::vector<std::string> other_columns = {};  // empty = its primary key
    std::vector<std::string> not_null = {};       // checks: columns that it proves to be not null
    bool only_not_null = false;                   // checks: and says nothing else
    std::vector<std::string> calls = {};          // checks: functions
    char on_delete = 'a';  // foreign keys, as pg_constraint: 'a', 'r' nothing is written
    char on_update = 'a';
    bool valid = true;
};

struct Index {
    std::string name = {};
    std::vector<std::string> columns = {};  // "" for an expression
    std::vector<std::string> reads = {};    // columns of expressions and the predicate
    std::vector<std::string> calls = {};    // functions of both
    bool unique = false;
    bool partial = false;
    std::vector<std::string> where_not_null = {};  // partial by IS NOT NULL of these, nothing else
    bool valid = true;  // false: ON ONLY a partitioned parent, nothing attached
    std::string method = {};
    std::uint32_t born = 0;
};

struct Trigger {
    std::string name = {};
    std::string function = {};
};

enum class TableKind : std::uint8_t { kTable, kPartitioned, kView, kMaterialized, kForeign };

struct Table {
    std::string name = {};
    TableKind kind = TableKind::kTable;
    std::uint32_t born = 0;
    bool temporary = false;
    bool unlogged = false;
    std::string of_type = {};        // CREATE TABLE ... OF
    std::string access_method = {};  // empty = heap
    std::string tablespace = {};     // empty = pg_default
    bool complete = true;  // false: columns came from a query or LIKE and are not all known
    std::vector<Column> columns = {};
    std::vector<TableConstraint> constraints = {};
    std::vector<Index> indexes = {};
    std::vector<Trigger> triggers = {};
    std::vector<std::string> reads = {};          // views: the relations that the query names
    std::vector<std::string> columns_read = {};   // views: of any of them; "*" is all
    std::string parent = {};                      // partitions and INHERITS children
    std::vector<std::string> children = {};       // partitions and INHERITS children
    std::vector<std::string> partition_key = {};  // partitioned: columns, "" for an expression
    std::string default_partition = {};           // partitioned: the one that is DEFAULT

    const Column* column(std::string_view name) const;
    const TableConstraint* constraint(std::string_view name) const;
    const TableConstraint* primary_key() const;
    bool in_primary_key(std::string_view column) const;
    // True when NOT NULL is known; a valid CHECK (c IS NOT NULL) counts when `by_check` is set.
    bool never_null(std::string_view column, bool by_check) const;
};

// Whether a call of this function may give another value each time, and so makes ADD COLUMN write
// every row.
enum class Volatility : std::uint8_t { kSteady, kVolatile, kUnknown };

struct Domain {
    ColumnType base = {};
    int constraints = 0;  // NOT NULL counts
    bool has_default = false;
    Volatility default_volatility = Volatility::kSteady;
    std::string default_calls = {};  // the function that decided it
};

struct Routine {
    std::string body = {};
    std::string language = {};
    char volatility = 'v';
};

template <typename T>
class NameMap {
  public:
    T* find(std::string_view name) {
        const auto found = map_.find(std::string(name));
        return found == map_.end() ? nullptr : &found->second;
    }
    const T* find(std::string_view name) const { return const_cast<NameMap*>(this)->find(name); }
    T& at(const std::string& name) { return map_[name]; }
    void erase(std::string_view name) { map_.erase(std::string(name)); }
    auto begin() { return map_.begin(); }
    auto end() { return map_.end(); }
    auto begin() const { return map_.begin(); }
    auto end() const { return map_.end(); }

  private:
    std::unordered_map<std::string, T> map_;
};

struct EnumType {
    std::uint32_t born = 0;
    std::vector<std::string> fresh_values = {};  // added in the open transaction
};

class Schema {
  public:
    NameMap<Table> tables;
    NameMap<std::string> index_table;  // index name -> table name
    NameMap<Domain> domains;
    NameMap<EnumType> enums;
    NameMap<Routine> routines;
    NameMap<std::string> statistics;   // extended statistics -> table
    NameMap<std::uint32_t> published;  // tables in a publication
    std::string search_path = {};      // schema of unqualified names; empty = public

    // Canonical name of a relation or a dotted list of names.
    std::string name_of(const PgQuery__RangeVar* relation) const;
    std::string name_of(std::string_view schema, std::string_view name) const;
    std::string name_of(const sql::Node* name_list) const;  // List, TypeName or String

    const Table* find(std::string_view table) const { return tables.find(table); }
    // The table of an index; "" when unknown.
    std::string table_of_index(std::string_view index) const;
    std::string statistics_table(std::string_view name) const;
    const Index* index(std::string_view name) const;
    // `table` and every partition and child below it that is known.
    std::vector<std::string> with_descendants(const std::string& table) const;
    // `table` and the partitions below it: what INHERITS tables do not share with their parent.
    std::vector<std::string> with_partitions(const std::string& table) const;
    // Views over `relation` (over this column of it, unless empty), and views over those.
    std::vector<std::string> views_over(const std::string& relation, std::string_view column) const;
    // Tables whose foreign keys point at `table`, or at these of its columns.
    std::vector<std::string> referencing(const std::string& table) const;

    void add_table(Table table);
    // `table` has a foreign key to `other`; add_constraint() says so.
    void note_key(const std::string& other, const std::string& table);
    void drop_table(const std::string& name);
    void rename_table(const std::string& from, const std::string& to);
    void add_index(const std::string& table, Index index);
    void drop_index(const std::string& name);
    void drop_column(const std::string& table, const std::string& column);
    void rename_column(Table& table, const std::string& from, const std::string& to);
    // A domain, an enum or a composite type.
    void rename_type(const std::string& from, const std::string& to);
    void rename_schema(const std::string& from, const std::string& to);

    // Domains count as what they are made of; `constraints` counts those on the way.
    ColumnType base_of(const ColumnType& type, int& constraints) const;
    // Whether `type` is the domain, or a domain over it.
    bool rests_on(const ColumnType& type, std::string_view domain) const;

  private:
    // Who may point at a table, or read it: candidates, as what they do now stands in the tables.
    NameMap<std::vector<std::string>> keys_to_;
    NameMap<std::vector<std::string>> views_of_;
};

Volatility volatility_of(const Schema& schema, std::string_view function);
// The worst of all calls in an expression; `function` receives the name that decided.
Volatility expression_volatility(const Schema& schema, const sql::Node& expression,
                                 std::string& function);

// PostgreSQL 15's own functions: 'v' volatile, 's' stable or immutable, 0 not one of them.
char builtin_volatility(std::string_view function);

}  // namespace howdah::migrate
