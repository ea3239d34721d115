#include "config/effective.hpp"

#include <algorithm>

namespace howdah::config {
namespace {

// `value` unless it is not set or 0.
template <typename T>
T unless_zero(const std::optional<T>& value, T fallback) {
    return value && *value != T{} ? *value : fallback;
}

}  // namespace

Effective effective(const Config& config, const DatabaseSettings& database,
                    std::string_view user_name) {
    static const UserSettings kNothing;
    const auto found = config.users.find(user_name);
    const UserSettings& user = found == config.users.end() ? kNothing : found->second;
    const Settings& global = config.settings;
    Effective e;
    e.pool_mode = user.pool_mode.value_or(database.pool_mode.value_or(global.pool_mode));
    e.pool_size = user.pool_size.value_or(database.pool_size.value_or(global.default_pool_size));
    e.min_pool_size = std::min(database.min_pool_size.value_or(global.min_pool_size), e.pool_size);
    e.reserve_pool_size = user.reserve_pool_size.value_or(
        database.reserve_pool_size.value_or(global.reserve_pool_size));

    e.max_db_connections = unless_zero(database.max_db_connections, global.max_db_connections);
    e.max_db_client_connections =
        unless_zero(database.max_db_client_connections, global.max_db_client_connections);
    e.max_user_connections = unless_zero(user.max_user_connections, global.max_user_connections);
    e.max_user_client_connections =
        unless_zero(user.max_user_client_connections, global.max_user_client_connections);

    e.server_lifetime = unless_zero(database.server_lifetime, global.server_lifetime);
    e.query_timeout = unless_zero(user.query_timeout, global.query_timeout);
    e.query_wait_timeout = user.query_wait_timeout.value_or(
        database.query_wait_timeout.value_or(global.query_wait_timeout));
    e.idle_transaction_timeout =
        unless_zero(user.idle_transaction_timeout, global.idle_transaction_timeout);
    e.transaction_timeout = unless_zero(user.transaction_timeout, global.transaction_timeout);
    e.client_idle_timeout = unless_zero(user.client_idle_timeout, global.client_idle_timeout);

    e.auth_user = database.auth_user.value_or(global.auth_user);
    e.auth_query = database.auth_query.value_or(global.auth_query);
    e.auth_dbname = database.auth_dbname.value_or(global.auth_dbname);
    e.sslmode = database.sslmode.value_or(global.server_tls_sslmode);
    e.sslrootcert = database.sslrootcert.value_or(global.server_tls_ca_file);
    e.sslcert = database.sslcert.value_or(global.server_tls_cert_file);
    e.sslkey = database.sslkey.value_or(global.server_tls_key_file);
    e.channel_binding = database.channel_binding.value_or(global.server_channel_binding);
    return e;
}

}  // namespace howdah::config
