// Connection strings taken apart and put together again.
#pragma once

#include <string>

#include "base/result.hpp"

namespace howdah::pg {

// The same server, user and options, another database; as keyword string. An empty or bare name is
// completed by libpq's defaults as ever. kInvalidInput when `conninfo` is no connection string.
Result<std::string> with_database(const std::string& conninfo, const std::string& database);

}  // namespace howdah::pg
