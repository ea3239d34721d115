#include "net/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <memory>

namespace howdah::net {

Address Address::unix_path(const std::string& path) {
    Address address;
    auto un = std::make_shared<sockaddr_un>();
    un->sun_family = AF_UNIX;
    const std::size_t length = std::min(path.size(), sizeof(un->sun_path) - 1);
    std::memcpy(un->sun_path, path.data(), length);
    if (!path.empty() && path[0] == '@') {
        un->sun_path[0] = '\0';  // abstract namespace, in libpq's spelling
        address.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    } else {
        address.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + 1);
    }
    if (path.size() > length) {
        // Cut off it would name another socket: the kernel refuses this length with EINVAL.
        address.size_ = sizeof(sockaddr_un) + 1;
    }
    address.path_ = std::move(un);
    return address;
}

Result<Address> Address::numeric(const std::string& host, std::uint16_t port) {
    Address address;
    sockaddr_in v4{};
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        address.inet_.v4 = v4;
        address.size_ = sizeof v4;
        return address;
    }
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        address.inet_.v6 = v6;
        address.size_ = sizeof v6;
        return address;
    }
    return fail(ErrorCode::kInvalidInput, fmt::format("\"{}\" is not an IP address", host));
}

Address Address::from_sockaddr(const sockaddr* address, socklen_t length) {
    Address result;
    if (length < sizeof(sa_family_t)) {
        return result;
    }
    if (address->sa_family == AF_UNIX && length > offsetof(sockaddr_un, sun_path)) {
        auto un = std::make_shared<sockaddr_un>();
        result.size_ = std::min<socklen_t>(length, sizeof *un);
        std::memcpy(un.get(), address, result.size_);
        result.path_ = std::move(un);
        return result;
    }
    const bool inet = address->sa_family == AF_INET || address->sa_family == AF_INET6;
    result.size_ = inet ? std::min<socklen_t>(length, sizeof result.inet_) : sizeof(sa_family_t);
    std::memcpy(&result.inet_, address, result.size_);
    return result;
}

void Address::set_port(std::uint16_t port) {
    if (family() == AF_INET) {
        inet_.v4.sin_port = htons(port);
    } else if (family() == AF_INET6) {
        inet_.v6.sin6_port = htons(port);
    }
}

bool Address::is_any() const {
    return (family() == AF_INET && inet_.v4.sin_addr.s_addr == INADDR_ANY) ||
           (family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&inet_.v6.sin6_addr));
}

std::uint16_t Address::port() const {
    if (family() == AF_INET) {
        return ntohs(inet_.v4.sin_port);
    }
    if (family() == AF_INET6) {
        return ntohs(inet_.v6.sin6_port);
    }
    return 0;
}

std::string Address::host() const {
    char text[INET6_ADDRSTRLEN] = {};
    if (family() == AF_INET) {
        // At every login: inet_ntop() goes through printf().
        const auto* part = reinterpret_cast<const std::uint8_t*>(&inet_.v4.sin_addr);
        char* end = text;
        for (int i = 0; i < 4; ++i) {
            end = std::to_chars(end, std::end(text), part[i]).ptr;
            *end++ = '.';
        }
        return {text, end - 1};
    }
    if (family() == AF_INET6) {
        ::inet_ntop(AF_INET6, &inet_.v6.sin6_addr, text, sizeof text);
        return text;
    }
    if (family() == AF_UNIX) {
        if (path_ == nullptr) {
            return "unix";
        }
        if (path_->sun_path[0] == '\0') {
            return "@" +
                   std::string(path_->sun_path + 1, size_ - offsetof(sockaddr_un, sun_path) - 1);
        }
        return {path_->sun_path, ::strnlen(path_->sun_path, sizeof path_->sun_path)};
    }
    return "unknown";
}

std::string Address::to_string() const {
    if (family() == AF_INET) {
        return fmt::format("{}:{}", host(), port());
    }
    if (family() == AF_INET6) {
        return fmt::format("[{}]:{}", host(), port());
    }
    return host();
}

bool Address::operator==(const Address& other) const {
    return size_ == other.size_ &&
           std::memcmp(data(), other.data(), std::min<std::size_t>(size_, sizeof(sockaddr_un))) ==
               0;
}

Result<std::vector<Address>> resolve_blocking(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (status != 0) {
        return fail(
            Error(ErrorCode::kUnavailable, "08001",
                  fmt::format("could not resolve host \"{}\": {}", host, ::gai_strerror(status)),
                  "Check the host name and the resolver's configuration."));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    std::vector<Address> addresses;
    for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
        addresses.push_back(Address::from_sockaddr(info->ai_addr, info->ai_addrlen));
    }
    return addresses;
}

namespace {

Result<> prepare_unix(const Address& address, const ListenOptions& options) {
    const std::string path = address.host();
    if (path.starts_with("@")) {
        return {};
    }
    if (::chmod(path.c_str(), options.unix_mode) != 0) {
        return fail(ErrorCode::kIo, fmt::format("could not set permissions of \"{}\": {}", path,
                                                std::strerror(errno)));
    }
    if (!options.unix_group.empty()) {
        const group* entry = ::getgrnam(options.unix_group.c_str());
        if (entry == nullptr || ::chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) {
            return fail(ErrorCode::kIo, fmt::format("could not give \"{}\" to group \"{}\"", path,
                                                    options.unix_group));
        }
    }
    return {};
}

// Makes way for bind() where only the socket of a process that is gone is in it.
Result<> clear_unix(const Address& address) {
    const std::string path = address.host();
    struct stat status{};
    if (path.starts_with("@") || ::lstat(path.c_str(), &status) != 0) {
        return {};
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(ErrorCode::kIo,
                    fmt::format("could not listen on \"{}\": it is no socket", path));
    }
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const bool dead = ::connect(fd, address.data(), address.size()) != 0 && errno == ECONNREFUSED;
    ::close(fd);
    if (!dead) {
        return fail(ErrorCode::kIo,
                    fmt::format("could not listen on \"{}\": another process does", path));
    }
    ::unlink(path.c_str());
    return {};
}

// About the errors of bind() that beginners meet.
std::string what_to_do(int error, const Address& address) {
    switch (error) {
        case EADDRINUSE:
            return address.is_unix()
                       ? ""
                       : fmt::format(
                             "another process listens there (ss -ltnp 'sport = :{0}' names "
                             "it): stop it, or choose another port than {0}",
                             address.port());
        case EADDRNOTAVAIL:
            return "no network interface of this machine has that address";
        case EACCES:
            return "this user may not listen there";
        default:
            return "";
    }
}

}  // namespace

Result<int> listen_on(const Address& address, const ListenOptions& options) {
    if (address.is_unix()) {
        TRY_VOID(clear_unix(address));
    }
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(ErrorCode::kIo, fmt::format("could not create a socket for {}: {}",
                                                address.to_string(), std::strerror(errno)));
    }
    const int on = 1;
    if (!address.is_unix()) {
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        apply_tcp_options(fd, options.tcp);
        if (options.reuse_port) {
            ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        }
        if (address.family() == AF_INET6) {
            ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        }
    }
    if (::bind(fd, address.data(), address.size()) != 0 || ::listen(fd, options.backlog) != 0) {
        const int why = errno;
        auto error = fail(Error(
            ErrorCode::kIo, "",
            fmt::format("could not listen on {}: {}", address.to_string(), std::strerror(why)),
            what_to_do(why, address)));
        ::close(fd);
        return error;
    }
    if (address.is_unix()) {
        if (auto prepared = prepare_unix(address, options); !prepared) {
            ::close(fd);
            return std::unexpected(std::move(prepared).error());
        }
    }
    return fd;
}

}  // namespace howdah::net
