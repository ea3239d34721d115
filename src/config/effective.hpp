// What holds for one user in one database: user before database before global, as PgBouncer has it.
#pragma once

#include <string>
#include <string_view>

#include "config/config.hpp"

namespace howdah::config {

struct Effective {
    PoolMode pool_mode = PoolMode::kSession;
    int pool_size = 0, min_pool_size = 0, reserve_pool_size = 0;
    // 0: no limit. A 0 set for a database or user means the global one, as in PgBouncer.
    int max_db_connections = 0, max_db_client_connections = 0;
    int max_user_connections = 0, max_user_client_connections = 0;
    // 0: none, except server_lifetime (used once; a database's 0 means the global one).
    Duration server_lifetime{}, query_timeout{}, query_wait_timeout{};
    Duration idle_transaction_timeout{}, transaction_timeout{}, client_idle_timeout{};
    std::string auth_user, auth_query, auth_dbname;
    SslMode sslmode = SslMode::kPrefer;
    std::string sslrootcert, sslcert, sslkey;
    Binding channel_binding = Binding::kPrefer;
};

// `user`: the pool's user (the database's forced user if it has one) for what concerns servers, the
// user the client logged in as for client limits and timeouts. Unknown names are fine.
[[nodiscard]] Effective effective(const Config& config, const DatabaseSettings& database,
                                  std::string_view user);

}  // namespace howdah::config
