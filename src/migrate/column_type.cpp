#include "migrate/column_type.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace howdah::migrate {
namespace {

// Spellings that the grammar leaves as they are written.
std::string_view canonical(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kAliases{{
        {"serial4", "serial"},
        {"serial8", "bigserial"},
        {"serial2", "smallserial"},
        {"decimal", "numeric"},
        {"character varying", "varchar"},
        {"integer", "int4"},
    }};
    for (const auto& [alias, real] : kAliases) {
        if (name == alias) {
            return real;
        }
    }
    return name;
}

bool integer_value(const sql::Node* node, int& value) {
    if (node == nullptr || node->node_case != PG_QUERY__NODE__NODE_A_CONST ||
        node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL) {
        return false;
    }
    value = node->a_const->ival->ival;
    return true;
}

constexpr std::array<std::string_view, 44> kBuiltIn{
    "int2",      "int4",    "int8",     "float4",    "float8",      "numeric",   "money",
    "varchar",   "text",    "bpchar",   "char",      "name",        "bytea",     "bool",
    "date",      "time",    "timetz",   "timestamp", "timestamptz", "interval",  "uuid",
    "json",      "jsonb",   "xml",      "inet",      "cidr",        "macaddr",   "bit",
    "varbit",    "oid",     "regclass", "tsvector",  "tsquery",     "point",     "box",
    "line",      "polygon", "circle",   "path",      "int4range",   "int8range", "tstzrange",
    "daterange", "macaddr8"};

bool built_in(std::string_view name) {
    return std::ranges::find(kBuiltIn, name) != kBuiltIn.end();
}

int modifier(const ColumnType& type, std::size_t index, int otherwise) {
    return index < type.modifiers.size() ? type.modifiers[index] : otherwise;
}

// Whether the modifier change is one that the type's planner support function proves harmless.
bool widens(const ColumnType& from, const ColumnType& to) {
    if (to.modifiers.empty()) {
        // bit and bpchar without a length mean length 1
        return to.name != "bpchar" && to.name != "bit";
    }
    if (from.name == "varchar" || from.name == "varbit") {
        return !from.modifiers.empty() && to.modifiers[0] >= from.modifiers[0];
    }
    if (from.name == "numeric") {
        return !from.modifiers.empty() && to.modifiers[0] >= from.modifiers[0] &&
               modifier(to, 1, 0) == modifier(from, 1, 0);
    }
    constexpr int kMicroseconds = 6;
    const bool temporal = from.name == "time" || from.name == "timetz" ||
                          from.name == "timestamp" || from.name == "timestamptz" ||
                          from.name == "interval";
    if (temporal) {
        return to.modifiers.back() >= kMicroseconds ||
               (!from.modifiers.empty() && to.modifiers.back() >= from.modifiers.back());
    }
    return false;
}

// Types whose bytes are the same (binary coercible, castable on assignment).
bool relabels(std::string_view from, std::string_view to) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kSame{{
        {"varchar", "text"},
        {"text", "varchar"},
        {"cidr", "inet"},
        {"xml", "text"},
        {"xml", "varchar"},
        {"bit", "varbit"},
        {"int4", "oid"},
        {"oid", "int4"},
        {"regclass", "oid"},
        {"int4", "regclass"},
        {"regclass", "int4"},
        {"oid", "regclass"},
    }};
    return std::ranges::find(kSame, std::pair(from, to)) != kSame.end();
}

bool time_zone_cast(std::string_view from, std::string_view to) {
    return (from == "timestamp" && to == "timestamptz") ||
           (from == "timestamptz" && to == "timestamp");
}

TypeChange classify_names(const ColumnType& from, const ColumnType& to) {
    if (from.name == to.name) {
        return from.modifiers == to.modifiers || widens(from, to) ? TypeChange::kMetadata
                                                                  : TypeChange::kRewrite;
    }
    if (relabels(from.name, to.name)) {
        // A length on the new type is checked row by row, unless the old one was shorter.
        const bool varying = from.name == "varchar" && to.name == "varchar";
        return to.modifiers.empty() || varying ? TypeChange::kMetadata : TypeChange::kRewrite;
    }
    if (time_zone_cast(from.name, to.name)) {
        const bool cuts = !to.modifiers.empty() && to.modifiers[0] < modifier(from, 0, 6);
        return cuts ? TypeChange::kRewrite : TypeChange::kIfUtc;
    }
    return TypeChange::kRewrite;
}

// The extension's text: the same bytes as text, but other operators, so indexes are built anew.
TypeChange classify_citext(const ColumnType& from, const ColumnType& to) {
    const auto is_citext = [](std::string_view name) {
        return name == "citext" || name.ends_with(".citext");
    };
    const auto is_text = [](std::string_view name) { return name == "text" || name == "varchar"; };
    if (is_citext(from.name) == is_citext(to.name)) {
        return TypeChange::kUnknown;
    }
    const bool same_bytes = is_text(is_citext(from.name) ? to.name : from.name);
    return same_bytes && to.modifiers.empty() ? TypeChange::kIndexRebuild : TypeChange::kRewrite;
}

}  // namespace

ColumnType type_of(const PgQuery__TypeName* name) {
    ColumnType type;
    if (name == nullptr) {
        return type;
    }
    for (std::size_t i = 0; i < name->n_names; ++i) {
        const std::string_view part = sql::string_value(name->names[i]);
        if (part == "pg_catalog" && i + 1 < name->n_names) {
            continue;
        }
        if (part == "public" && i + 1 < name->n_names) {
            continue;
        }
        if (!type.name.empty()) {
            type.name += '.';
        }
        type.name += canonical(part);
    }
    for (std::size_t i = 0; i < name->n_typmods; ++i) {
        if (int value = 0; integer_value(name->typmods[i], value)) {
            type.modifiers.push_back(value);
        }
    }
    // The grammar writes INTERVAL's fields as a bit mask; only a precision behind it matters here.
    constexpr int kAllIntervalFields = 0x7FFF;
    if (type.name == "interval" && type.modifiers == std::vector<int>{kAllIntervalFields}) {
        type.modifiers.clear();
    }
    type.array_dimensions = static_cast<int>(name->n_array_bounds);
    return type;
}

std::string to_sql(const ColumnType& type) {
    std::string_view name = type.name;
    constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kNames{{
        {"int4", "integer"},
        {"int8", "bigint"},
        {"int2", "smallint"},
        {"bool", "boolean"},
        {"float8", "double precision"},
        {"float4", "real"},
        {"bpchar", "char"},
        {"varbit", "bit varying"},
    }};
    for (const auto& [internal, written] : kNames) {
        name = name == internal ? written : name;
    }
    std::string text(name);
    if (!type.modifiers.empty()) {
        text += fmt::format("({})", fmt::join(type.modifiers, ","));
    }
    for (int i = 0; i < type.array_dimensions; ++i) {
        text += "[]";
    }
    return text;
}

bool is_serial(std::string_view name) {
    return name == "serial" || name == "bigserial" || name == "smallserial";
}

bool is_narrow_integer(std::string_view name) {
    return name == "int4" || name == "int2" || name == "serial" || name == "smallserial";
}

TypeChange classify_change(const ColumnType& from, const ColumnType& to) {
    if (!from.known() || !to.known()) {
        return TypeChange::kUnknown;
    }
    if (from == to) {
        return TypeChange::kNothing;
    }
    if (from.array_dimensions > 0 || to.array_dimensions > 0) {
        const bool same = from.name == to.name && from.modifiers == to.modifiers &&
                          from.array_dimensions > 0 && to.array_dimensions > 0;
        return same ? TypeChange::kMetadata : TypeChange::kRewrite;
    }
    if (const TypeChange change = classify_citext(from, to); change != TypeChange::kUnknown) {
        return change;
    }
    if (from.name != to.name && (!built_in(from.name) || !built_in(to.name))) {
        return TypeChange::kUnknown;
    }
    const TypeChange change = classify_names(from, to);
    if (change == TypeChange::kMetadata && from.collation != to.collation) {
        return TypeChange::kIndexRebuild;
    }
    return change;
}

}  // namespace howdah::migrate
