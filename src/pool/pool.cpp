#include "pool/pool.hpp"

#include <algorithm>

#include "wire/message.hpp"

namespace howdah::pool {

using namespace std::chrono_literals;

namespace {

constexpr net::Duration kFirstPause = 100ms;
constexpr net::Duration kPatiencePause = 1s;
// A connection so young that ends says something of the server.
constexpr net::Duration kFresh = 1s;

}  // namespace

Pool::Pool(net::Loop& loop, Host& host, Options options, std::vector<Quota*> quotas,
           std::shared_ptr<Commons> commons, std::size_t seat)
    : loop_(loop),
      host_(host),
      options_(std::move(options)),
      quotas_(std::move(quotas)),
      commons_(std::move(commons)),
      seat_(seat),
      idle_event_(loop) {
    commons_->take_seat(seat_);
    tasks_.spawn(watch_idle());
}

Pool::~Pool() {
    ASSERT(leased_ == 0 && waiters_.empty());
}

bool Pool::reserve_place(bool reserve) {
    if (!commons_->reserve(limit(reserve))) {
        return false;
    }
    for (auto quota = quotas_.begin(); quota != quotas_.end(); ++quota) {
        if (!(*quota)->reserve()) {
            std::for_each(quotas_.begin(), quota, [](Quota* taken) { taken->give_up(); });
            commons_->give_up();
            return false;
        }
    }
    return true;
}

void Pool::give_up_place() {
    for (Quota* quota : quotas_) {
        quota->give_up();
    }
    commons_->give_up();
}

int Pool::connections_max() const {
    int most = limit(true);
    for (const Quota* quota : quotas_) {
        const int quota_limit = quota->limit.load(std::memory_order_relaxed);
        most = quota_limit > 0 ? std::min(most, quota_limit) : most;
    }
    return most;
}

Pooled* Pool::acquire(Waiter& waiter, void* holder) {
    waiter.granted = nullptr;
    waiter.refused.reset();
    if (!paused_ && waiters_.empty()) {
        while (!idle_.empty()) {
            Pooled* server = options_.round_robin ? idle_.front() : idle_.back();
            if (!at_rest(*server) || outlived(*server)) {
                close(server, at_rest(*server) ? why_closed(*server) : "unexpected data or end");
                continue;
            }
            if (needs_check(*server)) {
                std::erase(idle_, server);
                server->state = ServerState::kChecking;
                tasks_.spawn(check(server));
                break;
            }
            if (options_.round_robin) {
                idle_.pop_front();
            } else {
                idle_.pop_back();
            }
            server->state = ServerState::kLeased;
            server->holder = holder;
            server->connection->requested_at = loop_.now();
            ++leased_;
            publish();
            return server;
        }
    }
    // The servers cannot be reached, and were asked a moment ago: no use in waiting.
    if (last_failure_ && !waiter.patient && !paused_ && loop_.now() < retry_at_ &&
        !server_may_be_back_soon() && none_will_come()) {
        waiter.refused = std::make_unique<Error>(cached_failure());
        waiter.event->notify();
        return nullptr;
    }
    waiter.since = loop_.now();
    waiter.queued = true;
    waiters_.push_back(&waiter);
    publish();
    launch_wanted();
    beg();
    return nullptr;
}

void Pool::cancel(Waiter& waiter) {
    if (waiter.queued) {
        std::erase(waiters_, &waiter);
        forget_dedicated(waiter);
        waiter.queued = false;
        publish();
    }
    if (waiter.granted != nullptr) {
        release(std::exchange(waiter.granted, nullptr));
    }
}

void Pool::grant(Pooled* server, Waiter& waiter) {
    server->state = ServerState::kLeased;
    server->connection->requested_at = loop_.now();
    ++leased_;
    waiter.queued = false;
    waiter.granted = server;
    waiter.event->notify();
}

bool Pool::at_rest(const Pooled& server) const {
    const ServerConnection& connection = *server.connection;
    return connection.status == 'I' && !connection.stream->ended() &&
           connection.stream->buffered() == 0;
}

// A lifetime of zero: for one client.
bool Pool::outlived(const Pooled& server) const {
    const ServerConnection& connection = *server.connection;
    const bool used = connection.requested_at != net::TimePoint{};
    return connection.doomed || ((used || options_.server_lifetime.count() > 0) &&
                                 loop_.now() - connection.connected_at >= options_.server_lifetime);
}

std::string Pool::why_closed(const Pooled& server) const {
    return server.connection->doomed ? "database configuration changed" : "server lifetime over";
}

bool Pool::needs_check(const Pooled& server) const {
    return !options_.server_check_query.empty() &&
           loop_.now() - server.connection->released_at >= options_.server_check_delay;
}

void Pool::release(Pooled* server) {
    ASSERT(server->state == ServerState::kLeased);
    --leased_;
    server->holder = nullptr;
    server->served = true;
    retry_pause_ = {};
    ServerConnection& connection = *server->connection;
    connection.released_at = loop_.now();
    connection.stream->set_listener(&idle_event_);
    server->state = ServerState::kResetting;
    if (server->dedicated) {
        close(server, "replication client was closed");
        return;
    }
    if (server->came_along) {
        close(server, "came from another process with a client that needs it no more");
        return;
    }
    if (connection.status != 'I' || connection.stream->ended() ||
        connection.stream->buffered() > 0 || connection.out_of_step) {
        close(server, "client left it in the middle of work");
        return;
    }
    const bool reset_wanted = options_.reset_always || connection.dirty;
    if (reset_wanted && !options_.server_reset_query.empty() && !connection.doomed) {
        tasks_.spawn(reset(server));
        return;
    }
    if (connection.dirty) {
        close(server, "no server_reset_query to clean it with");
        return;
    }
    became_idle(server);
}

void Pool::became_idle(Pooled* server) {
    ServerConnection& connection = *server->connection;
    connection.stream->set_listener(&idle_event_);
    if (closing_ || paused_ || outlived(*server)) {
        close(server, closing_ ? "pool closed" : paused_ ? "pause mode" : why_closed(*server));
        return;
    }
    if (commons_->connections.load() > limit(true) || (server->in_reserve && waiters_.empty())) {
        close(server, "more connections than the pool's size");
        return;
    }
    if (send_to_neighbour(server)) {
        return;
    }
    if (!waiters_.empty() && !paused_) {
        Waiter* waiter = waiters_.front();
        waiters_.pop_front();
        publish();
        grant(server, *waiter);
        return;
    }
    server->state = ServerState::kIdle;
    idle_.push_back(server);
    publish();
    // Somebody elsewhere may have begun to wait between the look and now.
    if (commons_->longest_waiting(seat_, Commons::kNobody) >= 0) {
        heed(Plea::kSpareOne);
    }
}

void Pool::forget(Pooled* server) {
    if (server->state == ServerState::kIdle) {
        std::erase(idle_, server);
    }
    if (server->state == ServerState::kLeased) {
        --leased_;
    }
    server->state = ServerState::kClosed;
    server->holder = nullptr;  // a cancel under way may outlive the session
    const auto found = std::find_if(servers_.begin(), servers_.end(),
                                    [&](const auto& entry) { return entry.get() == server; });
    ASSERT(found != servers_.end());
    // Whoever called us may still look at it in this turn.
    graveyard_.push_back(std::move(*found));
    servers_.erase(found);
    give_up_place();
    publish();
    launch_dedicated();
    if (const int seat = commons_->longest_waiting(seat_, Commons::kNobody); seat >= 0) {
        host_.ask_neighbour(static_cast<std::size_t>(seat), Plea::kLookAgain);
    }
}

void Pool::close(Pooled* server, const std::string& reason) {
    ServerConnection& connection = *server->connection;
    connection.stream->set_listener(nullptr);
    host_.on_closed(*server, reason);
    if (!connection.stream->ended()) {
        wire::Encoder goodbye;
        connection.stream->write(goodbye.simple('X').view());
    }
    forget(server);
    connection.stream->flush();
    launch_wanted();
}

void Pool::close_spoiled(Pooled* server, const std::string& reason) {
    if (!server->served && loop_.now() - server->connection->connected_at < kFresh) {
        grow_pause();
        retry_at_ = loop_.now() + retry_pause_;
    }
    close(server, reason);
}

bool Pool::may_launch(bool reserve) {
    if (closing_ || paused_ || commons_->connections.load() >= limit(reserve) ||
        connecting_ >= options_.connects_parallel || loop_.now() < retry_at_) {
        return false;
    }
    for (Quota* quota : quotas_) {
        if (quota->full() && !host_.evict_idle(*quota)) {
            return false;
        }
    }
    return true;
}

void Pool::launch_wanted() {
    if (waiters_.empty() || commons_->connections.load() >= limit(false)) {
        return;
    }
    // After a failure one attempt finds out whether the next would succeed.
    const bool probing = last_failure_ || (options_.probe_first && !connected_any());
    if (probing && connecting_ > 0) {
        return;
    }
    // Those that will become free by themselves (reset, check) count as on their way.
    int coming = connecting_;
    for (const auto& server : servers_) {
        coming +=
            server->state == ServerState::kChecking || server->state == ServerState::kResetting ? 1
                                                                                                : 0;
    }
    while (coming < static_cast<int>(waiters_.size()) && may_launch(false)) {
        launch(false);
        coming += probing ? static_cast<int>(waiters_.size()) : 1;
    }
}

void Pool::launch(bool reserve) {
    if (!reserve_place(reserve)) {
        return;  // another loop was faster
    }
    Pooled* server = add_connecting();
    server->in_reserve = reserve;
    tasks_.spawn(connect(server));
}

Pooled* Pool::add_connecting() {
    auto server = std::make_unique<Pooled>();
    server->id = host_.next_id();
    server->started_at = loop_.now();
    servers_.push_back(std::move(server));
    ++connecting_;
    return servers_.back().get();
}

net::Task<void> Pool::connect(Pooled* server) {
    const std::uint64_t reconnects = reconnects_;
    auto target = co_await host_.next_target();
    if (!target) {
        connect_failed(server, std::move(target).error());
        co_return;
    }
    target->question = host_.question();
    auto connection = co_await server::log_in(loop_, *target);
    if (!connection) {
        connect_failed(server, std::move(connection).error());
        co_return;
    }
    --connecting_;
    last_failure_.reset();
    retry_at_ = {};
    server->connection = std::move(*connection);
    server->connection->id = server->id;
    server->connection->released_at = loop_.now();
    if (reconnects == reconnects_) {
        commons_->set_greeting(std::make_shared<const Greeting>(server->connection->reported));
    } else {
        server->connection->doomed = true;  // logged in at what was the server before
    }
    host_.on_connected(*server);
    server->state = ServerState::kResetting;
    became_idle(server);
}

void Pool::connect_failed(Pooled* server, Error error) {
    --connecting_;
    host_.on_connect_failed(*server, error);
    const auto found = std::find_if(servers_.begin(), servers_.end(),
                                    [&](const auto& entry) { return entry.get() == server; });
    servers_.erase(found);
    give_up_place();
    const net::Duration pause = pause_after(error);
    retry_at_ = loop_.now();
    if (!host_.may_retry_now()) {
        retry_at_ += pause;
    }
    last_failure_ = error;
    // Unless somebody's connection comes free, nobody can be served.
    if (is_refusal(error) && none_will_come()) {
        refuse_waiters(error);
    }
    launch_wanted();
}

// A server that refuses a login would refuse the next. One that cannot be reached, that says it is
// starting or shutting down (57P03), or has no room for one more (53300), may do so in a moment.
bool Pool::is_refusal(const Error& error) const {
    const bool spoke = error.code == ErrorCode::kServer || error.code == ErrorCode::kRefused;
    const bool passes =
        error.sqlstate == "57P03" || (error.sqlstate == "53300" && options_.retry_soon);
    return spoke && !passes;
}

// A restart is over in a second, an outage is not: the pauses grow up to server_login_retry.
net::Duration Pool::pause_after(const Error& error) {
    if (!options_.retry_soon || is_refusal(error)) {
        retry_pause_ = options_.server_login_retry;
    } else {
        grow_pause();
    }
    return retry_pause_;
}

void Pool::grow_pause() {
    if (loop_.now() >= retry_at_) {  // of several that fail together the first counts
        retry_pause_ =
            std::min(std::max(retry_pause_ * 2, kFirstPause), options_.server_login_retry);
    }
}

// Worth waiting for: it has not been away for long.
bool Pool::server_may_be_back_soon() const {
    return options_.retry_soon && !is_refusal(*last_failure_) &&
           retry_pause_ < options_.server_login_retry && retry_pause_ <= kPatiencePause;
}

// Whether there is a connection that can still be lent to somebody.
bool Pool::connected_any() const {
    return std::any_of(servers_.begin(), servers_.end(), [](const auto& server) {
        return server->connection != nullptr && !server->connection->doomed;
    });
}

// Nothing that could be lent, here or on another loop.
bool Pool::none_will_come() const {
    return !connected_any() && commons_->connections.load() <= static_cast<int>(servers_.size());
}

Error Pool::cached_failure() const {
    return Error(ErrorCode::kUnavailable, last_failure_->sqlstate,
                 "server login has been failing, cached error: " + last_failure_->message +
                     " (server_login_retry)",
                 last_failure_->hint);
}

void Pool::refuse_waiters(const Error& error) {
    for (Waiter* waiter : std::exchange(waiters_, {})) {
        waiter->queued = false;
        waiter->refused = std::make_unique<Error>(error);
        waiter->event->notify();
    }
    for (Waiter* waiter : std::exchange(dedicated_waiters_, {})) {
        waiter->queued = false;
        waiter->refused = std::make_unique<Error>(error);
        waiter->event->notify();
    }
    publish();
}

// A cancel request on its way to a closed connection comes back to it.
void Pool::empty_graveyard() {
    std::erase_if(graveyard_, [](const std::unique_ptr<Pooled>& server) {
        return server->connection == nullptr || server->connection->cancels_in_flight == 0;
    });
}

void Pool::tick() {
    empty_graveyard();
    launch_dedicated();
    const net::TimePoint now = loop_.now();
    const std::vector<Pooled*> looked_at(idle_.begin(), idle_.end());
    for (Pooled* server : looked_at) {
        const auto idle_for = now - server->connection->released_at;
        const bool surplus = commons_->connections.load() > options_.size_min;
        if (outlived(*server)) {
            close(server, why_closed(*server));
        } else if (options_.server_idle_timeout.count() > 0 && surplus &&
                   idle_for >= options_.server_idle_timeout) {
            close(server, "server idle timeout");
        } else if (commons_->connections.load() > limit(true)) {
            close(server, "more connections than the pool's size");
        }
    }
    if (!waiters_.empty()) {
        publish();  // who sent us a connection took our client for served
        launch_wanted();
        beg();
        if (options_.reserve_size > 0 &&
            now - waiters_.front()->since >= options_.reserve_timeout && connecting_ == 0 &&
            may_launch(true)) {
            host_.on_reserve_used();
            launch(true);
        }
    }
    while (commons_->connections.load() < std::min(options_.size_min, options_.size) &&
           may_launch(false)) {
        launch(false);
    }
}

void Pool::reconfigure(Options options) {
    options_ = std::move(options);
    launch_wanted();
}

void Pool::set_paused(bool paused) {
    paused_ = paused;
    if (paused_) {
        while (close_one_idle("pause mode")) {
        }
        return;
    }
    while (!waiters_.empty() && !idle_.empty()) {
        Pooled* server = idle_.back();
        idle_.pop_back();
        if (!at_rest(*server)) {
            idle_.push_back(server);
            close(server, "unexpected data or end");
            continue;
        }
        Waiter* waiter = waiters_.front();
        waiters_.pop_front();
        grant(server, *waiter);
    }
    publish();
    launch_wanted();
}

void Pool::reconnect(const std::string& reason) {
    ++reconnects_;
    for (const auto& server : servers_) {
        if (server->connection != nullptr) {
            server->connection->doomed = true;
        }
    }
    // What the servers report may be different now: the next client waits for one.
    commons_->set_greeting(nullptr);
    while (close_one_idle(reason)) {
    }
}

bool Pool::close_one_idle(const std::string& reason) {
    if (idle_.empty()) {
        return false;
    }
    close(idle_.front(), reason);
    return true;
}

net::Task<void> Pool::shut_down() {
    closing_ = true;
    refuse_waiters(Error(ErrorCode::kUnavailable, "57P01", "the pool is closing"));
    while (close_one_idle("pool closed")) {
    }
    idle_event_.notify();
    co_await tasks_.close();
    for (empty_graveyard(); !graveyard_.empty(); empty_graveyard()) {
        co_await loop_.sleep(10ms);
    }
}

Counts Pool::counts() const {
    Counts counts;
    counts.waiting = static_cast<int>(waiters_.size() + dedicated_waiters_.size());
    for (const auto& server : servers_) {
        switch (server->state) {
            case ServerState::kConnecting:
                ++counts.connecting;
                break;
            case ServerState::kIdle:
                ++counts.idle;
                break;
            case ServerState::kLeased:
                ++counts.leased;
                break;
            case ServerState::kChecking:
                ++counts.checking;
                break;
            case ServerState::kMoving:
            case ServerState::kResetting:
                ++counts.resetting;
                break;
            case ServerState::kClosed:
                break;
        }
    }
    return counts;
}

net::TimePoint Pool::oldest_wait() const {
    return waiters_.empty() ? net::TimePoint::max() : waiters_.front()->since;
}

}  // namespace howdah::pool
