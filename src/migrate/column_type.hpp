// Column types, and what changing one into another costs (PostgreSQL 15, measured).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/tree.hpp"

namespace howdah::migrate {

// A type as the catalog would name it: "int4", "varchar", "app.mood"; built-in names without
// pg_catalog.
struct ColumnType {
    std::string name = {};
    std::vector<int> modifiers = {};  // varchar(10): {10}; numeric(8,2): {8, 2}
    int array_dimensions = 0;
    std::string collation = {};

    bool known() const { return !name.empty(); }
    bool operator==(const ColumnType&) const = default;
};

ColumnType type_of(const PgQuery__TypeName* name);
// As a person would write it: "varchar(10)", "numeric(8,2)[]".
std::string to_sql(const ColumnType& type);
// "serial4", "bigserial", ... in any spelling.
bool is_serial(std::string_view name);
// int4 and smaller.
bool is_narrow_integer(std::string_view name);

enum class TypeChange : std::uint8_t {
    kNothing,       // the same type
    kMetadata,      // catalog only
    kIndexRebuild,  // heap stays, its indexes are built anew
    kIfUtc,         // catalog only when the session's time zone is UTC, else a rewrite
    kRewrite,
    kUnknown,  // a type that this history does not define
};

// Changing `from` into `to` without USING, or with USING that is the plain cast.
TypeChange classify_change(const ColumnType& from, const ColumnType& to);

}  // namespace howdah::migrate
