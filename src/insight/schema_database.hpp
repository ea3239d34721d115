// read_database_schema: the tables, columns, indexes and row estimates of a live database.
#pragma once

#include <string>

#include "base/result.hpp"
#include "insight/schema.hpp"

namespace howdah::insight {

// Three catalog queries in one read-only transaction; any role may ask. conninfo as psql takes it.
Result<Schema> read_database_schema(const std::string& conninfo);

}  // namespace howdah::insight
