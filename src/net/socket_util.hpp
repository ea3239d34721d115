// Descriptor plumbing shared by the two real backends; private to this module.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <span>

#include "net/address.hpp"
#include "net/loop.hpp"

namespace howdah::net {

// describe_peer() with fewer calls: of a connection that came to the socket bound to `listening`.
// `from`: as accept() told it, or null.
PeerInfo describe_accepted(int fd, const Address& listening, const Address* from);
// A non-blocking connect: the descriptor, and whether it is connected already. Without a
// descriptor: the listener's queue (of a unix socket) is full, try again in a moment.
struct StartedConnect {
    int fd = -1;
    bool connected = false;
};
constexpr Duration kConnectRetry = std::chrono::milliseconds(10);
Result<StartedConnect> start_connect(const Address& address, const TcpOptions& options);
// What a finished non-blocking connect came to.
Result<> finish_connect(int fd, const Address& address);
std::unexpected<Error> connect_timed_out(const Address& address);
// accept(2): errors of one connection that is gone already; the listener is well.
bool is_lost_connection(int accept_error);

// recv(), send(), sendmsg() and epoll_wait() of glibc are cancellation points: in a process of
// several threads each costs two locked instructions more than the call itself. Nobody cancels a
// thread here. Results and errno as theirs.
ssize_t receive_now(int fd, std::span<std::uint8_t> into);
ssize_t send_now(int fd, std::span<const std::uint8_t> bytes);
ssize_t send_now(int fd, const msghdr& message);
int wait_for_events(int epoll_fd, std::span<epoll_event> events, int timeout_ms);

}  // namespace howdah::net
