// PostgreSQL's own functions: volatility (pg_proc of PostgreSQL 15, tools/gen_builtins) and what
// they may do to the session (read from the manual, chapter 9, and held by builtins_test.cpp).
//
// By name only: a name counts as the worst of its overloads. Names that PostgreSQL 16 to 18 added
// are listed by hand in builtins.cpp; everything else is unknown.
#pragma once

#include <cstdint>
#include <string_view>

namespace howdah::sql {

enum class Volatility : std::uint8_t { kImmutable, kStable, kVolatile, kUnknown };

// name: as it is in pg_proc, lower case.
Volatility builtin_volatility(std::string_view name);

// Effects (statement.hpp) of calling the built-in `name`, which must be known: kEffectNone for what
// only computes, kVolatile with whatever else for the rest. set_config is not decided here.
std::uint32_t builtin_effects(std::string_view name);

}  // namespace howdah::sql
