// Resolving host names away from the loop: a thread asks the system's resolver, the loop waits.
#pragma once

#include <string>

#include "net/loop.hpp"

namespace howdah::proxy {

// One address of the host; several are taken in turn. Suspends.
net::Task<Result<net::Address>> resolve(net::Loop& loop, std::string host, std::uint16_t port);

}  // namespace howdah::proxy
