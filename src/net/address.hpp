// Addresses: where to connect or listen, and who connected.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace howdah::net {

// A resolved socket address: IPv4, IPv6 or a unix socket path.
struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;

    static Address unix_path(const std::string& path);
    // A numeric IPv4 or IPv6 address; kInvalidInput for anything else.
    static Result<Address> numeric(const std::string& host, std::uint16_t port);
    static Address from_sockaddr(const sockaddr* address, socklen_t length);

    int family() const { return storage.ss_family; }
    bool is_unix() const { return family() == AF_UNIX; }
    std::uint16_t port() const;
    void set_port(std::uint16_t port);
    // "127.0.0.1", "::1" or "/run/postgresql/.s.PGSQL.5432".
    std::string host() const;
    // "127.0.0.1:5432", "[::1]:5432" or the path.
    std::string to_string() const;
    bool operator==(const Address& other) const;
};

// The far end of an accepted connection. For a unix socket, what the kernel vouches for.
struct PeerInfo {
    Address address;
    Address local;
    std::uint32_t uid = 0;  // unix sockets only
    std::uint32_t pid = 0;  // unix sockets only
};

// Both ends' addresses, and for a unix socket the peer's credentials.
PeerInfo describe_peer(int fd);

// Resolves a name with getaddrinfo. Blocks: never on a loop thread.
Result<std::vector<Address>> resolve_blocking(const std::string& host, std::uint16_t port);

// A bound, listening, non-blocking, close-on-exec TCP or unix socket.
struct ListenOptions {
    int backlog = 1024;
    bool reuse_port = false;
    std::uint32_t unix_mode = 0777;
    std::string unix_group;
};
Result<int> listen_on(const Address& address, const ListenOptions& options);

}  // namespace howdah::net
