#include "proxy/worker.hpp"

#include <fmt/format.h>

#include <set>

#include "base/log.hpp"
#include "proxy/console_rows.hpp"
#include "proxy/gather.hpp"
#include "proxy/resolver.hpp"
#include "proxy/stats_average.hpp"

namespace howdah::proxy {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kStatementBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kGoodParametersMax = 1024;
// Statement ids of different loops never meet: connections move between loops.
constexpr std::uint64_t kIdStep = pool::kLoopsMax;

std::size_t ring_capacity(int wanted) {
    std::size_t capacity = 1024;
    while (capacity < static_cast<std::size_t>(std::max(wanted, 1))) {
        capacity *= 2;
    }
    return capacity;
}

}  // namespace

Worker::Worker(net::Loop& loop, Shared& shared, std::uint32_t index)
    : loop_(loop),
      shared_(shared),
      index_(index),
      config_(shared.config()),
      prepared_(config_->pgbouncer ? "PGBOUNCER_" : "HOWDAH_", index + 1, kIdStep),
      statements_(static_cast<std::size_t>(std::max(16, config_->settings.statement_shapes_max)),
                  kStatementBytesMax),
      fingerprints_(static_cast<std::size_t>(std::max(16, config_->settings.statement_shapes_max))),
      events_(ring_capacity(config_->settings.query_event_ring)),
      recorder_(fingerprints_, events_),
      tags_(shared.salt),
      tap_(shared.salt, index),
      verifiers_(shared.secret),
      auth_lookups_(*this) {
    loop_.set_tcp_options(tcp_options(config_->settings));
    tap_.configure(settings().insight, settings().insight_sample_above);
    loop_.on_turn = [this] { recorder_.settle(); };
}

Worker::~Worker() {
    loop_.on_turn = nullptr;
    ASSERT(sessions_.empty());
}

void Worker::accept(net::Accepted accepted) {
    const bool last =
        shared_.client_descriptors_max > 0 && accepted.fd >= shared_.client_descriptors_max;
    accept(loop_.adopt(accepted.fd, std::move(accepted.peer)), last);
}

void Worker::accept(std::unique_ptr<net::Stream> stream, bool out_of_descriptors) {
    const std::uint64_t id = shared_.next_session.fetch_add(1, std::memory_order_relaxed);
    ++sessions_total;
    count_client(+1);
    auto session = std::make_unique<Session>(*this, std::move(stream), id);
    Session* raw = session.get();
    sessions_.emplace(id, std::move(session));
    if (out_of_descriptors) {
        raw->set_out_of_descriptors();
    }
    if (stopping) {
        raw->end("57P01", "the proxy is shutting down");
    }
    tasks_.spawn(run_session(raw));
}

void Worker::adopt(ClientState state, int fd, int server_fd) {
    net::Detached client;
    client.fd = fd;
    client.peer = net::describe_peer(fd);
    client.input = std::move(state.input);
    const std::uint64_t id = shared_.next_session.fetch_add(1, std::memory_order_relaxed);
    ++sessions_total;
    count_client(+1);
    auto session = std::make_unique<Session>(*this, net::attach(loop_, std::move(client)), id);
    Session* raw = session.get();
    sessions_.emplace(id, std::move(session));
    net::Detached server;
    server.fd = server_fd;
    raw->arrive(std::move(state), std::move(server));
    if (stopping) {
        raw->end("57P01", "the proxy is shutting down");
    }
    tasks_.spawn(run_session(raw));
}

void adopt_client(const std::vector<Worker*>& workers, ClientState state, int fd, int server_fd) {
    Worker* worker = workers[(state.cancel_pid & 0xf) % workers.size()];
    worker->loop().post([worker, fd, server_fd, state = std::move(state)]() mutable {
        worker->adopt(std::move(state), fd, server_fd);
    });
}

void Worker::set_handing_over(bool on) {
    handing_over_ = on;
    for (const auto& [id, session] : sessions_) {
        session->wake();
    }
}

void Worker::count_client(int change) {
    shared_.clients.fetch_add(change, std::memory_order_relaxed);
}

net::Task<void> Worker::run_session(Session* session) {
    co_await session->run();
    count_client(-1);
    sessions_.erase(session->id());
}

PoolEntry* Worker::pool_for(const std::string& database, const std::string& user) {
    const config::DatabaseSettings* settings = config_->entry(database);
    if (settings == nullptr) {
        return nullptr;
    }
    return pool_as(database, settings->user ? *settings->user : user);
}

PoolEntry* Worker::pool_as(const std::string& database, const std::string& user) {
    const auto found = pools_.find({database, user});
    if (found != pools_.end()) {
        return found->second.get();
    }
    if (config_->entry(database) == nullptr) {
        return nullptr;
    }
    if (!config_->databases.contains(database)) {
        log::info("registered new auto-database: {}", database);
    }
    auto entry = std::make_unique<PoolEntry>(*this, database, user);
    PoolEntry* raw = entry.get();
    pools_.emplace(std::pair(database, user), std::move(entry));
    return raw;
}

void Worker::reconfigure() {
    const config::ConfigPtr old = std::exchange(config_, shared_.config());
    loop_.set_tcp_options(tcp_options(config_->settings));
    tap_.configure(settings().insight, settings().insight_sample_above);
    std::set<std::string> changed;
    bool tls_changed = false;
    for (const config::ConfigChange& change : config::difference(*old, *config_)) {
        if (change.reconnect && change.what == config::ConfigChange::What::kDatabase) {
            changed.insert(change.name);
        }
        tls_changed = tls_changed || (change.reconnect && change.name.starts_with("server_"));
    }
    for (auto& [key, entry] : pools_) {
        if (config_->entry(entry->database()) == nullptr) {
            log::warning("dropping database '{}' as it does not exist anymore", entry->database());
            for (const auto& [id, session] : sessions_) {
                if (session->pool() == entry.get()) {
                    session->end("08P01", "database removed");
                }
            }
            entry->remove();
            continue;
        }
        entry->reconfigure();
        const bool own = config_->databases.contains(entry->database());
        if (tls_changed || changed.contains(own ? entry->database() : "*")) {
            entry->pool().reconnect("database configuration changed");
        }
    }
    for (const auto& [id, session] : sessions_) {
        session->reconfigured();
    }
}

void Worker::note_good_parameters(const server::ParameterSetPtr& parameters) {
    if (good_parameters_.size() >= kGoodParametersMax) {
        good_parameters_.clear();
    }
    good_parameters_.insert(parameters);
}

void Worker::give_back(PoolEntry& entry, pool::Pooled* server) {
    if (server->connection->cancels_in_flight > 0) {
        server->connection->stream->set_listener(nullptr);
        server->connection->release_pending = true;
        return;
    }
    entry.pool().release(server);
}

const std::string& console_name(const config::Config& config) {
    static const std::string kOurs = "howdah";
    static const std::string kTheirs = "pgbouncer";
    return config.pgbouncer ? kTheirs : kOurs;
}

const std::string& Worker::console_name() const {
    return proxy::console_name(*config_);
}

void Worker::apply_pauses() {
    const Control& control = shared_.control();
    for (const auto& [key, entry] : pools_) {
        entry->database_disabled = control.disabled(entry->database());
        entry->pool().set_paused(control.paused(entry->database()));
    }
    const bool lent_before = !lends_no_more_;
    lends_no_more_ = control.shutdown_mode() == ShutdownMode::kWaitForServers;
    if (lent_before && lends_no_more_) {
        lends_no_more_since_ = loop_.now();
    }
    if (std::exchange(suspended_, control.pause_mode() == PauseMode::kSuspend) && !suspended_) {
        for (const auto& [id, session] : sessions_) {
            session->wake();
        }
    }
}

bool Worker::suspend_done(bool force) {
    for (const auto& [id, session] : sessions_) {
        if (!session->quiet()) {
            if (!force) {
                return false;
            }
            session->end("08P01", "suspend_timeout");
        }
    }
    return true;
}

void Worker::settle_bytes() {
    for (const auto& [id, session] : sessions_) {
        session->settle_bytes();
    }
}

std::int64_t Worker::stats_age_us() const {
    return (loop_.now() - stats_older_at_).count();
}

// Once every stats_period: what averages are counted from moves on; the first loop logs the sums.
net::Task<void> Worker::roll_stats() {
    settle_bytes();
    for (const auto& [key, entry] : pools_) {
        entry->history.roll(entry->stats);
    }
    console_history.roll(console_stats);
    stats_older_at_ = std::exchange(stats_newer_at_, loop_.now());
    if (index_ != 0 || !settings().log_stats) {
        co_return;
    }
    StatsRow sum;
    for (const StatsRow& row : co_await gather_rows<StatsRow>(*this, stats_rows)) {
        sum.now.add(row.now);
        sum.before.add(row.before);
    }
    log::info("stats: {}", describe_averages(average_of(sum.now, sum.before, stats_age_us())));
}

net::Task<void> Worker::retire(std::unique_ptr<PoolEntry> entry) {
    co_await entry->pool().shut_down();
}

namespace {

// Of two limits; zero is none.
net::Duration shorter(net::Duration a, net::Duration b) {
    return a.count() == 0 ? b : b.count() == 0 ? a : std::min(a, b);
}

}  // namespace

// How long the pool of a database that is configured no more outlives its last client and server.
constexpr net::Duration kRemovedMax = 1ms;

// Who waits when the proxy begins to shut down hears so a moment later, as PgBouncer's clients do:
// whoever gave the command has its answer first.
void Worker::refuse_waiting() {
    if (!lends_no_more_ || loop_.now() - lends_no_more_since_ < 100ms) {
        return;
    }
    for (const auto& [id, session] : sessions_) {
        if (session->waiting()) {
            session->end("57P01", "server shutting down");
        }
    }
}

void Worker::tend_pools() {
    refuse_waiting();
    const net::Duration idle_max = settings().pool_idle_timeout;
    for (auto at = pools_.begin(); at != pools_.end();) {
        PoolEntry& entry = *at->second;
        entry.pool().tick();
        entry.keep_house();
        const net::Duration limit = entry.removed() ? kRemovedMax
                                    : config_->databases.contains(entry.database())
                                        ? idle_max
                                        : shorter(idle_max, settings().autodb_idle_timeout);
        if (limit.count() > 0 && entry.unused_for(limit)) {
            log::info("cleaning up idle pool for user {} on db {} because: {}", entry.user(),
                      entry.database(), entry.removed() ? "database removed" : "pool idle timeout");
            tasks_.spawn(retire(std::move(at->second)));
            at = pools_.erase(at);
        } else {
            ++at;
        }
    }
    if (settings().server_fast_close) {
        close_outdated();
    }
    if (index_ == 0 && loop_.now() - minimum_kept_at_ >= 300ms) {
        minimum_kept_at_ = loop_.now();
        keep_minimum_pools();
    }
}

// Pools of databases with a user of their own are kept at min_pool_size before any client comes.
void Worker::keep_minimum_pools() {
    for (const auto& [name, database] : config_->databases) {
        if (database.user && database.min_pool_size.value_or(settings().min_pool_size) > 0) {
            pool_for(name, *database.user);
        }
    }
}

// server_fast_close: a session does not keep an outdated connection beyond its transaction.
void Worker::close_outdated() {
    for (const auto& [id, session] : sessions_) {
        const pool::Pooled* lease = session->lease();
        if (lease != nullptr && lease->connection->doomed && !session->in_transaction() &&
            session->pool()->mode() == config::PoolMode::kSession) {
            session->end("08P01", "database configuration changed");
        }
    }
}

net::Task<void> Worker::keep_house() {
    stats_newer_at_ = loop_.now();
    stats_older_at_ = stats_newer_at_ - 1s;
    while (!stopping) {
        co_await loop_.sleep(100ms);
        if (loop_.now() - stats_newer_at_ >= std::chrono::seconds(settings().stats_period)) {
            co_await roll_stats();
        }
        tend_pools();
        auth_lookups_.sweep();
    }
}

net::Task<void> Worker::shut_down() {
    stopping = true;
    for (auto& [id, session] : sessions_) {
        session->end("57P01", "the proxy is shutting down");
    }
    auth_lookups_.stop();
    co_await tasks_.close();
    for (auto& [key, entry] : pools_) {
        co_await entry->pool().shut_down();
    }
    pools_.clear();
    recorder_.finish(loop_.now());
}

}  // namespace howdah::proxy
