// Who the client is: where its user is known from, which limits and rules it meets, and its pool.

#include <fmt/format.h>

#include "base/log.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"
#include "wire/password.hpp"

namespace howdah::proxy {
namespace {

using config::AuthType;
using Kind = ClientCounts::Kind;

bool is_console_name(std::string_view database) {
    return database == "pgbouncer" || database == "howdah";
}

Error config_error() {
    return Error(ErrorCode::kRefused, "08P01", "bouncer config error", "See the proxy's log.");
}

Error too_many(std::string_view option) {
    return Error(ErrorCode::kRefused, "53300",
                 fmt::format("client connections exceeded ({})", option));
}

}  // namespace

net::Task<bool> Session::authenticate() {
    login_ = std::make_unique<Login>();
    auto result = co_await prove();
    if (!result && login_->lookup) {
        worker_.auth_lookups().forget_everywhere(*login_->lookup);
    }
    if (result) {
        result = finish_login();
    }
    login_.reset();
    if (!result) {
        if (!result.error().sqlstate.empty()) {
            fatal(std::move(result).error());
        }
        co_return false;
    }
    co_return true;
}

// The checks come in PgBouncer's order: what a client can find out without a password is the same.
net::Task<Result<>> Session::prove() {
    const config::Config& config = worker_.config();
    if (!console_) {
        login_->database = {worker_.config_ptr(), config.entry(database_)};
    }
    CO_TRY_VOID(count_database());
    if (console_owner()) {
        co_return enter_console();
    }
    CO_TRY_VOID(co_await find_user());
    if (!login_->unknown) {
        CO_TRY_VOID(count_user());
    }
    log_login_attempt();
    if (console_) {
        CO_TRY_VOID(enter_console());
    }
    CO_TRY(AuthRule rule, auth_rule());
    co_return co_await authenticate_by(std::move(rule));
}

Result<> Session::count_database() {
    if (!console_ && !login_->database) {
        return {};
    }
    const config::Settings& settings = worker_.settings();
    const int limit = login_->database ? login_->database->max_db_client_connections.value_or(
                                             settings.max_db_client_connections)
                                       : settings.max_db_client_connections;
    const int count =
        worker_.shared().client_counts.enter(Kind::kDatabase, database_, database_slot_);
    const bool exempt = console_ && (console_owner() || settings.admin_users.contains(user_));
    return limit <= 0 || count <= limit || exempt ? Result<>()
                                                  : fail(too_many("max_db_client_connections"));
}

Result<> Session::count_user() {
    const config::Config& config = worker_.config();
    const auto own = config.users.find(user_);
    const int limit = own != config.users.end() ? own->second.max_user_client_connections.value_or(
                                                      config.settings.max_user_client_connections)
                                                : config.settings.max_user_client_connections;
    const int count = worker_.shared().client_counts.enter(Kind::kUser, user_, user_slot_);
    const bool exempt = console_ && config.settings.admin_users.contains(user_);
    return limit <= 0 || count <= limit || exempt ? Result<>()
                                                  : fail(too_many("max_user_client_connections"));
}

// What is stored for the user: in a file, or in a database. A user nobody knows goes through the
// motions of a login all the same, fails like one with a wrong password, and after as long.
net::Task<Result<>> Session::find_user() {
    const config::Config& config = worker_.config();
    const AuthType type = config.settings.auth_type;
    if (type == AuthType::kAny) {
        if (!console_ && (!login_->database || !login_->database->user)) {
            log::error(log_fields(), "{} auth_type=any requires forced user", label());
            co_return fail(config_error());
        }
        if (!console_) {
            user_ = *login_->database->user;
        }
        co_return Result<>();
    }
    if (const std::string_view who = asked_outside(); !who.empty()) {
        if (login_->database && login_->database->auth_user) {
            log::error(log_fields(), "{} {} can't be used together with database authentication",
                       label(), who);
            co_return fail(config_error());
        }
        co_return Result<>();
    }
    if (config.userlist != nullptr) {
        if (const wire::Secret* stored = config.userlist->find(user_); stored != nullptr) {
            login_->stored = *stored;
            co_return Result<>();
        }
    }
    const std::string auth_user = login_->database && login_->database->auth_user
                                      ? *login_->database->auth_user
                                      : config.settings.auth_user;
    if (!auth_user.empty() && (console_ || login_->database)) {
        CO_TRY_VOID(co_await look_up_user(auth_user));
    } else {
        login_->unknown = true;
    }
    if (login_->unknown) {
        log::info(log_fields(), "{} no such user: {}", label(), user_);
    }
    co_return Result<>();
}

// The entry of [databases] that knows the client's user.
Result<std::string> Session::auth_database() const {
    const config::Config& config = worker_.config();
    std::string name = login_->database && login_->database->auth_dbname
                           ? *login_->database->auth_dbname
                           : config.settings.auth_dbname;
    const bool named = !name.empty();
    if (!named) {
        name = database_;
    }
    if (is_console_name(name) && !config.databases.contains(name)) {
        log::error(log_fields(), "{} cannot use the reserved \"{}\" database as an auth_dbname",
                   label(), name);
        return fail(config_error());
    }
    if (named && config.entry(name) == nullptr) {
        log::error(log_fields(), "{} authentication database \"{}\" is not configured.", label(),
                   name);
        return fail(config_error());
    }
    if (worker_.shared().control().disabled(name)) {
        return fail(Error(ErrorCode::kRefused, "57P03",
                          fmt::format("authentication database \"{}\" is disabled", name)));
    }
    return name;
}

net::Task<Result<>> Session::look_up_user(const std::string& auth_user) {
    AuthRequest request;
    CO_TRY(request.database, auth_database());
    request.auth_user = auth_user;
    request.query = login_->database && login_->database->auth_query
                        ? *login_->database->auth_query
                        : worker_.settings().auth_query;
    request.user = user_;
    login_->lookup = request;
    const std::shared_ptr<AuthLookup> lookup = worker_.auth_lookups().find(request);
    lookup->waiters.push_back(&wake_);
    while (!lookup->done && !client_->ended() && !ending_ && !deadline_.expired()) {
        co_await wake_.wait();
    }
    std::erase(lookup->waiters, &wake_);
    if (!lookup->done) {
        if (deadline_.expired()) {
            co_return fail(Error(ErrorCode::kTimeout, "08P01", "client_login_timeout"));
        }
        co_return fail(ErrorCode::kIo, "client closed the connection during auth_query");
    }
    if (!lookup->answer) {
        co_return fail(lookup->answer.error());
    }
    login_->stored = lookup->answer->password;
    login_->unknown = !lookup->answer->found;
    if (login_->stored && !login_->stored->empty()) {
        worker_.shared().lookups_find_scram.store(
            wire::classify_password(login_->stored->reveal()) == wire::PasswordKind::kScram,
            std::memory_order_relaxed);
    }
    if (login_->unknown && worker_.config().pgbouncer) {
        co_return fail(Error(ErrorCode::kRefused, "08P01", "no such user"));
    }
    co_return Result<>();
}

void Session::log_login_attempt() const {
    if (!worker_.settings().log_connections) {
        return;
    }
    const net::TlsSession* tls = client_->tls();
    log::info(log_fields(), "{} login attempt: db={} user={} tls={} replication={}", label(),
              database_, user_,
              tls != nullptr ? fmt::format("{}/{}", tls->version(), tls->cipher()) : "no",
              !replication()                          ? "no"
              : replication_ == Replication::kLogical ? "database"
                                                      : "yes");
}

// The first that matches; none: null.
const config::HbaRule* Session::hba_rule() const {
    const config::Config& config = worker_.config();
    config::ConnectionFacts facts;
    const net::PeerInfo& peer = client_->peer();
    if (!peer.address.is_unix()) {
        facts.address = config::parse_ip(peer.address.host());
    }
    facts.tls = client_->tls() != nullptr;
    facts.physical_replication = replication_ == Replication::kPhysical;
    facts.database = database_;
    facts.user = user_;
    return config.hba != nullptr ? config.hba->evaluate(facts) : nullptr;
}

Result<Session::AuthRule> Session::auth_rule() const {
    const config::Config& config = worker_.config();
    const std::string service = config.pgbouncer ? "pgbouncer" : "howdah";
    if (config.settings.auth_type != AuthType::kHba) {
        return AuthRule{config.settings.auth_type, nullptr, config.ldap, service};
    }
    const config::HbaRule* rule = hba_rule();
    if (rule == nullptr) {
        return fail(Error(ErrorCode::kRefused, "28000", "no authentication method is found",
                          "No rule of the HBA file matches this connection."));
    }
    if (rule->method == AuthType::kReject) {
        return fail(Error(ErrorCode::kRefused, "28000", "login rejected",
                          "A rule of the HBA file rejects this connection."));
    }
    log::noise("{} HBA Line {} is matched", label(), rule->line);
    return AuthRule{rule->method, rule->map, rule->ldap,
                    rule->pam_service.empty() ? service : rule->pam_service};
}

// The client is who it says. Only now does it hear whether its database exists.
Result<> Session::finish_login() {
    if (console_) {
        return {};
    }
    pool_ = login_->database ? worker_.pool_for(database_, user_) : nullptr;
    if (pool_ == nullptr) {
        log::info(log_fields(), "{} login failed: db={} user={}", label(), database_, user_);
        return fail(Error(ErrorCode::kNotFound, "3D000",
                          fmt::format("no such database: {}", database_),
                          "Add it under [databases], or a \"*\" entry for all."));
    }
    ++pool_->clients;
    const net::Address& address = client_->peer().address;
    client_id_ = worker_.shared().addresses.intern(address.is_unix() ? "unix" : address.host());
    if (worker_.shared().control().disabled(database_)) {
        return fail(Error(ErrorCode::kRefused, "57P03",
                          fmt::format("database \"{}\" is disabled", database_)));
    }
    if (pool_->server_user() != user_) {
        return {};
    }
    if (std::holds_alternative<std::monostate>(login_->proved) && login_->stored &&
        !login_->stored->empty() &&
        wire::classify_password(login_->stored->reveal()) != wire::PasswordKind::kScram) {
        login_->proved = *login_->stored;
    }
    if (!std::holds_alternative<std::monostate>(login_->proved)) {
        pool_->offer_credentials(std::move(login_->proved), login_->proved_outside);
    }
    return {};
}

}  // namespace howdah::proxy
