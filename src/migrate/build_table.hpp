// From CREATE TABLE's and ALTER TABLE's nodes to Schema's values. Inside module migrate.
#pragma once

#include <string>
#include <vector>

#include "migrate/schema.hpp"
#include "sql/tree.hpp"

namespace howdah::migrate {

std::vector<std::string> strings_of(sql::Node* const* nodes, std::size_t count);
inline std::string text_or(const char* text) {
    return text != nullptr ? text : "";
}

Column column_of(const PgQuery__ColumnDef& definition);
// A table or column constraint; `column` is the column it stands at, or empty. Names that
// PostgreSQL would choose are chosen the same way (users_email_key).
TableConstraint constraint_of(const Schema& schema, const PgQuery__Constraint& definition,
                              const std::string& table, const std::string& column);
// Whether the node is a constraint that Table keeps (CHECK, UNIQUE, PRIMARY KEY, EXCLUDE, FOREIGN).
bool is_kept_constraint(const PgQuery__Constraint& definition);
// Puts the constraint, its index and its NOT NULLs into the table.
void add_constraint(Schema& schema, Table& table, const TableConstraint& constraint,
                    std::uint32_t migration);
// The columns that a query or expression names, "*" among them where it does so.
std::vector<std::string> columns_named(const ProtobufCMessage& part);
// The functions that it calls, without their schemas.
std::vector<std::string> functions_called(const sql::Node* expression);
// Whether there is an expression, and it is not NULL.
bool is_value(const sql::Node* expression);
Index index_of(const PgQuery__IndexStmt& statement, std::uint32_t migration);
std::string last_part(std::string_view dotted);
std::string schema_part(std::string_view dotted);

}  // namespace howdah::migrate
