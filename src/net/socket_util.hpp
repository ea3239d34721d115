// Descriptor plumbing shared by the two real backends; private to this module.
#pragma once

#include "net/address.hpp"
#include "net/loop.hpp"

namespace howdah::net {

// Both ends' addresses, and for a unix socket the peer's credentials.
PeerInfo describe_peer(int fd);
void set_no_delay(int fd, const Address& address);
// A non-blocking connect: the descriptor, and whether it is connected already.
struct StartedConnect {
    int fd = -1;
    bool connected = false;
};
Result<StartedConnect> start_connect(const Address& address);
// What a finished non-blocking connect came to.
Result<> finish_connect(int fd, const Address& address);

}  // namespace howdah::net
