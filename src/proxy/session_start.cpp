// Before the first query: SSLRequest and its kin, the start-up packet, the parameters in it, and
// after authentication the greeting.

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/log.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

using config::SslMode;

bool is_console_name(std::string_view database) {
    return database == "pgbouncer" || database == "howdah";
}

// Words between spaces; a backslash takes the next character as it is.
std::vector<std::string> split_options(std::string_view options) {
    std::vector<std::string> words;
    std::string word;
    bool open = false;
    for (std::size_t i = 0; i < options.size(); ++i) {
        const bool space = options[i] == ' ' || options[i] == '\t' || options[i] == '\n';
        if (space && open) {
            words.push_back(std::exchange(word, {}));
        }
        open = !space;
        if (options[i] == '\\' && i + 1 < options.size()) {
            word.push_back(options[++i]);
        } else if (!space) {
            word.push_back(options[i]);
        }
    }
    if (open) {
        words.push_back(std::move(word));
    }
    return words;
}

Result<Replication> replication_of(const std::string& value, bool pgbouncer) {
    const std::optional<bool> physical = wire::parse_boolean(value);
    if (value == "database" || physical == true) {
        return value == "database" ? Replication::kLogical : Replication::kPhysical;
    }
    if (!physical && !pgbouncer) {  // PgBouncer takes it for a no
        return fail(Error(ErrorCode::kInvalidInput, "22023",
                          fmt::format("invalid value for parameter \"replication\": \"{}\"", value),
                          "Valid values are: \"false\", 0, \"true\", 1, \"database\"."));
    }
    return Replication::kNone;
}

// A browser, or a probe set up for the wrong port: it is told so in its own language.
constexpr std::string_view kHttpHint =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Connection: close\r\n\r\n"
    "This port speaks PostgreSQL's protocol, not HTTP. howdah's metrics, health and findings are "
    "at the address of the option http_listen (127.0.0.1:6433 unless changed).\n";

bool begins_http(const std::uint8_t* first) {
    constexpr std::string_view kMethods[] = {"GET ", "HEAD", "POST", "PUT ", "OPTI", "DELE"};
    const std::string_view word(reinterpret_cast<const char*>(first), 4);
    return std::ranges::find(kMethods, word) != std::end(kMethods);
}

}  // namespace

// A whole start-up packet. The first byte of a TLS handshake (0x16) where a length should be means
// direct TLS.
net::Task<Result<wire::StartupPacket>> Session::receive_startup() {
    while (true) {
        const std::uint8_t* length_bytes = client_->peek(4);
        if (length_bytes != nullptr) {
            const std::uint32_t length = wire::read_u32(length_bytes);
            if (length < 8 || length > wire::kStartupBytesMax) {
                co_return fail(
                    Error(ErrorCode::kProtocol, "08P01", "invalid length of startup packet"));
            }
            if (client_->buffered() >= length) {
                const std::uint8_t* packet = client_->peek(length);
                auto parsed = wire::parse_startup({packet + 4, length - 4});
                client_->drop(length);
                co_return parsed;
            }
        }
        if (client_->ended() || ending_) {
            co_return fail(ErrorCode::kIo, "client closed the connection before it logged in");
        }
        if (deadline_.expired()) {
            co_return fail(Error(ErrorCode::kTimeout, "08P01", "client_login_timeout"));
        }
        co_await wake_.wait();
    }
}

net::Task<bool> Session::secure(bool direct) {
    const std::shared_ptr<const net::TlsContext> context = worker_.shared().tls()->client();
    const auto deadline_at =
        worker_.loop().now() + (worker_.settings().client_login_timeout.count() > 0
                                    ? worker_.settings().client_login_timeout
                                    : net::Duration(std::chrono::minutes(1)));
    auto secured = co_await client_->start_tls(net::TlsRole::kServer, context, "", deadline_at);
    if (!secured) {
        log::warning(log_fields(), "{} {}", label(), secured.error().message);
        ++worker_.protocol_errors;
        co_return false;
    }
    if (direct && client_->tls()->alpn() != "postgresql") {
        log::warning(log_fields(), "{} direct TLS without ALPN \"postgresql\"", label());
        co_return false;
    }
    co_return true;
}

// Whether who is at the other end may say who is behind it.
bool Session::proxy_header_trusted() const {
    const net::PeerInfo& peer = client_->peer();
    const std::vector<std::string>& networks = worker_.settings().proxy_protocol_networks.names;
    if (peer.address.is_unix()) {
        return networks.empty();
    }
    const auto address = config::parse_ip(peer.address.host());
    const auto contains = [&](std::string_view text) {
        const auto network = config::parse_network(text);
        return network && address && network->contains(*address);
    };
    if (networks.empty()) {
        return contains("127.0.0.0/8") || contains("::1/128");
    }
    return std::any_of(networks.begin(), networks.end(), contains);
}

// PROXY protocol: from here on the client is who the header says. False: the connection ends, and
// without a word, for nobody who speaks PostgreSQL's protocol is there yet.
net::Task<bool> Session::take_proxy_header() {
    const bool required = worker_.settings().proxy_protocol == config::ProxyProtocol::kRequire;
    const std::uint8_t* first = client_->peek(1);
    const bool present = first != nullptr && wire::begins_proxy_header(*first);
    if (!present || !proxy_header_trusted()) {
        if (required || present) {
            ++worker_.protocol_errors;
            log::warning(log_fields(), "{} closing because: {}", label(),
                         present ? "PROXY header from an address that is not in "
                                   "proxy_protocol_networks"
                                 : "no PROXY header (proxy_protocol = require)");
        }
        co_return !required && !present;
    }
    while (true) {
        const std::size_t n = std::min(client_->buffered(), wire::kProxyHeaderBytesMax);
        const auto parsed = wire::parse_proxy_header({client_->peek(n), n});
        if (!parsed) {
            ++worker_.protocol_errors;
            log::warning(log_fields(), "{} closing because: {}", label(), parsed.error().message);
            co_return false;
        }
        if (*parsed) {
            take_proxied_peer(**parsed);
            client_->drop((*parsed)->bytes);
            break;
        }
        if (client_->ended() || ending_ || deadline_.expired()) {
            co_return false;
        }
        co_await wake_.wait();
    }
    while (client_->buffered() == 0 && !client_->ended() && !deadline_.expired() && !ending_) {
        co_await wake_.wait();
    }
    co_return true;
}

void Session::take_proxied_peer(const wire::ProxyHeader& header) {
    if (!header.source || !header.destination) {
        return;
    }
    const auto address_of = [](const wire::ProxyEndpoint& endpoint) {
        char text[INET6_ADDRSTRLEN];
        ::inet_ntop(endpoint.v6 ? AF_INET6 : AF_INET, endpoint.address.data(), text, sizeof text);
        return *net::Address::numeric(text, endpoint.port);
    };
    net::PeerInfo peer;
    peer.address = address_of(*header.source);
    peer.local = address_of(*header.destination);
    client_->set_peer(std::move(peer));
    proxied_ = true;
}

void Session::reject_startup(Error error) {
    const std::uint8_t* first = client_->peek(4);
    if (first == nullptr || !begins_http(first)) {
        fatal(std::move(error));
        return;
    }
    client_->write(kHttpHint);
    log::warning(log_fields(), "{} closing because: an HTTP request on the PostgreSQL port",
                 label());
}

// Bytes ahead of the handshake could be somebody else's (CVE-2021-23214). Nobody who waits for the
// answer sends any, whether it is yes or no.
bool Session::refuse_early_bytes(std::string_view request) {
    if (client_->buffered() == 0) {
        return false;
    }
    ++worker_.protocol_errors;
    fatal(Error(ErrorCode::kProtocol, "08P01",
                fmt::format("received unencrypted data after {} request", request)));
    return true;
}

net::Task<bool> Session::greet() {
    bool asked_tls = false;
    bool asked_gss = false;
    while (client_->buffered() == 0 && !client_->ended() && !deadline_.expired() && !ending_) {
        co_await wake_.wait();
    }
    if (worker_.settings().proxy_protocol != config::ProxyProtocol::kDisable &&
        !co_await take_proxy_header()) {
        co_return false;
    }
    if (const std::uint8_t* first = client_->peek(1); first != nullptr && *first == 0x16) {
        if (worker_.shared().tls()->client() == nullptr || client_->peer().address.is_unix()) {
            co_return false;
        }
        asked_tls = true;
        if (!co_await secure(true)) {
            co_return false;
        }
    }
    while (true) {
        auto packet = co_await receive_startup();
        if (!packet) {
            if (!packet.error().sqlstate.empty()) {
                ++worker_.protocol_errors;
                reject_startup(std::move(packet).error());
            }
            co_return false;
        }
        if (std::holds_alternative<wire::CancelRequest>(*packet)) {
            co_await pass_cancel(std::get<wire::CancelRequest>(std::move(*packet)));
            co_return false;
        }
        if (std::holds_alternative<wire::GssEncRequest>(*packet)) {
            if (std::exchange(asked_gss, true) || refuse_early_bytes("GSSAPI encryption")) {
                co_return false;
            }
            client_->write("N");
            continue;
        }
        if (std::holds_alternative<wire::SslRequest>(*packet)) {
            if (std::exchange(asked_tls, true) || refuse_early_bytes("SSL")) {
                co_return false;
            }
            if (worker_.shared().tls()->client() == nullptr || client_->peer().address.is_unix()) {
                client_->write("N");
                continue;
            }
            client_->write("S");
            if (!co_await secure(false)) {
                co_return false;
            }
            continue;
        }
        co_return co_await take_startup(std::get<wire::StartupRequest>(std::move(*packet)));
    }
}

net::Task<bool> Session::take_startup(wire::StartupRequest request) {
    if (request.major != 3) {
        fatal(Error(ErrorCode::kProtocol, worker_.config().pgbouncer ? "08P01" : "0A000",
                    fmt::format("unsupported frontend protocol {}.{}: server supports 3.0 to 3.{}",
                                request.major, request.minor, wire::kProtocolMinorMax)));
        co_return false;
    }
    if (worker_.settings().client_tls_sslmode >= SslMode::kRequire && client_->tls() == nullptr &&
        !client_->peer().address.is_unix()) {
        fatal(Error(ErrorCode::kRefused, "08P01", "SSL required",
                    "Connect with sslmode=require or stronger."));
        co_return false;
    }
    if (auto taken = take_parameters(request); !taken) {
        fatal(std::move(taken).error());
        co_return false;
    }
    console_ = is_console_name(database_);
    if (auto fits = check_client_limit(); !fits) {
        fatal(std::move(fits).error());
        co_return false;
    }
    protocol_minor_ = std::min(request.minor, wire::kProtocolMinorMax);
    if (request.minor > wire::kProtocolMinorMax || !request.unknown_options.empty()) {
        wire::Encoder answer;
        client_->write(
            answer.negotiate_protocol_version(protocol_minor_, request.unknown_options).view());
    }
    co_return true;
}

// The console stays reachable when everything is full.
Result<> Session::check_client_limit() const {
    if (console_) {
        return {};
    }
    Shared& shared = worker_.shared();
    if (shared.control().shutdown_mode() != ShutdownMode::kNone) {
        return fail(Error(ErrorCode::kRefused, "57P01", "pooler is shutting down"));
    }
    if (shared.clients.load(std::memory_order_relaxed) > worker_.settings().max_client_conn) {
        return fail(
            Error(ErrorCode::kRefused, "53300", "no more connections allowed (max_client_conn)"));
    }
    if (out_of_descriptors_) {
        return fail(Error(ErrorCode::kRefused, "53300",
                          "no more connections allowed (file descriptors)",
                          "Raise the limit of open files (LimitNOFILE, ulimit -n)."));
    }
    return {};
}

// Whether a parameter is to be followed; an error when it is not allowed. With a pgbouncer.ini only
// what PgBouncer can track is; otherwise anything is, and a server says whether it is right.
Result<bool> Session::wants_parameter(const std::string& name, std::string_view where) const {
    const config::Settings& settings = worker_.settings();
    const auto same = [&](std::string_view other) { return server::same_name(name, other); };
    constexpr std::string_view kTracked[] = {"application_name", "client_encoding", "datestyle",
                                             "timezone", "standard_conforming_strings"};
    const bool tracked = std::any_of(std::begin(kTracked), std::end(kTracked), same) ||
                         std::any_of(settings.track_extra_parameters.names.begin(),
                                     settings.track_extra_parameters.names.end(), same);
    if (!tracked && settings.ignore_startup_parameters.contains(name)) {
        return false;
    }
    if (!worker_.config().pgbouncer || tracked || replication()) {
        return true;
    }
    if (!where.empty() && settings.ignore_startup_parameters.contains("options")) {
        return false;
    }
    log::warning(log_fields(), "{} unsupported startup parameter{}: {}", label(), where, name);
    return fail(Error(ErrorCode::kInvalidInput, "08P01",
                      fmt::format("unsupported startup parameter{}: {}", where, name),
                      "List it in ignore_startup_parameters or track_extra_parameters."));
}

// options: "-c name=value", "-cname=value" and "--name=value", with backslashes before spaces.
Result<std::vector<std::pair<std::string, std::string>>> Session::read_options(
    std::string_view options) const {
    const std::vector<std::string> words = split_options(options);
    std::vector<std::pair<std::string, std::string>> values;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string setting;
        if (words[i] == "-c" && i + 1 < words.size()) {
            setting = words[++i];
        } else if (words[i].starts_with("--") || words[i].starts_with("-c")) {
            setting = words[i].substr(2);
        }
        const std::size_t equals = setting.find('=');
        if (equals == std::string::npos || equals == 0) {
            return fail(Error(ErrorCode::kInvalidInput, "08P01",
                              "unsupported options startup parameter: only '-c config=val' and "
                              "'--config=val' are allowed",
                              "Set further options on the server with ALTER ROLE."));
        }
        std::string name = setting.substr(0, equals);
        std::replace(name.begin(), name.end(), '-', '_');
        TRY(const bool wanted, wants_parameter(name, " in options"));
        if (wanted) {
            values.emplace_back(std::move(name), setting.substr(equals + 1));
        }
    }
    return values;
}

Result<> Session::take_parameters(const wire::StartupRequest& request) {
    std::vector<std::pair<std::string, std::string>> values;
    const std::string* options = nullptr;
    if (const std::string* value = request.find("replication"); value != nullptr) {
        TRY(replication_, replication_of(*value, worker_.config().pgbouncer));
    }
    for (const auto& [name, value] : request.parameters) {
        if (name == "user") {
            user_ = value;
        } else if (name == "database") {
            database_ = value;
        } else if (name == "options") {
            options = &value;
        } else if (name == "application_name") {
            application_name_ = value;
        } else if (name != "replication") {
            TRY(const bool wanted, wants_parameter(name, ""));
            if (wanted) {
                values.emplace_back(name, value);
            }
        }
    }
    if (user_.empty()) {
        return fail(Error(ErrorCode::kInvalidInput, "28000",
                          worker_.config().pgbouncer
                              ? "no username supplied"
                              : "no PostgreSQL user name specified in startup packet"));
    }
    if (database_.empty()) {
        database_ = user_;
    }
    name_application();
    if (!application_name_.empty() || request.find("application_name") != nullptr) {
        // In front: so they are sorted where a driver sends what libpq does, and need not be.
        values.emplace(values.begin(), "application_name", application_name_);
    }
    if (options != nullptr) {
        // PostgreSQL takes them first, wherever they stand: a parameter of the packet has the last
        // word. So it is by PgBouncer for libpq, which sends them in front.
        TRY(auto first, read_options(*options));
        values.insert(values.begin(), std::make_move_iterator(first.begin()),
                      std::make_move_iterator(first.end()));
    }
    vars_ = worker_.parameters().intern(std::move(values));
    base_vars_ = vars_;
    return {};
}

// application_name_add_host: "psql - 10.0.0.7:51234".
void Session::name_application() {
    if (worker_.settings().application_name_add_host) {
        const net::PeerInfo& peer = client_->peer();
        application_name_ =
            fmt::format("{} - {}", application_name_.empty() ? "app" : application_name_,
                        peer.address.is_unix()
                            ? fmt::format("unix({}):{}", peer.pid, worker_.settings().listen_port)
                            : peer.address.to_string());
    }
    application_name_.resize(std::min<std::size_t>(application_name_.size(), 63));
}

// Waiting for the first server is waiting for a query, too.
void Session::arm_welcome() {
    net::TimePoint due = login_due_;
    for (const net::Duration limit : {pool_->query_timeout, pool_->query_wait_timeout}) {
        if (limit.count() > 0) {
            due = std::min(due, wait_started_ + limit);
        }
    }
    if (due != net::TimePoint::max()) {
        deadline_.arm(due);
    }
}

Error Session::welcome_timeout() const {
    const net::TimePoint now = worker_.loop().now();
    const bool query =
        pool_->query_timeout.count() > 0 && now - wait_started_ >= pool_->query_timeout;
    return Error(ErrorCode::kTimeout, "08P01",
                 now >= login_due_ ? "client_login_timeout"
                 : query           ? "query_timeout"
                                   : "query_wait_timeout",
                 why_no_server());
}

// A server that was lent may have died before we looked at it: then another is asked for.
void Session::await_greeting_server() {
    pool::Pooled* server = std::exchange(waiter_.granted, nullptr);
    if (server == nullptr && (waiter_.queued || waiter_.refused)) {
        return;
    }
    if (server == nullptr) {
        server = ask_for_server();
    }
    if (server != nullptr) {
        link(server);
    }
    arm_welcome();
}

// After authentication: finds out what the server reports, and says it to the client.
net::Task<bool> Session::welcome() {
    if (console_) {
        send_welcome(parameter_statuses({.values = {{"server_version", HOWDAH_VERSION "/howdah"},
                                                    {"client_encoding", "UTF8"},
                                                    {"server_encoding", "UTF8"},
                                                    {"DateStyle", "ISO"},
                                                    {"TimeZone", "GMT"},
                                                    {"standard_conforming_strings", "on"},
                                                    {"is_superuser", "on"}}}));
        co_return true;
    }
    const bool validate =
        !vars_->values.empty() && !worker_.parameters_known_good(vars_) && !greets_unchecked();
    std::shared_ptr<const pool::Greeting> greeting = pool_->pool().greeting();
    if (greeting == nullptr || validate || replication()) {
        wait_started_ = worker_.loop().now();
        waiter_.patient = true;
        while (!ending_) {
            if (lease_ == nullptr) {
                await_greeting_server();
            }
            if (waiter_.refused) {
                const bool hidden = replication() && worker_.config().pgbouncer;
                fatal(hidden ? Error(ErrorCode::kRefused, "08P01", "login failed")
                             : std::move(*waiter_.refused));
                break;
            }
            pump_server();
            if (lease_ != nullptr && injected_ == Purpose::kNone) {
                break;
            }
            if (client_->ended()) {
                co_return false;
            }
            if (deadline_.expired()) {
                fatal(welcome_timeout());
                break;
            }
            co_await wake_.wait();
        }
        if (ending_) {
            co_return false;
        }
    }
    if (lease_ != nullptr && !greets_unchecked()) {
        worker_.note_good_parameters(vars_);
        client_view_ = lease_->connection->reported_set;
        rules_ = text_rules(*client_view_);
        send_welcome(parameter_statuses(*client_view_));
    } else {
        if (greeting == nullptr) {
            greeting = pool_->pool().greeting();
        }
        if (greeting == nullptr) {  // gone again by now, there is the server itself
            greeting = std::make_shared<const pool::Greeting>(lease_->connection->reported);
        }
        const Welcome& known = pool_->welcomes.find(greeting, vars_, worker_.parameters());
        client_view_ = known.view;
        rules_ = known.rules;
        send_welcome(known.statuses);
    }
    waiter_.patient = false;
    if (lease_ != nullptr && may_release()) {
        release();
    } else if (lease_ != nullptr && greets_unchecked()) {
        follow_parameters();
    }
    co_return true;
}

void Session::send_welcome(std::string_view statuses) {
    wire::Encoder welcome;
    welcome.authentication(0);
    welcome.bytes(statuses);
    const std::size_t key_bytes = protocol_minor_ >= 2 ? 32 : 4;
    cancel_key_.resize(key_bytes);
    fill_random(cancel_key_);
    cancel_pid_ = worker_.cancel_pid_for(id_, cancel_key_);
    welcome.backend_key_data(cancel_pid_, cancel_key_);
    if (const std::string& notice = worker_.settings().login_notify_message; !notice.empty()) {
        welcome.notice_response("NOTICE", Error(ErrorCode::kInternal, "00000", notice));
    }
    welcome.ready_for_query('I');
    client_->write(welcome.view());
}

}  // namespace howdah::proxy
