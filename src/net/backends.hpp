// The constructors of the two real backends; private to this module.
#pragma once

#include <memory>

#include "net/loop.hpp"

namespace howdah::net {

Result<std::unique_ptr<Loop>> make_epoll_loop();
Result<std::unique_ptr<Loop>> make_uring_loop();

}  // namespace howdah::net
