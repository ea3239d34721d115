// Names as they may stand in SQL.
#pragma once

#include <string>
#include <string_view>

namespace howdah::sql {

// In quotes where PostgreSQL needs them: order is "order", userId is "userId". Takes a parse (some
// 10 us), so not for each statement.
std::string name_in_sql(std::string_view name);
// The same for "sales.order": each part by itself. A dot inside a name cannot be told.
std::string qualified_name_in_sql(std::string_view name);

}  // namespace howdah::sql
