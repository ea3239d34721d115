#include "cli/systemd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

namespace howdah::cli {
namespace {

constexpr int kFirstInherited = 3;
constexpr int kInheritedMax = 64;

std::string_view environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : value;
}

std::optional<std::int64_t> environment_number(const char* name) {
    const std::string_view text = environment(name);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

}  // namespace

bool notify_systemd(std::string_view state) {
    const std::string_view path = environment("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() < 2 || path.size() >= sizeof address.sun_path ||
        (path[0] != '/' && path[0] != '@')) {
        return false;
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    const ssize_t sent = ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                                  reinterpret_cast<const sockaddr*>(&address), length);
    ::close(fd);
    return sent == static_cast<ssize_t>(state.size());
}

void notify_reloading() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    notify_systemd(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                               std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000));
}

std::chrono::microseconds watchdog_interval() {
    const auto pid = environment_number("WATCHDOG_PID");
    if (pid && *pid != ::getpid()) {
        return {};
    }
    return std::chrono::microseconds(
        std::max<std::int64_t>(0, environment_number("WATCHDOG_USEC").value_or(0)));
}

InheritedSockets take_inherited_sockets() {
    InheritedSockets sockets;
    const auto pid = environment_number("LISTEN_PID");
    const auto count = environment_number("LISTEN_FDS");
    std::string names(environment("LISTEN_FDNAMES"));
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
        ::unsetenv(name);
    }
    if (!pid || *pid != ::getpid() || !count || *count < 1 || *count > kInheritedMax) {
        return sockets;
    }
    for (int fd = kFirstInherited; fd < kFirstInherited + *count; ++fd) {
        const std::size_t colon = std::min(names.find(':'), names.size());
        const bool http = std::string_view(names).substr(0, colon) == "http";
        names.erase(0, std::min(colon + 1, names.size()));
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
        (http ? sockets.http : sockets.proxy).push_back(fd);
    }
    return sockets;
}

}  // namespace howdah::cli
