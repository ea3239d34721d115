// Connection strings taken apart and put together again.
#pragma once

#include <string>

#include "base/result.hpp"

namespace howdah::pg {

// kInvalidInput when libpq could not read it, without its text: that may hold a password.
Result<> check_conninfo(const std::string& conninfo);

// What psql would connect to, as keywords: `conninfo` (which may be empty) and what the PG*
// variables, the service file and the password file add to it. User and database only where one of
// them names it. Passwords are in the result. Asks the resolver for the server's name.
Result<std::string> completed(const std::string& conninfo);

// The same server, user and options, another database; as keyword string. An empty or bare name is
// completed by libpq's defaults as ever. kInvalidInput when `conninfo` is no connection string.
Result<std::string> with_database(const std::string& conninfo, const std::string& database);

}  // namespace howdah::pg
