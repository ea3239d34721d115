#include "cli/database.hpp"

#include <cstdlib>

#include "pg/conninfo.hpp"

namespace howdah::cli {

bool pg_variables_say_where() {
    for (const char* name : {"PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT"}) {
        if (std::getenv(name) != nullptr) {
            return true;
        }
    }
    return false;
}

std::string database_from_environment() {
    const char* url = pg_variables_say_where() ? nullptr : std::getenv("DATABASE_URL");
    return url != nullptr ? url : "";
}

Result<std::string> upstream_from(const std::string& given) {
    if (given.empty() && !pg_variables_say_where()) {
        return fail({ErrorCode::kInvalidInput, "", "no PostgreSQL to front is named",
                     "howdah serve --upstream postgres://USER:PASSWORD@HOST/DATABASE, or "
                     "howdah serve FILE with a howdah.toml or pgbouncer.ini, or PG* variables"});
    }
    const bool other_scheme = given.find("://") != std::string::npos &&
                              !given.starts_with("postgres://") &&
                              !given.starts_with("postgresql://");
    if (other_scheme) {  // to libpq it is a database's name
        return given;
    }
    auto whole = pg::completed(given);
    // What libpq does not know may still be known to the pool, and its mistakes are explained
    // there.
    return whole || given.empty() ? std::move(whole) : given;
}

}  // namespace howdah::cli
