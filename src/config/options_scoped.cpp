#include <fmt/format.h>

#include "base/assert.hpp"
#include "config/options.hpp"

namespace howdah::config {
namespace {

#define OPTION(option) .name = #option, .field = field<&DatabaseSettings::option>()

constexpr Option<DatabaseSettings> kDatabaseOptions[] = {
    {OPTION(host), .value = "",
     .help = "Names or addresses, with commas between; /dir or @name: a unix socket; empty: the "
             "unix_socket_dir."},
    {OPTION(port), .value = "5432", .help = "One for all hosts, or one for each."},
    {OPTION(dbname), .help = "Database on the server; unset: the name of this entry."},
    {OPTION(user), .help = "Log in to the server as this user, whoever the client is."},
    {OPTION(password), .help = "Password of `user`."},
    {OPTION(auth_user), .help = "As the global auth_user."},
    {OPTION(auth_dbname), .help = "As the global auth_dbname."},
    {OPTION(auth_query), .help = "As the global auth_query."},
    {OPTION(client_encoding), .help = "Asked of the server at login."},
    {OPTION(datestyle), .help = "Asked of the server at login."},
    {OPTION(timezone), .help = "Asked of the server at login."},
    {OPTION(application_name), .help = "Asked of the server at login."},
    {OPTION(connect_query), .help = "Run on every new server connection."},
    {OPTION(pool_size), .help = "As the global default_pool_size."},
    {OPTION(min_pool_size), .help = "As the global min_pool_size."},
    {OPTION(reserve_pool_size), .help = "As the global one. reserve_pool means the same."},
    {OPTION(pool_mode), .help = "As the global pool_mode."},
    {OPTION(query_wait_timeout), .help = "As the global query_wait_timeout."},
    {OPTION(max_db_connections), .help = "As the global max_db_connections."},
    {OPTION(max_db_client_connections), .help = "As the global max_db_client_connections."},
    {OPTION(server_lifetime), .help = "As the global server_lifetime."},
    {OPTION(load_balance_hosts), .value = "round-robin",
     .help = "Which host a new connection goes to: the next, or the same until it fails."},
    {OPTION(sslmode), .own = true, .help = "As the global server_tls_sslmode."},
    {OPTION(sslrootcert), .own = true, .help = "As the global server_tls_ca_file."},
    {OPTION(sslcert), .own = true, .help = "As the global server_tls_cert_file."},
    {OPTION(sslkey), .own = true, .help = "As the global server_tls_key_file."},
    {OPTION(channel_binding), .own = true, .help = "As the global server_channel_binding."},
};

}  // namespace

std::span<const Option<DatabaseSettings>> database_options() {
    return kDatabaseOptions;
}

namespace {

#undef OPTION
#define OPTION(option) .name = #option, .field = field<&UserSettings::option>()

constexpr Option<UserSettings> kUserOptions[] = {
    {OPTION(pool_mode), .help = "Before the database's and the global pool_mode."},
    {OPTION(pool_size), .help = "Before the database's pool_size."},
    {OPTION(reserve_pool_size), .help = "Before the database's reserve_pool_size."},
    {OPTION(max_user_connections), .help = "As the global max_user_connections."},
    {OPTION(max_user_client_connections), .help = "As the global max_user_client_connections."},
    {OPTION(query_timeout), .help = "As the global query_timeout."},
    {OPTION(query_wait_timeout), .help = "As the global query_wait_timeout."},
    {OPTION(idle_transaction_timeout), .help = "As the global idle_transaction_timeout."},
    {OPTION(transaction_timeout), .help = "As the global transaction_timeout."},
    {OPTION(client_idle_timeout), .help = "As the global client_idle_timeout."},
    {OPTION(password), .own = true,
     .help = "Plain, md5 or SCRAM, as in auth_file; in howdah.toml only."},
};

#undef OPTION
#define OPTION(option) .name = #option, .field = field<&PeerSettings::option>()

constexpr Option<PeerSettings> kPeerOptions[] = {
    {OPTION(host), .help = "Name, address, or folder of the unix socket."},
    {OPTION(port), .value = "6432", .help = "One for all hosts, or one for each."},
    {OPTION(pool_size), .help = "Cancel requests under way at the same time."},
};

#undef OPTION

}  // namespace

std::span<const Option<UserSettings>> user_options() {
    return kUserOptions;
}
std::span<const Option<PeerSettings>> peer_options() {
    return kPeerOptions;
}

Settings default_settings(bool pgbouncer) {
    Settings settings;
    for (const auto& option : global_options()) {
        if (const char* text = option.default_for(pgbouncer); text != nullptr) {
            const auto set = set_option(option, settings, text);
            ASSERT(set);  // a test parses every default
        }
    }
    return settings;
}

namespace detail {

Result<> check_range(std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value >= low && value <= high) {
        return {};
    }
    return fail(ErrorCode::kInvalidInput,
                high == std::numeric_limits<std::int64_t>::max()
                    ? fmt::format("at least {} is expected", low)
                    : fmt::format("a number from {} to {} is expected", low, high));
}

}  // namespace detail

}  // namespace howdah::config
