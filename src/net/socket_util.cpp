#include "net/socket_util.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace howdah::net {

namespace {

using AddressCall = int (*)(int, sockaddr*, socklen_t*);

Address asked(AddressCall call, int fd) {
    sockaddr_storage storage{};
    auto* raw = reinterpret_cast<sockaddr*>(&storage);
    socklen_t size = sizeof storage;
    return call(fd, raw, &size) == 0 ? Address::from_sockaddr(raw, size) : Address();
}

}  // namespace

Address bound_address(int fd) {
    return asked(::getsockname, fd);
}

PeerInfo describe_accepted(int fd, const Address& listening, const Address* from) {
    if (listening.is_unix()) {
        return describe_peer(fd);
    }
    PeerInfo peer;
    peer.address = from != nullptr ? *from : asked(::getpeername, fd);
    peer.local = listening.is_any() ? bound_address(fd) : listening;
    return peer;
}

PeerInfo describe_peer(int fd) {
    PeerInfo peer;
    peer.address = asked(::getpeername, fd);
    peer.local = bound_address(fd);
    if (peer.address.is_unix()) {
        ucred credentials{};
        socklen_t length = sizeof credentials;
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
            peer.uid = credentials.uid;
            peer.pid = static_cast<std::uint32_t>(credentials.pid);
        }
    }
    return peer;
}

namespace {

std::unexpected<Error> connect_error(const Address& address, int error) {
    return fail(
        Error(ErrorCode::kUnavailable, "08001",
              fmt::format("could not connect to {}: {}", address.to_string(), std::strerror(error)),
              "Is the server running on that host and accepting connections?"));
}

}  // namespace

Result<StartedConnect> start_connect(const Address& address, const TcpOptions& options) {
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return connect_error(address, errno);
    }
    apply_tcp_options(fd, options);
    const int status = ::connect(fd, address.data(), address.size());
    if (status == 0) {
        return StartedConnect{fd, true};
    }
    if (errno == EINPROGRESS) {
        return StartedConnect{fd, false};
    }
    const int reason = errno;
    ::close(fd);
    if (reason == EAGAIN && address.is_unix()) {
        return StartedConnect{-1, false};
    }
    return connect_error(address, reason);
}

Result<> finish_connect(int fd, const Address& address) {
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
        return connect_error(address, error);
    }
    return {};
}

std::unexpected<Error> connect_timed_out(const Address& address) {
    return fail(Error(ErrorCode::kTimeout, "08001",
                      fmt::format("could not connect to {}: timed out", address.to_string())));
}

bool is_lost_connection(int accept_error) {
    switch (accept_error) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
            return true;
        default:
            return false;
    }
}

ssize_t receive_now(int fd, std::span<std::uint8_t> into) {
    return ::syscall(SYS_recvfrom, fd, into.data(), into.size(), 0, nullptr, nullptr);
}

ssize_t send_now(int fd, std::span<const std::uint8_t> bytes) {
    return ::syscall(SYS_sendto, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL, nullptr, 0);
}

ssize_t send_now(int fd, const msghdr& message) {
    return ::syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
}

int wait_for_events(int epoll_fd, std::span<epoll_event> events, int timeout_ms) {
    return static_cast<int>(::syscall(SYS_epoll_pwait, epoll_fd, events.data(),
                                      static_cast<int>(events.size()), timeout_ms, nullptr,
                                      std::size_t{8}));
}

}  // namespace howdah::net
