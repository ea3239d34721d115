// One pool on several loops: connections move to where clients wait. One client in two processes:
// its connection goes with it.

#include "pool/pool.hpp"

namespace howdah::pool {

using namespace std::chrono_literals;

namespace {

// A connection that cannot be taken off its loop within this is closed.
constexpr net::Duration kMoveMax = 1s;

}  // namespace

// What the other loops need to know of this one.
void Pool::publish() {
    Commons::Seat& seat = commons_->seats[seat_];
    seat.waiting_since_us.store(waiters_.empty() || paused_
                                    ? Commons::kNobody
                                    : waiters_.front()->since.time_since_epoch().count());
    seat.idle.store(paused_ ? 0 : static_cast<int>(idle_.size()));
}

// Somebody waits and no connection may be opened: one that is idle elsewhere would do.
void Pool::beg() {
    if (waiters_.empty() || paused_ || closing_ || connecting_ > 0) {
        return;
    }
    if (const int seat = commons_->idle_elsewhere(seat_); seat >= 0) {
        host_.ask_neighbour(static_cast<std::size_t>(seat), Plea::kSpareOne);
    }
}

// Gives a connection at rest to another loop whose client has waited longest. False: it stays.
bool Pool::send_to_neighbour(Pooled* server) {
    if (closing_ || paused_) {
        return false;
    }
    const std::int64_t mine =
        waiters_.empty() ? Commons::kNobody
                         : (waiters_.front()->since - kUnfairMax).time_since_epoch().count();
    const int seat = commons_->longest_waiting(seat_, mine);
    if (seat < 0) {
        return false;
    }
    server->state = ServerState::kMoving;
    // Taken as served: the next one that comes free is not sent after it for the same client.
    commons_->seats[static_cast<std::size_t>(seat)].waiting_since_us.store(Commons::kNobody);
    tasks_.spawn(move(server, static_cast<std::size_t>(seat)));
    return true;
}

net::Task<void> Pool::move(Pooled* server, std::size_t seat) {
    net::Stream& stream = *server->connection->stream;
    net::Event event(loop_);
    net::Deadline deadline(event);
    deadline.arm(loop_.now() + kMoveMax);
    stream.set_listener(&event);
    std::optional<net::Detached> detached = stream.detach();
    while (!detached && !stream.ended() && !deadline.expired()) {
        co_await event.wait();
        detached = stream.detach();
    }
    stream.set_listener(nullptr);
    if (!detached) {
        close(server, "could not be handed to another loop");
        co_return;
    }
    auto connection = std::move(server->connection);
    connection->stream.reset();
    // The place under the limit goes with it.
    const auto found = std::find_if(servers_.begin(), servers_.end(),
                                    [&](const auto& entry) { return entry.get() == server; });
    server->state = ServerState::kClosed;
    servers_.erase(found);
    publish();
    host_.send_over(seat, std::move(connection), std::move(*detached));
}

// A connection from another loop, its stream already on this one.
void Pool::adopt(std::unique_ptr<ServerConnection> connection) {
    auto server = std::make_unique<Pooled>();
    server->id = connection->id;
    server->started_at = loop_.now();
    server->connection = std::move(connection);
    server->connection->connected_at = std::min(server->connection->connected_at, loop_.now());
    server->state = ServerState::kResetting;
    Pooled* raw = server.get();
    servers_.push_back(std::move(server));
    if (!at_rest(*raw)) {
        close(raw, "server said something on its way between loops");
        return;
    }
    became_idle(raw);
}

Pooled* Pool::adopt_lent(std::unique_ptr<ServerConnection> connection, void* holder) {
    commons_->take();
    for (Quota* quota : quotas_) {
        quota->take();
    }
    auto server = std::make_unique<Pooled>();
    server->id = host_.next_id();
    connection->id = server->id;
    server->connection = std::move(connection);
    server->started_at = loop_.now();
    server->state = ServerState::kLeased;
    server->holder = holder;
    server->served = true;
    server->came_along = true;
    ++leased_;
    servers_.push_back(std::move(server));
    return servers_.back().get();
}

void Pool::part_with(Pooled* server) {
    ASSERT(server->state == ServerState::kLeased);
    server->connection->stream->set_listener(nullptr);
    forget(server);
    launch_wanted();
}

void Pool::heed(Plea plea) {
    if (plea == Plea::kLookAgain) {
        publish();
        launch_wanted();
        beg();
        return;
    }
    if (idle_.empty() || closing_ || paused_) {
        return;
    }
    Pooled* server = idle_.front();
    if (!at_rest(*server)) {
        close(server, "unexpected data or end");
        return;
    }
    if (send_to_neighbour(server)) {
        idle_.pop_front();
        publish();
    }
}

}  // namespace howdah::pool
