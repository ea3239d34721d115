#include "proxy/resolver.hpp"

#include <atomic>
#include <memory>
#include <thread>

namespace howdah::proxy {

net::Task<Result<net::Address>> resolve(net::Loop& loop, std::string host, std::uint16_t port) {
    struct Pending {
        explicit Pending(net::Loop& owner) : event(owner) {}
        net::Event event;
        Result<std::vector<net::Address>> found = fail(ErrorCode::kInternal, "not resolved");
        bool done = false;
    };
    // getaddrinfo cannot be cancelled; connects are rare and each takes one thread for a moment.
    const auto pending = std::make_shared<Pending>(loop);
    std::thread([&loop, pending, host, port] {
        auto found = net::resolve_blocking(host, port);
        loop.post([pending, found = std::move(found)]() mutable {
            pending->found = std::move(found);
            pending->done = true;
            pending->event.notify();
        });
    }).detach();
    while (!pending->done) {
        co_await pending->event.wait();
    }
    if (!pending->found) {
        co_return std::unexpected(std::move(pending->found).error());
    }
    static std::atomic<std::size_t> turn{0};
    const std::vector<net::Address>& addresses = *pending->found;
    co_return addresses[turn.fetch_add(1, std::memory_order_relaxed) % addresses.size()];
}

}  // namespace howdah::proxy
