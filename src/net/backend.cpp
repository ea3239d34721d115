// Choosing a backend.

#include "net/backends.hpp"

namespace howdah::net {

std::string uring_unavailable_reason() {
    const auto loop = make_uring_loop();
    return loop ? std::string() : loop.error().message;
}

Result<std::unique_ptr<Loop>> make_loop(Backend backend) {
    if (backend == Backend::kEpoll) {
        return make_epoll_loop();
    }
    auto loop = make_uring_loop();
    if (loop || backend == Backend::kUring) {
        return loop;
    }
    return make_epoll_loop();
}

}  // namespace howdah::net
