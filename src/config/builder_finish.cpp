// The second half of Builder: the files a configuration names, and what must fit together.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/builder.hpp"
#include "config/options.hpp"
#include "config/value.hpp"

namespace howdah::config {
namespace {

// Text of a file that PgBouncer opens on its own account; the error is in its words.
Result<std::string> read_named(std::string_view what, const std::string& path) {
    auto text = read_file(path);
    if (!text) {
        return fail(ErrorCode::kIo,
                    fmt::format("could not open {} {}: {}", what, path, std::strerror(errno)));
    }
    return text;
}

bool is_loopback(std::string_view host) {
    const auto ip = parse_ip(host);
    if (!ip) {
        return host == "localhost";
    }
    return ip->v6 ? *ip == *parse_ip("::1") : ip->bytes[0] == 127;
}

// Whether every address in it is this machine's.
bool is_loopback_network(const Network& network) {
    return network.address.v6 ? network.address == *parse_ip("::1") && network.mask[15] == 0xff
                              : network.address.bytes[0] == 127 && network.mask[0] == 0xff;
}
constexpr std::string_view kFacilities[] = {"auth",   "authpriv", "daemon", "user",
                                            "local0", "local1",   "local2", "local3",
                                            "local4", "local5",   "local6", "local7"};

bool needs_userlist(AuthType type) {
    return type != AuthType::kPam && type != AuthType::kAny;
}

}  // namespace

std::string reserved_auth_dbname(std::string_view name) {
    return fmt::format("cannot use the reserved \"{}\" database as an auth_dbname", name);
}

std::shared_ptr<const Userlist> read_userlist(const Config& config,
                                              std::vector<FileProblem>& problems) {
    auto users = std::make_shared<Userlist>();
    const std::string& path = config.settings.auth_file;
    if (!path.empty() && needs_userlist(config.settings.auth_type)) {
        users->stamp = file_stamp(path);
        if (const auto text = read_named("auth_file", path)) {
            problems = parse_userlist(*text, path, *users);
        } else {
            problems.push_back({path, 0, text.error().message});
        }
    }
    for (const auto& [name, user] : config.users) {
        if (user.password) {
            users->add(name, *user.password);
        }
    }
    return users;
}

// PgBouncer goes on without a broken auth_file or HBA line and says so in its log; with a
// howdah.toml both are errors.
void Builder::finish_users() {
    std::vector<FileProblem> problems;
    config_->userlist = read_userlist(*config_, problems);
    for (const auto& problem : problems) {
        report(config_->pgbouncer ? Severity::kWarning : Severity::kError,
               {Origin::Kind::kFile, problem.file, problem.line}, "auth_file",
               problem.line == 0
                   ? problem.message
                   : fmt::format("{} ({}:{})", problem.message, problem.file, problem.line));
    }
}

// Without HBA rules nobody asks for its maps; that it is not there is a mistake all the same.
void Builder::check_ident_file(Severity severity) {
    const std::string& path = config_->settings.auth_ident_file;
    if (!path.empty() && ::access(path.c_str(), R_OK) != 0) {
        report(severity, origin_of("auth_ident_file"), "auth_ident_file",
               fmt::format("could not open ident config file {}: {}", path, std::strerror(errno)));
    }
}

void Builder::finish_hba() {
    const Severity severity = config_->pgbouncer ? Severity::kWarning : Severity::kError;
    if (config_->settings.auth_type != AuthType::kHba) {
        check_ident_file(severity);
        return;
    }
    const auto report_all = [&](const std::vector<FileProblem>& problems, const char* key) {
        for (const auto& problem : problems) {
            report(problem.ignored ? severity : Severity::kWarning,
                   {Origin::Kind::kFile, problem.file, problem.line}, key,
                   fmt::format("{} ({}:{})", problem.message, problem.file, problem.line));
        }
    };
    IdentFile ident;
    if (const std::string& path = config_->settings.auth_ident_file; !path.empty()) {
        if (const auto text = read_named("ident config file", path)) {
            ident = parse_ident(*text, path);
            report_all(ident.problems, "auth_ident_file");
        } else {
            report(severity, origin_of("auth_ident_file"), "auth_ident_file", text.error().message);
        }
    }
    HbaFile hba;
    const std::string& path = config_->settings.auth_hba_file;
    if (!path.empty() || hba_lines_.empty()) {
        if (const auto text = read_named("hba config file", path)) {
            hba = parse_hba(*text, path, ident.maps);
            report_all(hba.problems, "auth_hba_file");
        } else {
            report(severity, origin_of("auth_hba_file"), "auth_hba_file", text.error().message);
        }
    }
    int number = 0;
    for (const auto& entry : hba_lines_) {
        HbaFile line = parse_hba(entry.value, entry.origin.file, ident.maps, ++number);
        for (auto& problem : line.problems) {
            problem.line = entry.origin.line;
        }
        report_all(line.problems, "hba");
        for (HbaRule rule : line.hba.rules()) {
            rule.line = entry.origin.line;
            hba.hba.add(std::move(rule));
        }
    }
    config_->hba = std::make_shared<const Hba>(std::move(hba.hba));
}

Result<> check_explain(const Settings& settings) {
    if (holds_password(settings.slow_query_explain)) {
        return fail(ErrorCode::kInvalidInput,
                    "slow_query_explain must be a connection string without a password, which "
                    "SHOW CONFIG would show: put it into ~/.pgpass (passfile=..), PGPASSWORD or a "
                    "service file (service=..)");
    }
    return {};
}

Result<LdapOptionsPtr> read_ldap_options(const Settings& settings) {
    if (settings.auth_ldap_options.empty()) {
        return nullptr;
    }
    TRY(LdapOptions options, parse_ldap_options(settings.auth_ldap_options));
    return std::make_shared<const LdapOptions>(std::move(options));
}

// PgBouncer finds out when somebody logs in, and refuses him.
void Builder::finish_ldap() {
    const Severity severity = config_->pgbouncer ? Severity::kWarning : Severity::kError;
    if (auto options = read_ldap_options(config_->settings)) {
        config_->ldap = std::move(*options);
    } else {
        report(severity, origin_of("auth_ldap_options"), "auth_ldap_options",
               fmt::format("auth_ldap_options: {}", options.error().message));
        return;
    }
    if (config_->settings.auth_type == AuthType::kLdap && config_->ldap == nullptr) {
        report(severity, origin_of("auth_type"), "auth_type",
               "auth_type ldap needs auth_ldap_options: nobody can log in");
    }
}

void Builder::check_together() {
    check_listen();
    check_tls();
    check_databases();
    check_without_effect();
    check_clear_passwords();
    const Settings& settings = config_->settings;
    if (auto fits = check_explain(settings); !fits) {
        const Origin origin = origin_of("slow_query_explain");
        report(Severity::kError, origin, "slow_query_explain",
               fmt::format("{} ({})", fits.error().message, origin.text()));
    }
    const auto ring = static_cast<unsigned>(settings.query_event_ring);
    if ((ring & (ring - 1)) != 0) {
        report(Severity::kError, origin_of("query_event_ring"), "query_event_ring",
               fmt::format("query_event_ring must be a power of two, not {}", ring));
    }
    check_users();
    check_syslog();
    for (const auto& network : settings.proxy_protocol_networks.names) {
        if (!parse_network(network)) {
            report(Severity::kError, origin_of("proxy_protocol_networks"),
                   "proxy_protocol_networks",
                   fmt::format("proxy_protocol_networks: \"{}\" is not address/bits", network));
        }
    }
}

// PgBouncer takes what it does not know for daemon, and so do we in its place.
void Builder::check_syslog() {
    const std::string& facility = config_->settings.syslog_facility;
    if (std::ranges::find(kFacilities, facility) == std::end(kFacilities)) {
        report(config_->pgbouncer ? Severity::kWarning : Severity::kError,
               origin_of("syslog_facility"), "syslog_facility",
               fmt::format("syslog_facility: there is no \"{}\"; auth, authpriv, daemon, user or "
                           "local0 to local7",
                           facility));
        diagnostics_.back().nearest = nearest(facility, kFacilities);
    }
}

// Options that PgBouncer has and that mean nothing here: who sets one hears so.
void Builder::check_without_effect() {
    struct Idle {
        const char* option;
        const char* why;
        bool matters;  // what it asks for is not done: an error in a howdah.toml
    };
    static constexpr Idle kIdle[] = {
        {"pkt_buf", "buffers are 8 KiB and shared", false},
        {"sbuf_loopcnt", "a connection's turn is bounded otherwise", false},
        {"dns_zone_check_period", "names are asked again after dns_max_ttl", false},
        {"resolv_conf", "names are resolved as the system does", true},
    };
    for (const Idle& idle : kIdle) {
        const Origin origin = origin_of(idle.option);
        if (origin.kind == Origin::Kind::kDefault) {
            continue;
        }
        const auto* option = find_option(global_options(), idle.option);
        const std::string value = option->field.get(config_->settings);
        if (value.empty() || value == option->value || (value == "0" && !idle.matters)) {
            continue;
        }
        report(idle.matters && !config_->pgbouncer ? Severity::kError : Severity::kWarning, origin,
               idle.option, fmt::format("{} has no effect: {}", idle.option, idle.why));
    }
}

void Builder::check_listen() {
    const Settings& settings = config_->settings;
    if (settings.listen_addr.names.empty() && settings.unix_socket_dir.empty()) {
        report(Severity::kError, origin_of("listen_addr"), "listen_addr",
               "nothing to listen on: set listen_addr or unix_socket_dir");
    }
    const bool open =
        settings.auth_type == AuthType::kTrust || settings.auth_type == AuthType::kAny;
    if (!open || settings.allow_insecure_listen) {
        return;
    }
    for (const auto& host : settings.listen_addr.names) {
        if (!is_loopback(host)) {
            report(config_->pgbouncer ? Severity::kWarning : Severity::kError,
                   origin_of("listen_addr"), "listen_addr",
                   fmt::format("auth_type {} lets anybody who reaches {} in; choose another "
                               "auth_type, listen on 127.0.0.1, or set allow_insecure_listen",
                               format_value(settings.auth_type), host));
            return;
        }
    }
}

// A password as it is, to an address where others may listen. It is not refused: TLS may end in
// front of us, and PgBouncer takes it.
void Builder::check_clear_passwords() {
    const Settings& settings = config_->settings;
    const bool far = std::ranges::any_of(settings.listen_addr.names,
                                         [](const auto& host) { return !is_loopback(host); });
    if (!far || settings.client_tls_sslmode >= SslMode::kRequire) {
        return;
    }
    const auto in_clear = [](AuthType type) {
        return type == AuthType::kPlain || type == AuthType::kLdap || type == AuthType::kPam;
    };
    if (in_clear(settings.auth_type)) {
        report(Severity::kWarning, origin_of("auth_type"), "auth_type",
               fmt::format("auth_type {} lets clients send their passwords in clear: set "
                           "client_tls_sslmode = require",
                           format_value(settings.auth_type)));
    }
    if (config_->hba == nullptr) {
        return;
    }
    for (const HbaRule& rule : config_->hba->rules()) {
        const bool tcp =
            rule.type == HbaRule::Type::kHost || rule.type == HbaRule::Type::kHostNoSsl;
        const bool own = rule.network && is_loopback_network(*rule.network);
        if (tcp && !own && in_clear(rule.method)) {
            report(Severity::kWarning, {Origin::Kind::kFile, rule.file, rule.line}, "hba",
                   fmt::format("method {} of a {} rule lets clients send their passwords in clear: "
                               "make it hostssl ({}:{})",
                               hba_method_name(rule.method),
                               rule.type == HbaRule::Type::kHost ? "host" : "hostnossl", rule.file,
                               rule.line));
        }
    }
}

// The first thing that a new configuration lacks.
void Builder::check_users() {
    const Settings& settings = config_->settings;
    const bool has_passwords = settings.auth_type == AuthType::kPlain ||
                               settings.auth_type == AuthType::kMd5 ||
                               settings.auth_type == AuthType::kScramSha256 ||
                               settings.auth_type == AuthType::kScramSha256Plus;
    const bool asks =
        !settings.auth_user.empty() || (config_->autodb && config_->autodb->auth_user) ||
        std::ranges::any_of(config_->databases,
                            [](const auto& entry) { return entry.second.auth_user.has_value(); });
    const bool reachable = !config_->databases.empty() || config_->autodb;
    if (config_->pgbouncer || !has_passwords || asks || !reachable ||
        !config_->userlist->all().empty()) {
        return;
    }
    report(
        Severity::kWarning, origin_of("auth_type"), "auth_type",
        fmt::format("nobody can log in: auth_type {} needs passwords, and there is no user with "
                    "one; give --upstream its password, or set auth_file, [users.NAME] password, "
                    "or auth_user",
                    format_value(settings.auth_type)));
}

void Builder::check_protocols(const std::string& option, const std::string& value) {
    static constexpr std::string_view kProtocols[] = {"tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3",
                                                      "all",     "secure",  "legacy",  "default"};
    NameList list;
    (void)parse_value(value, list);
    for (const auto& name : list.names) {
        const bool known = std::any_of(std::begin(kProtocols), std::end(kProtocols),
                                       [&](auto p) { return equal_ignoring_case(p, name); });
        if (!known) {
            report(Severity::kError, origin_of(option), option,
                   fmt::format("{}: \"{}\" is not a TLS version ({})", option, name,
                               origin_of(option).text()));
            diagnostics_.back().nearest = nearest(name, kProtocols);
        }
    }
}

void Builder::check_tls() {
    const Settings& settings = config_->settings;
    check_protocols("client_tls_protocols", settings.client_tls_protocols);
    check_protocols("server_tls_protocols", settings.server_tls_protocols);
    if (settings.client_tls_sslmode == SslMode::kDisable) {
        return;
    }
    const Severity severity = config_->pgbouncer ? Severity::kWarning : Severity::kError;
    const auto need = [&](const std::string& value, const std::string& option) {
        if (value.empty()) {
            report(severity, origin_of("client_tls_sslmode"), option,
                   fmt::format("client_tls_sslmode {} needs {}",
                               format_value(settings.client_tls_sslmode), option));
        } else if (::access(value.c_str(), R_OK) != 0) {
            report(
                severity, origin_of(option), option,
                fmt::format("{}: could not read \"{}\": {}", option, value, std::strerror(errno)));
        }
    };
    need(settings.client_tls_key_file, "client_tls_key_file");
    need(settings.client_tls_cert_file, "client_tls_cert_file");
    if (settings.client_tls_sslmode >= SslMode::kVerifyCa) {
        need(settings.client_tls_ca_file, "client_tls_ca_file");
    }
}

// A server that is howdah would ask itself for a server, and so on.
void Builder::check_not_itself(const std::string& name, const DatabaseSettings& database) {
    const Settings& settings = config_->settings;
    for (const ServerAddress& server : database.addresses) {
        const bool own = server.port == settings.listen_port &&
                         std::ranges::any_of(settings.listen_addr.names, [&](const auto& listen) {
                             return listen == server.host ||
                                    (is_loopback(server.host) &&
                                     (is_loopback(listen) || listen == "*" || listen == "0.0.0.0"));
                         });
        if (own) {
            report(config_->pgbouncer ? Severity::kWarning : Severity::kError, database.origin,
                   "port",
                   fmt::format("database \"{}\" is at {}:{}, which is where howdah listens: give "
                               "PostgreSQL's own port, or another listen_port ({})",
                               name, server.host, server.port, database.origin.text()));
        }
    }
}

void Builder::check_databases() {
    const Settings& settings = config_->settings;
    if (config_->databases.empty() && !config_->autodb && diagnostics_.empty()) {
        report(Severity::kWarning, {}, "databases",
               "no databases are configured: only the console can be reached");
    }
    if (config_->autodb) {
        check_not_itself("*", *config_->autodb);
    }
    for (const auto& [name, database] : config_->databases) {
        check_not_itself(name, database);
        const int size = database.pool_size.value_or(settings.default_pool_size);
        if (database.min_pool_size && *database.min_pool_size > size) {
            report(Severity::kWarning, database.origin, "min_pool_size",
                   fmt::format("min_pool_size {} of database \"{}\" is larger than its pool_size "
                               "{}, which counts ({})",
                               *database.min_pool_size, name, size, database.origin.text()));
        }
        if (settings.auth_type == AuthType::kAny && !database.user) {
            report(Severity::kWarning, database.origin, "user",
                   fmt::format("auth_type any needs a user for database \"{}\" ({})", name,
                               database.origin.text()));
        }
    }
}

}  // namespace howdah::config
