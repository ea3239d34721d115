// Addresses: where to connect or listen, and who connected.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/tcp_options.hpp"

namespace howdah::net {

// A resolved socket address: IPv4, IPv6 or a unix socket path. Small, for every client has two:
// what only a path needs stands elsewhere, shared by the copies.
class Address {
  public:
    static Address unix_path(const std::string& path);
    // A numeric IPv4 or IPv6 address; kInvalidInput for anything else.
    static Result<Address> numeric(const std::string& host, std::uint16_t port);
    // `length` as the kernel gave it. Families other than IPv4, IPv6 and unix keep their name only.
    static Address from_sockaddr(const sockaddr* address, socklen_t length);

    // For the kernel's calls.
    const sockaddr* data() const {
        return path_ != nullptr ? reinterpret_cast<const sockaddr*>(path_.get()) : &inet_.any;
    }
    socklen_t size() const { return size_; }

    int family() const { return data()->sa_family; }
    bool is_unix() const { return family() == AF_UNIX; }
    // 0.0.0.0 or ::, all addresses of the machine.
    bool is_any() const;
    std::uint16_t port() const;
    void set_port(std::uint16_t port);
    // "127.0.0.1", "::1" or "/run/postgresql/.s.PGSQL.5432".
    std::string host() const;
    // "127.0.0.1:5432", "[::1]:5432" or the path.
    std::string to_string() const;
    bool operator==(const Address& other) const;

  private:
    union Inet {
        sockaddr_in6 v6;
        sockaddr_in v4;
        sockaddr any;
    };
    Inet inet_{};
    socklen_t size_ = 0;
    std::shared_ptr<const sockaddr_un> path_;  // of a named unix socket
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

// The address that a socket is bound to.
Address bound_address(int fd);

// Resolves a name with getaddrinfo. Blocks: never on a loop thread.
Result<std::vector<Address>> resolve_blocking(const std::string& host, std::uint16_t port);

// A bound, listening, non-blocking, close-on-exec TCP or unix socket.
struct ListenOptions {
    int backlog = 1024;
    bool reuse_port = false;
    std::uint32_t unix_mode = 0777;
    std::string unix_group;
    TcpOptions tcp;  // the accepted inherit them
};
Result<int> listen_on(const Address& address, const ListenOptions& options);

}  // namespace howdah::net
