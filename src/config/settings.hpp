// Every option as a plain value. Names, defaults, ranges and descriptions stand in the option
// tables (options_*.cpp) and nowhere else: a Settings made by `Settings{}` is empty, one with the
// defaults comes from load() or default_settings().
//
// Fields up to `verbose` are PgBouncer 1.25's and mean what they mean there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/option_types.hpp"

namespace howdah::config {

struct Settings {
    NameList admin_users;
    bool application_name_add_host = false;
    std::string auth_dbname, auth_file, auth_hba_file, auth_ident_file, auth_ldap_options;
    std::string auth_query;
    AuthType auth_type = AuthType::kMd5;
    std::string auth_user;
    Duration autodb_idle_timeout{}, cancel_wait_timeout{}, client_idle_timeout{};
    Duration client_login_timeout{};
    std::string client_tls13_ciphers, client_tls_ca_file, client_tls_cert_file;
    std::string client_tls_ciphers, client_tls_dheparams, client_tls_ecdhcurve;
    std::string client_tls_key_file, client_tls_protocols;
    SslMode client_tls_sslmode = SslMode::kDisable;
    std::string conffile;
    int default_pool_size = 0;
    bool disable_pqexec = false;
    Duration dns_max_ttl{}, dns_nxdomain_ttl{}, dns_zone_check_period{};
    Duration idle_transaction_timeout{};
    NameList ignore_startup_parameters;
    std::string job_name;
    NameList listen_addr;
    int listen_backlog = 0, listen_port = 0;
    bool log_connections = false, log_disconnections = false, log_pooler_errors = false;
    bool log_stats = false;
    std::string logfile, login_notify_message;
    int max_client_conn = 0, max_db_client_connections = 0, max_db_connections = 0;
    std::int64_t max_packet_size = 0;
    int max_prepared_statements = 0, max_user_client_connections = 0, max_user_connections = 0;
    int min_pool_size = 0, peer_id = 0;
    std::string pidfile;
    int pkt_buf = 0;
    PoolMode pool_mode = PoolMode::kSession;
    Duration pool_idle_timeout{}, query_timeout{};
    int query_wait_notify = 0;  // seconds
    Duration query_wait_timeout{};
    int reserve_pool_size = 0;
    Duration reserve_pool_timeout{};
    std::string resolv_conf;
    int sbuf_loopcnt = 0, scram_iterations = 0;
    Duration server_check_delay{};
    std::string server_check_query;
    Duration server_connect_timeout{};
    bool server_fast_close = false;
    Duration server_idle_timeout{}, server_lifetime{}, server_login_retry{};
    std::string server_reset_query;
    bool server_reset_query_always = false, server_round_robin = false;
    std::string server_tls13_ciphers, server_tls_ca_file, server_tls_cert_file;
    std::string server_tls_ciphers, server_tls_key_file, server_tls_protocols;
    SslMode server_tls_sslmode = SslMode::kPrefer;
    bool so_reuseport = false;
    int stats_period = 0;  // seconds
    NameList stats_users;
    Duration suspend_timeout{};
    bool syslog = false;
    std::string syslog_facility, syslog_ident;
    int tcp_defer_accept = 0;
    bool tcp_keepalive = false;
    int tcp_keepcnt = 0, tcp_keepidle = 0, tcp_keepintvl = 0, tcp_socket_buffer = 0;
    int tcp_user_timeout = 0;  // milliseconds
    NameList track_extra_parameters;
    Duration transaction_timeout{};
    std::string unix_socket_dir, unix_socket_group;
    int unix_socket_mode = 0;
    std::string user;
    int verbose = 0;

    // howdah's own
    bool allow_insecure_listen = false;
    Duration auth_query_cache_time{};
    LoopBackend backend = LoopBackend::kAuto;
    Duration drain_timeout{};
    NameList http_hosts, http_listen;
    std::string http_token_file;
    bool insight = false;
    Duration insight_idle_transaction{};
    NameList insight_ignore;
    Duration insight_long_transaction{};
    int insight_sample_above = 0;
    LogFormat log_format = LogFormat::kText;
    int loops = 0;
    int metrics_top_queries = 0;
    ProxyProtocol proxy_protocol = ProxyProtocol::kDisable;
    NameList proxy_protocol_networks;
    int query_event_ring = 0;
    bool pin_sessions = false, retry_changed_plan = false;
    Binding server_channel_binding = Binding::kPrefer;
    int server_connects_parallel = 0;
    std::string slow_query_explain;
    Duration slow_query_time{};
    int statement_shapes_max = 0;
    bool track_session_parameters = false, track_sql_prepare = false;
};

struct ServerAddress {
    std::string host;  // name, address, "/dir", "@abstract"; empty: the unix_socket_dir
    int port = 5432;
    friend bool operator==(const ServerAddress&, const ServerAddress&) = default;
};

// Where a value came from.
struct Origin {
    enum class Kind : std::uint8_t { kDefault, kFile, kUpstream, kEnvironment, kCommandLine, kSet };
    Kind kind = Kind::kDefault;
    std::string file;  // or the environment variable's name
    int line = 0;
    [[nodiscard]] std::string text() const;  // "howdah.toml:12", "environment HOWDAH_LOOPS", ..
};

// An entry of [databases]; what is not set falls back to the user's, then to the global option.
struct DatabaseSettings {
    std::string name;
    Origin origin;
    std::vector<ServerAddress> addresses;  // from host and port; never empty
    std::string host, port;                // as written
    std::optional<std::string> dbname, user;
    std::optional<Secret> password;
    std::optional<std::string> auth_user, auth_dbname, auth_query, connect_query;
    std::optional<std::string> client_encoding, datestyle, timezone, application_name;
    std::optional<int> pool_size, min_pool_size, reserve_pool_size;
    std::optional<int> max_db_connections, max_db_client_connections;
    std::optional<PoolMode> pool_mode;
    std::optional<Duration> query_wait_timeout, server_lifetime;
    LoadBalance load_balance_hosts = LoadBalance::kRoundRobin;
    // howdah's own: override the global server_tls_* of this database
    std::optional<SslMode> sslmode;
    std::optional<std::string> sslrootcert, sslcert, sslkey;
    std::optional<Binding> channel_binding;
};

// An entry of [users].
struct UserSettings {
    std::string name;
    Origin origin;
    std::optional<PoolMode> pool_mode;
    std::optional<int> pool_size, reserve_pool_size;
    std::optional<int> max_user_connections, max_user_client_connections;
    std::optional<Duration> query_timeout, query_wait_timeout, idle_transaction_timeout;
    std::optional<Duration> transaction_timeout, client_idle_timeout;
    std::optional<Secret> password;  // howdah.toml only; goes to Config::passwords
};

// An entry of [peers]: another process to which cancel requests are forwarded.
struct PeerSettings {
    int id = 0;
    Origin origin;
    std::vector<ServerAddress> addresses;
    std::string host, port;
    std::optional<int> pool_size;
};

}  // namespace howdah::config
