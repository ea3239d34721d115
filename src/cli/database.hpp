// Which database a command talks to when the command line does not say. Inside module cli.
#pragma once

#include <string>

#include "base/result.hpp"

namespace howdah::cli {

// Whether a PG* variable names a server or database: libpq then finds it by itself, from "".
[[nodiscard]] bool pg_variables_say_where();

// "", or what the environment names where no PG* variable does: DATABASE_URL.
[[nodiscard]] std::string database_from_environment();

// The server that `howdah serve` is to front: `given` (--upstream), or "" for what the PG*
// variables say, completed as psql would. kInvalidInput when nobody names one. Not DATABASE_URL:
// that is where the application goes, which is to be howdah itself.
[[nodiscard]] Result<std::string> upstream_from(const std::string& given);

}  // namespace howdah::cli
