#include "insight/schema_database.hpp"

#include "pg/connection.hpp"
#include "sql/tree.hpp"

namespace howdah::insight {
namespace {

// Tables and views of users, in every schema but the system's and other sessions' temporary ones.
constexpr const char* kTables =
    "select n.nspname, c.relname, c.relkind in ('v', 'm'), c.reltuples from pg_class c "
    "join pg_namespace n on n.oid = c.relnamespace "
    "where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname <> 'information_schema' "
    "and n.nspname not like 'pg\\_%'";

constexpr const char* kColumns =
    "select n.nspname, c.relname, a.attname, t.typname, t.typtype = 'e', t.typcategory = 'A', "
    "a.attnotnull, case when k.collname = 'default' then d.datlocprovider = 'c' and d.datcollate "
    "in "
    "('C', 'POSIX') else k.collname in ('C', 'POSIX', 'ucs_basic') end "
    "from pg_attribute a join pg_class c on c.oid = a.attrelid "
    "left join pg_collation k on k.oid = a.attcollation "
    "join pg_database d on d.datname = current_database() "
    "join pg_namespace n on n.oid = c.relnamespace join pg_type t on t.oid = a.atttypid "
    "where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f') "
    "and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%' "
    "order by c.oid, a.attnum";

constexpr const char* kIndexes =
    "select n.nspname, c.relname, pg_get_indexdef(i.indexrelid), i.indisprimary from pg_index i "
    "join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace "
    "where i.indisvalid and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'";

void add_column(Schema& schema, const pg::Rows& rows, std::size_t row) {
    Column column{.name = rows.string(row, 2), .field = rows.string(row, 2)};
    column.type = rows.boolean(row, 4)   ? TypeClass::kEnum
                  : rows.boolean(row, 5) ? TypeClass::kArray
                                         : type_class(rows.text(row, 3));
    column.not_null = rows.boolean(row, 6);
    if (!rows.is_null(row, 7)) {
        column.by_bytes = rows.boolean(row, 7);
    }
    schema.at(canonical_name(rows.text(row, 0), rows.text(row, 1)))
        .columns.push_back(std::move(column));
}

void add_index(Schema& schema, const pg::Rows& rows, std::size_t row) {
    const std::string definition = rows.string(row, 2);
    const auto tree = sql::Tree::parse(definition);
    if (!tree || tree->first() == nullptr) {
        return;  // newer syntax than the parser's: as if there were no such index
    }
    Table& table = schema.at(canonical_name(rows.text(row, 0), rows.text(row, 1)));
    const std::size_t before = table.indexes.size();
    apply_ddl(schema, *tree->first(), {.text = definition});
    if (table.indexes.size() > before) {
        table.indexes.back().primary = rows.boolean(row, 3);
    }
}

}  // namespace

Result<Schema> read_database_schema(const std::string& conninfo) {
    TRY(pg::Connection connection,
        pg::Connection::connect({.conninfo = conninfo, .application_name = "howdah analyze"}));
    TRY(pg::Transaction transaction,
        pg::Transaction::begin(connection, "begin read only isolation level repeatable read"));
    TRY(const pg::Rows tables, connection.query(kTables));
    TRY(const pg::Rows columns, connection.query(kColumns));
    TRY(const pg::Rows indexes, connection.query(kIndexes));
    TRY_VOID(transaction.commit());
    Schema schema;
    for (std::size_t row = 0; row < tables.size(); ++row) {
        Table& table = schema.at(canonical_name(tables.text(row, 0), tables.text(row, 1)));
        table.view = tables.boolean(row, 2);
        if (const double rows = tables.number(row, 3); rows >= 0 && !table.view) {
            table.rows = rows;
        }
    }
    for (std::size_t row = 0; row < columns.size(); ++row) {
        add_column(schema, columns, row);
    }
    for (std::size_t row = 0; row < indexes.size(); ++row) {
        add_index(schema, indexes, row);
    }
    return schema;
}

}  // namespace howdah::insight
