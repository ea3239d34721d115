// Connections for one client alone: replication. They count in the pool's size like any other, are
// logged in with the client's own start-up parameters, and end with it.
#include "pool/pool.hpp"

namespace howdah::pool {

void Pool::acquire_dedicated(Waiter& waiter,
                             std::vector<std::pair<std::string, std::string>> startup) {
    waiter.granted = nullptr;
    waiter.refused.reset();
    waiter.startup = std::move(startup);
    waiter.since = loop_.now();
    waiter.queued = true;
    dedicated_waiters_.push_back(&waiter);
    launch_dedicated();
}

// Full: one that is idle gives way.
void Pool::launch_dedicated() {
    while (!dedicated_waiters_.empty() && !paused_ && !closing_) {
        if (commons_->connections.load() >= limit(false)) {
            if (!close_one_idle("evicted")) {
                return;
            }
            continue;  // closing looks here, too: the waiter may have been served
        }
        if (!may_launch(false) || !reserve_place(false)) {
            return;
        }
        Waiter* waiter = dedicated_waiters_.front();
        dedicated_waiters_.pop_front();
        Pooled* server = add_connecting();
        server->dedicated_to = waiter;
        tasks_.spawn(connect_dedicated(server));
    }
}

net::Task<void> Pool::connect_dedicated(Pooled* server) {
    server->dedicated = true;
    std::vector<std::pair<std::string, std::string>> startup = server->dedicated_to->startup;
    auto target = co_await host_.next_target();
    Result<std::unique_ptr<ServerConnection>> connection =
        fail(ErrorCode::kUnavailable, "no target");
    if (target) {
        std::move(startup.begin(), startup.end(), std::back_inserter(target->startup));
        connection = co_await server::log_in(loop_, *target);
    } else {
        connection = std::unexpected(std::move(target).error());
    }
    --connecting_;
    Waiter* waiter = std::exchange(server->dedicated_to, nullptr);
    if (!connection) {
        // It says nothing about other logins: a role may lack no more than REPLICATION.
        host_.on_connect_failed(*server, connection.error());
        refuse_dedicated(server, waiter, std::move(connection).error());
        co_return;
    }
    server->connection = std::move(*connection);
    server->connection->id = server->id;
    server->connection->released_at = loop_.now();
    server->state = ServerState::kResetting;
    host_.on_connected(*server);
    if (waiter == nullptr || closing_) {
        close(server, "replication client was closed");
        co_return;
    }
    grant(server, *waiter);
}

void Pool::refuse_dedicated(Pooled* server, Waiter* waiter, Error error) {
    forget(server);
    if (waiter == nullptr) {
        return;
    }
    waiter->queued = false;
    waiter->refused = std::make_unique<Error>(std::move(error));
    waiter->event->notify();
}

// Its client waits no more.
void Pool::forget_dedicated(Waiter& waiter) {
    std::erase(dedicated_waiters_, &waiter);
    for (const auto& server : servers_) {
        if (server->dedicated_to == &waiter) {
            server->dedicated_to = nullptr;
        }
    }
}

}  // namespace howdah::pool
