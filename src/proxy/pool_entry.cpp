// The pool of one database and user: which server, as whom, with which limits.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "proxy/resolver.hpp"
#include "proxy/session_text.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

using namespace std::chrono_literals;
using config::PoolMode;
using config::SslMode;

namespace {

// How long keys that a client proved itself with outlive the last use of its pool.
constexpr net::Duration kOfferedMax = 1h;

// No name to resolve: an address, or the folder of a unix socket.
bool is_literal(const std::string& host) {
    return host.empty() || host[0] == '/' || host[0] == '@' ||
           net::Address::numeric(host, 0).has_value();
}

// Closes an idle connection that counts in the quota, of any pool of this loop but one.
bool evict_one_of(Worker& worker, const pool::Quota& quota, const PoolEntry* but) {
    return std::any_of(worker.pools().begin(), worker.pools().end(), [&](const auto& pool) {
        PoolEntry& entry = *pool.second;
        const bool shares = &worker.shared().database_quota(entry.database()) == &quota ||
                            &worker.shared().user_quota(entry.user()) == &quota;
        return &entry != but && shares && entry.pool().close_one_idle("evicted");
    });
}

}  // namespace

net::TcpOptions tcp_options(const config::Settings& settings) {
    net::TcpOptions options;
    options.keepalive = settings.tcp_keepalive;
    options.keepalive_count = settings.tcp_keepcnt;
    options.keepalive_idle_s = settings.tcp_keepidle;
    options.keepalive_interval_s = settings.tcp_keepintvl;
    options.user_timeout_ms = settings.tcp_user_timeout;
    options.socket_buffer = settings.tcp_socket_buffer;
    return options;
}

PoolEntry::PoolEntry(Worker& worker, std::string database, std::string user)
    : hidden_code(worker.shared().hidden_code(database)),
      worker_(worker),
      database_(std::move(database)),
      user_(std::move(user)) {
    database_id = worker_.intern_name(database_);
    user_id = worker_.intern_name(user_);
    reconfigure();
    const Control& control = worker_.shared().control();
    database_disabled = control.disabled(database_);
    pool_->set_paused(control.paused(database_));
}

bool PoolEntry::unused_for(net::Duration limit) {
    const net::TimePoint now = worker_.loop().now();
    const pool::Counts counts = pool_->counts();
    const bool kept = pool_->options().size_min > 0 && settings_.user && !removed_;
    if (clients > 0 || counts.total() > 0 || counts.waiting > 0 || kept || following_dns_ ||
        last_used_ == net::TimePoint{}) {
        last_used_ = now;
    }
    return now - last_used_ > limit;
}

std::uint64_t PoolEntry::next_id() {
    return worker_.shared().next_session.fetch_add(1, std::memory_order_relaxed);
}

PoolEntry::~PoolEntry() = default;

pool::Options PoolEntry::pool_options() const {
    const config::Settings& global = worker_.settings();
    const auto user = worker_.config().users.find(user_);
    const config::UserSettings* own =
        user != worker_.config().users.end() ? &user->second : nullptr;
    pool::Options options;
    options.size = own != nullptr && own->pool_size ? *own->pool_size
                   : settings_.pool_size            ? *settings_.pool_size
                                                    : global.default_pool_size;
    options.size_min = keeps_minimum_ ? settings_.min_pool_size.value_or(global.min_pool_size) : 0;
    options.reserve_size = own != nullptr && own->reserve_pool_size
                               ? *own->reserve_pool_size
                               : settings_.reserve_pool_size.value_or(global.reserve_pool_size);
    options.reserve_timeout = global.reserve_pool_timeout;
    options.server_lifetime = settings_.server_lifetime.value_or(global.server_lifetime);
    options.server_idle_timeout = global.server_idle_timeout;
    options.server_check_delay = global.server_check_delay;
    options.server_check_query = global.server_check_query;
    options.server_reset_query = global.server_reset_query;
    options.reset_on_release = mode_ == PoolMode::kSession;
    options.reset_always = global.server_reset_query_always || mode_ == PoolMode::kSession;
    options.round_robin = global.server_round_robin;
    options.server_login_retry = global.server_login_retry;
    options.retry_soon = !worker_.config().pgbouncer;  // whose users know one pause
    options.connects_parallel = std::max(1, global.server_connects_parallel);
    options.probe_first = settings_.addresses.size() > 1 &&
                          settings_.load_balance_hosts == config::LoadBalance::kDisable;
    return options;
}

void PoolEntry::remove() {
    removed_ = true;
    keeps_minimum_ = false;
    pool_->reconfigure(pool_options());
    pool_->reconnect("database removed");
}

void PoolEntry::reconfigure() {
    const config::Config& config = worker_.config();
    removed_ = false;
    if (auto settings = config.database(database_)) {
        settings_ = std::move(*settings);
    }
    const config::Settings& global = config.settings;
    const auto found = config.users.find(user_);
    const config::UserSettings* own = found != config.users.end() ? &found->second : nullptr;
    mode_ = own != nullptr && own->pool_mode ? *own->pool_mode
            : settings_.pool_mode            ? *settings_.pool_mode
                                             : global.pool_mode;
    const auto pick = [&](std::optional<net::Duration> config::UserSettings::* field,
                          net::Duration fallback) {
        return own != nullptr && (own->*field) ? *(own->*field) : fallback;
    };
    query_wait_timeout = pick(&config::UserSettings::query_wait_timeout,
                              settings_.query_wait_timeout.value_or(global.query_wait_timeout));
    query_timeout = pick(&config::UserSettings::query_timeout, global.query_timeout);
    transaction_timeout =
        pick(&config::UserSettings::transaction_timeout, global.transaction_timeout);
    idle_transaction_timeout =
        pick(&config::UserSettings::idle_transaction_timeout, global.idle_transaction_timeout);
    client_idle_timeout =
        pick(&config::UserSettings::client_idle_timeout, global.client_idle_timeout);
    any_timeout = query_timeout.count() + transaction_timeout.count() +
                      idle_transaction_timeout.count() + client_idle_timeout.count() >
                  0;
    worker_.shared().database_quota(database_).limit =
        settings_.max_db_connections.value_or(global.max_db_connections);
    worker_.shared().user_quota(user_).limit = own != nullptr && own->max_user_connections
                                                   ? *own->max_user_connections
                                                   : global.max_user_connections;
    if (pool_ == nullptr) {
        commons_ = worker_.shared().commons(database_, user_);
        pool_ = std::make_unique<pool::Pool>(
            worker_.loop(), *this, pool_options(),
            std::vector<pool::Quota*>{&worker_.shared().database_quota(database_),
                                      &worker_.shared().user_quota(user_)},
            commons_, worker_.index());
    } else {
        pool_->reconfigure(pool_options());
    }
}

void PoolEntry::offer_credentials(server::Credentials credentials, bool before_stored) {
    offered_ = std::move(credentials);
    offered_before_stored_ = before_stored;
    offered_used_ = worker_.loop().now();
}

void PoolEntry::expire_credentials() {
    if (std::holds_alternative<std::monostate>(offered_)) {
        return;
    }
    const net::TimePoint now = worker_.loop().now();
    if (clients > 0 || pool_->counts().total() > 0) {
        offered_used_ = now;
    } else if (now - offered_used_ >= kOfferedMax) {
        offered_ = std::monostate();
    }
}

// The database entry's password, the user's stored one, or what a client proved itself with.
Result<server::Credentials> PoolEntry::server_credentials() const {
    if (settings_.password && settings_.user.value_or(user_) == user_) {
        return server::Credentials(*settings_.password);
    }
    if (offered_before_stored_ && !std::holds_alternative<std::monostate>(offered_)) {
        return offered_;
    }
    const auto& userlist = worker_.config().userlist;
    const wire::Secret* stored = userlist != nullptr ? userlist->find(user_) : nullptr;
    const bool usable = stored != nullptr && !stored->empty() &&
                        wire::classify_password(stored->reveal()) != wire::PasswordKind::kScram;
    return usable ? server::Credentials(*stored) : offered_;
}

bool PoolEntry::has_scram_secret() const {
    const auto& userlist = worker_.config().userlist;
    const wire::Secret* stored = userlist != nullptr ? userlist->find(user_) : nullptr;
    return stored != nullptr &&
           wire::classify_password(stored->reveal()) == wire::PasswordKind::kScram;
}

net::Task<Result<server::Target>> PoolEntry::next_target() {
    server::Target target;
    if (settings_.addresses.empty()) {
        co_return fail(Error(ErrorCode::kNotFound, "08001", "no server is configured"));
    }
    CO_TRY_VOID(co_await choose_address(target));
    CO_TRY(target.credentials, server_credentials());
    if (std::holds_alternative<std::monostate>(target.credentials) && has_scram_secret()) {
        target.no_credentials = "server login failed: wrong password type";
    }
    if (const auto* password = std::get_if<wire::Secret>(&target.credentials);
        password != nullptr && known_keys_ && *password == known_keys_password_) {
        target.known_keys = known_keys_;
    } else if (password != nullptr) {
        known_keys_.reset();
        known_keys_password_ = *password;
    }
    describe_target(target);
    co_return target;
}

// Which host is next, and its addresses: several records of a name are taken in turn, and the
// others are tried when one cannot be reached.
net::Task<Result<>> PoolEntry::choose_address(server::Target& target) {
    const config::Settings& global = worker_.settings();
    if (settings_.load_balance_hosts == config::LoadBalance::kDisable &&
        pool_->last_failure() == std::nullopt) {
        next_address_ = next_good_;
    }
    const std::size_t index = next_address_ % settings_.addresses.size();
    next_address_ = index + 1;
    attempted_ = index;
    const config::ServerAddress& address = settings_.addresses[index];
    target.host = address.host;
    const auto port = static_cast<std::uint16_t>(address.port);
    if (address.host.empty() || address.host[0] == '/' || address.host[0] == '@') {
        const std::string folder = address.host.empty() ? global.unix_socket_dir : address.host;
        target.address = net::Address::unix_path(
            fmt::format("{}/.s.PGSQL.{}", folder.empty() ? "/tmp" : folder, port));
    } else if (auto numeric = net::Address::numeric(address.host, port)) {
        target.address = *numeric;
    } else {
        Resolver::Question question;
        question.name = address.host;
        question.times = {global.dns_max_ttl, global.dns_nxdomain_ttl};
        if (global.server_connect_timeout.count() > 0) {
            question.deadline = worker_.loop().now() + global.server_connect_timeout;
        }
        auto found = co_await worker_.shared().resolver.resolve(worker_.loop(), question);
        if (!found) {
            co_return fail_in("server DNS lookup failed", std::move(found).error());
        }
        const std::size_t turn = next_record_++;
        for (std::size_t i = 0; i < found->size(); ++i) {
            net::Address one = (*found)[(turn + i) % found->size()];
            one.set_port(port);
            (i == 0 ? target.address : target.more_addresses.emplace_back()) = one;
        }
    }
    co_return Result<>();
}

// Everything about the server but where it is and how we prove who we are.
void PoolEntry::describe_target(server::Target& target) const {
    const config::Settings& global = worker_.settings();
    target.user = server_user();
    target.database = settings_.dbname ? *settings_.dbname : database_;
    if (settings_.client_encoding) {
        target.startup.emplace_back("client_encoding", *settings_.client_encoding);
    }
    if (settings_.datestyle) {
        target.startup.emplace_back("datestyle", *settings_.datestyle);
    }
    if (settings_.timezone) {
        target.startup.emplace_back("timezone", *settings_.timezone);
    }
    if (settings_.application_name) {
        target.startup.emplace_back("application_name", *settings_.application_name);
    }
    target.connect_query = settings_.connect_query.value_or("");
    target.tls_mode =
        static_cast<server::TlsMode>(settings_.sslmode.value_or(global.server_tls_sslmode));
    target.tls = worker_.shared().tls()->server_for(database_);
    target.channel_binding = static_cast<wire::ChannelBinding>(
        settings_.channel_binding.value_or(global.server_channel_binding));
    target.connect_timeout = global.server_connect_timeout;
    target.login_timeout = global.server_connect_timeout;
}

// After a failure: whether there is a host that has not failed since the last success.
bool PoolEntry::may_retry_now() {
    return failures_in_row_ < settings_.addresses.size();
}

// Connections to addresses that their host's name does not resolve to any more are closed when
// they are given back. Balancers that tell a part of their addresses at a time make an address
// come and go: it has to be missing twice in a row.
net::Task<void> PoolEntry::follow_dns() {
    // A RELOAD replaces both while names are being resolved.
    const std::vector<config::ServerAddress> addresses = settings_.addresses;
    const DnsTimes times = {worker_.settings().dns_max_ttl, worker_.settings().dns_nxdomain_ttl};
    std::set<std::string> gone;
    for (const config::ServerAddress& address : addresses) {
        if (is_literal(address.host)) {
            continue;
        }
        Resolver::Question question;
        question.name = address.host;
        question.times = times;
        question.deadline = worker_.loop().now() + 5s;
        const auto found =
            co_await worker_.shared().resolver.resolve(worker_.loop(), std::move(question));
        if (!found) {
            continue;
        }
        for (const auto& server : pool_->servers()) {
            if (server->connection == nullptr || server->connection->host != address.host) {
                continue;
            }
            const std::string own = server->connection->address.host();
            if (std::none_of(found->begin(), found->end(),
                             [&](const net::Address& one) { return one.host() == own; })) {
                gone.insert(own);
                server->connection->doomed = server->connection->doomed || missing_.contains(own);
            }
        }
    }
    missing_ = std::move(gone);
    following_dns_ = false;
}

void PoolEntry::keep_house() {
    expire_credentials();
    // A pool without clients keeps its minimum only when its user is the database's.
    const bool in_use = !removed_ && (clients > 0 || settings_.user == user_);
    if (std::exchange(keeps_minimum_, in_use) != in_use) {
        pool_->reconfigure(pool_options());
    }
    const net::Duration period = std::max<net::Duration>(worker_.settings().dns_max_ttl, 1s);
    const net::TimePoint now = worker_.loop().now();
    const bool named = std::any_of(settings_.addresses.begin(), settings_.addresses.end(),
                                   [](const auto& address) { return !is_literal(address.host); });
    if (named && !following_dns_ && now - dns_followed_at_ >= period && !pool_->servers().empty()) {
        following_dns_ = true;
        dns_followed_at_ = now;
        worker_.tasks().spawn(follow_dns());
    }
}

// Where this loop has none, the others are asked: our pool looks again in its next tick.
bool PoolEntry::evict_idle(const pool::Quota& quota) {
    if (evict_one_of(worker_, quota, this)) {
        return true;
    }
    for (Worker* other : worker_.shared().workers) {
        if (other != &worker_) {
            other->loop().post([other, &quota] {
                if (quota.full()) {
                    evict_one_of(*other, quota, nullptr);
                }
            });
        }
    }
    return false;
}

void PoolEntry::send_over(std::size_t seat, std::unique_ptr<ServerConnection> connection,
                          net::Detached detached) {
    Worker* there = worker_.shared().workers[seat];
    there->loop().post([there, database = database_, user = user_,
                        connection = std::move(connection),
                        detached = std::move(detached)]() mutable {
        // Parameter sets are interned loop by loop.
        if (connection->applied != nullptr) {
            connection->applied = there->parameters().intern(connection->applied->values);
        }
        connection->reported_set = nullptr;
        connection->stream = net::attach(there->loop(), std::move(detached));
        // Not pool_for(): a database may force another user on its clients than the one who is
        // logged in here to look up their passwords.
        PoolEntry* entry = there->stopping ? nullptr : there->pool_as(database, user);
        if (entry != nullptr) {
            entry->pool().adopt(std::move(connection));
            return;
        }
        // Its database was removed meanwhile: its place under the limits ends with it.
        there->shared().commons(database, user)->give_up();
        there->shared().database_quota(database).used.fetch_sub(1, std::memory_order_relaxed);
        there->shared().user_quota(user).used.fetch_sub(1, std::memory_order_relaxed);
    });
}

void PoolEntry::ask_neighbour(std::size_t seat, pool::Plea plea) {
    Worker* there = worker_.shared().workers[seat];
    there->loop().post([there, database = database_, user = user_, plea] {
        const auto found = there->pools().find({database, user});
        if (found != there->pools().end()) {
            found->second->pool().heed(plea);
        }
    });
}

bool PoolEntry::watches_hidden_code() const {
    const config::Settings& global = worker_.settings();
    return mode_ != PoolMode::kSession && (global.track_session_parameters || global.pin_sessions);
}

// The first server tells before any client has it.
std::string PoolEntry::question() {
    if (!watches_hidden_code() || hidden_code.is_known()) {
        return {};
    }
    auto wanted = hidden_code.wants_to_know(worker_.loop().now());
    if (!wanted) {
        return {};
    }
    question_ = std::move(wanted);
    return HiddenCode::sql(HiddenCode::kLoginAnswerMax);
}

void PoolEntry::on_connected(pool::Pooled& server) {
    const auto answer = std::move(server.connection->answer);
    if (answer != nullptr && question_) {
        for (const std::string& row : answer->rows) {
            HiddenCode::take_row({reinterpret_cast<const std::uint8_t*>(row.data()), row.size()},
                                 *question_);
        }
        if (answer->error.empty()) {
            hidden_code.answered(*question_, worker_.loop().now(), database_,
                                 worker_.shared().databases_asked());
        } else {
            hidden_code.not_answered(*question_, answer->error, worker_.loop().now(), database_);
        }
        question_.reset();
    }
    ++stats.connects;
    next_good_ = attempted_;
    failures_in_row_ = 0;
    if (server.connection->made_keys) {
        known_keys_ = std::move(server.connection->made_keys);
        server.connection->made_keys.reset();
    }
    if (worker_.settings().log_connections) {
        log::info({.database = database_, .user = user_},
                  "S-{:x}: {}/{}@{} new connection to server (from {})", server.id, database_,
                  server_user(), server.connection->address.to_string(),
                  server.connection->stream->peer().local.to_string());
    }
}

namespace {

// As PgBouncer's log has it.
std::string failure_reason(const Error& error) {
    if (error.message.starts_with("server DNS lookup failed")) {
        return "server DNS lookup failed";
    }
    switch (error.code) {
        case ErrorCode::kTimeout:
            return "connect timeout";
        case ErrorCode::kUnavailable:
        case ErrorCode::kIo:
            return "connect failed";
        default:
            return loggable_message(error);
    }
}

}  // namespace

void PoolEntry::on_reserve_used() {
    log::warning({.database = database_, .user = user_},
                 "{}/{}: taking connection from reserve_pool", database_, server_user());
}

void PoolEntry::on_connect_failed(const pool::Pooled& server, const Error& error) {
    ++stats.connect_failures;
    ++failures_in_row_;
    if (std::exchange(question_, std::nullopt)) {
        hidden_code.let_others_ask();
    }
    if (error.code != ErrorCode::kServer && !settings_.addresses.empty()) {
        // Its addresses may be others by now.
        worker_.shared().resolver.expire(
            settings_.addresses[attempted_ % settings_.addresses.size()].host);
    }
    log::warning({.database = database_, .user = user_}, "server login failed: {}{}",
                 error.code == ErrorCode::kServer ? "FATAL " : "", loggable_message(error));
    if (worker_.settings().log_disconnections) {
        log::info({.database = database_, .user = user_},
                  "S-{:x}: {}/{}@{} closing because: {} (age={}s)", server.id, database_,
                  server_user(), attempted_host(),
                  server.dedicated && error.code == ErrorCode::kServer ? "login failed"
                                                                       : failure_reason(error),
                  (worker_.loop().now() - server.started_at).count() / 1'000'000);
    }
}

std::string PoolEntry::attempted_host() const {
    if (settings_.addresses.empty()) {
        return "?";
    }
    const auto& address = settings_.addresses[attempted_ % settings_.addresses.size()];
    return fmt::format("{}:{}", address.host, address.port);
}

void PoolEntry::on_closed(pool::Pooled& server, const std::string& reason) {
    if (worker_.settings().log_disconnections) {
        log::info({.database = database_, .user = user_},
                  "S-{:x}: {}/{}@{} closing because: {} (age={}s)", server.id, database_,
                  server_user(), server.connection->address.to_string(), reason,
                  (worker_.loop().now() - server.connection->connected_at).count() / 1'000'000);
    }
}

}  // namespace howdah::proxy
