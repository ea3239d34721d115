// Schema: tables, columns and indexes as far as something says what they are: DDL, schema.prisma,
// pgTable definitions or a live database. Filled once, then read only; any thread may read it.
//
// 1. Names are canonical: "users" for public.users, "app.users" otherwise, as PostgreSQL folds
//    them. A model's own name (User) and a field's own name (createdAt) stand beside them.
// 2. What several sources say about one table is merged: a table has all indexes that any of them
//    names. A table that nothing names may exist all the same: find() gives nullptr, and whoever
//    asks answers "unknown".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sql/tree.hpp"

namespace howdah::insight {

// Where something is defined: 1-based; line 0 = not in a file.
struct Place {
    std::string file = {};
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::uint32_t length = 1;
    std::string source = {};  // the line's text
};

// Who says so. The order is the order in which a fix is looked for: a generated migration is not
// edited where a schema file makes it.
enum class Origin : std::uint8_t { kPrisma, kDrizzle, kSql, kDatabase };

enum class TypeClass : std::uint8_t {
    kUnknown,
    kBoolean,
    kInteger,
    kNumeric,
    kFloat,
    kText,
    kChar,  // char(n): compared with text it is cast
    kDate,
    kTimestamp,
    kUuid,
    kJson,
    kBytes,
    kArray,
    kEnum,
    kOther,
};

struct Column {
    std::string name = {};
    std::string field = {};        // as the ORM calls it; the name where there is no other
    std::string other_field = {};  // as a second ORM calls it
    TypeClass type = TypeClass::kUnknown;
    bool not_null = false;
    // Whether texts are compared byte by byte (collation C): only then a plain index serves LIKE
    // 'x%'. Nothing: neither a COLLATE nor a database says so.
    std::optional<bool> by_bytes = {};
};

struct IndexKey {
    std::string column = {};      // "" for an expression
    std::string expression = {};  // its key (expression_key)
    bool operator==(const IndexKey&) const = default;
};

struct Index {
    std::string name = {};
    std::vector<IndexKey> keys = {};
    bool unique = false;
    bool primary = false;
    bool partial = false;
    bool trigram = false;  // some key has gin_trgm_ops or gist_trgm_ops
    bool pattern = false;  // its first key has text_pattern_ops or its kind, or COLLATE "C"
    std::string method = "btree";
};

struct ForeignKey {
    std::vector<std::string> columns = {};
    std::string table = {};
    std::vector<std::string> other_columns = {};  // empty = the primary key
    Origin origin = Origin::kSql;
    Place place = {};
};

// What an index is wanted for.
enum class IndexUse : std::uint8_t {
    kEquals,
    kRange,
    kPrefix,  // LIKE 'x%'
    kOrder,
};

// A field of an ORM model that stands for rows of another table.
struct Relation {
    std::string field = {};
    std::string table = {};  // canonical name of the other table
    bool to_many = false;
    std::vector<std::string> columns = {};  // of this table, when it holds the foreign key
};

// What code calls a table.
struct Model {
    std::string name = {};      // Prisma's model, Drizzle's variable
    std::string accessor = {};  // prisma.<accessor>, db.query.<accessor>
    Origin origin = Origin::kPrisma;
};

struct Table {
    std::string name = {};
    std::vector<Model> models = {};
    bool view = false;
    std::vector<Column> columns = {};
    std::vector<Index> indexes = {};
    std::vector<ForeignKey> foreign_keys = {};
    std::vector<Relation> relations = {};
    std::optional<double> rows = {};  // as the server estimates; only from a database

    const Column* column(std::string_view column_name) const;
    const Column* field(std::string_view field_name) const;
    const Relation* relation(std::string_view field_name) const;
    // Its model by that origin; the table's own name where there is none.
    std::string_view model_name(Origin origin) const;
    // True when equality on the columns `tested` finds at most one row.
    bool is_unique(std::span<const std::string> tested) const;
    bool in_primary_key(std::string_view column_name) const;
    // A whole index (not partial) whose first keys are these columns, in any order.
    const Index* leading(std::span<const std::string> tested) const;
    // Some index whose first key is `column_name` and that can serve `use`; partial ones count when
    // asked for. Where it depends on a collation that nobody told, it can.
    bool has_leading(std::string_view column_name, bool partial,
                     IndexUse use = IndexUse::kEquals) const;
    // A kPrefix that only an index serves which needs collation C, and nobody told the collation.
    // Some index begins with columns that are all `tested`, one of them in `narrow`: (active,
    // ends_at) for active = true and ends_at > now().
    bool leads(std::span<const std::string> tested, std::span<const std::string> narrow) const;
    bool prefix_depends_on_collation(std::string_view column_name) const;
    bool has_expression(std::string_view key) const;
    bool has_trigram() const;
};

class Schema {
  public:
    // The table of that canonical name, made when it is new.
    Table& at(const std::string& name);
    const Table* find(std::string_view name) const;
    const Table* find(const PgQuery__RangeVar& relation) const;
    // By model or accessor.
    const Table* find_model(std::string_view name) const;
    void remove(std::string_view name) { tables_.erase(std::string(name)); }
    void rename(const std::string& from, const std::string& to);
    // After the models have their names.
    void index_models();

    bool empty() const { return tables_.empty(); }
    const std::map<std::string, Table, std::less<>>& tables() const { return tables_; }
    std::map<std::string, Table, std::less<>>& tables() { return tables_; }

    // Takes over what `other` knows; indexes that are there already are not added twice.
    void merge(Schema other);

  private:
    std::map<std::string, Table, std::less<>> tables_;
    std::map<std::string, std::string, std::less<>> models_;  // model or accessor -> table
};

// Reads CREATE TABLE, CREATE INDEX, ALTER TABLE, CREATE VIEW, DROP and RENAME of one statement;
// everything else changes nothing. `place` is the statement's.
struct StatementPlace {
    std::string_view file = {};
    std::string_view text = {};  // of the whole file
    std::size_t begin = 0;       // of the statement
};
void apply_ddl(Schema& schema, const sql::Node& node, const StatementPlace& place);

// "lower(email)": the same for the same expression however it is written; columns by their last
// name. "" for what is not a plain expression over columns and constants.
std::string expression_key(const sql::Node* node);
// The same from text.
std::string expression_key(std::string_view text);

// "users", "app.users".
std::string canonical_name(std::string_view schema, std::string_view name);
// int4, timestamptz, varchar, citext, ... as the catalog or a person names them.
TypeClass type_class(std::string_view name);

// create index concurrently on users (email, created_at); a column's operator class behind a blank.
std::string create_index_sql(std::string_view table, std::span<const std::string> columns);

// Columns of a few values each: an index on them leaves a share of the table.
bool only_choices(const Table& table, std::span<const std::string> columns);

}  // namespace howdah::insight
