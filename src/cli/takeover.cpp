#include "cli/takeover.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/log.hpp"
#include "net/address.hpp"
#include "wire/frame.hpp"
#include "wire/message.hpp"

namespace howdah::cli {
namespace {

constexpr timeval kAnswerMax{10, 0};
constexpr std::uint32_t kProtocol30 = 3U << 16;

std::string socket_path(const config::Settings& settings) {
    return fmt::format("{}/.s.PGSQL.{}", settings.unix_socket_dir, settings.listen_port);
}

// A connected socket, or -1.
int connect_unix(const std::string& path) {
    const net::Address address = net::Address::unix_path(path);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ::connect(fd, address.data(), address.size()) == 0) {
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerMax, sizeof kAnswerMax);
        return fd;
    }
    if (fd >= 0) {
        ::close(fd);
    }
    return -1;
}

std::unexpected<Error> failed(std::string what) {
    return fail(ErrorCode::kIo, "online restart: " + std::move(what));
}

}  // namespace

bool unix_socket_in_use(const config::Settings& settings) {
    if (settings.unix_socket_dir.empty() || settings.listen_port == 0) {
        return false;
    }
    const int fd = connect_unix(socket_path(settings));
    if (fd >= 0) {
        ::close(fd);
    }
    return fd >= 0;
}

Takeover::Takeover(Takeover&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      input_(std::move(other.input_)),
      sockets_(std::exchange(other.sockets_, {})) {}

Takeover::~Takeover() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<Takeover> Takeover::begin(const config::Settings& settings) {
    if (settings.unix_socket_dir.empty()) {
        return fail(ErrorCode::kInvalidInput, "cannot reboot if unix dir not configured");
    }
    Takeover takeover;
    takeover.fd_ = connect_unix(socket_path(settings));
    if (takeover.fd_ < 0) {
        log::info("old process not found, try to continue normally");
        return takeover;
    }
    wire::Encoder hello;
    const std::pair<std::string, std::string> who[] = {{"user", "pgbouncer"},
                                                       {"database", "pgbouncer"}};
    hello.startup(kProtocol30, who);
    if (::send(takeover.fd_, hello.data().data(), hello.data().size(), MSG_NOSIGNAL) < 0) {
        return failed(std::strerror(errno));
    }
    TRY_VOID(takeover.read_until_ready());
    TRY_VOID(takeover.command("SHOW FDS;"));
    if (takeover.sockets_.empty()) {
        return failed("the running process gave no listening socket");
    }
    log::info("took over {} listening sockets", takeover.sockets_.size());
    return takeover;
}

Result<> Takeover::command(std::string_view sql) {
    wire::Encoder query;
    query.query(sql);
    if (::send(fd_, query.data().data(), query.data().size(), MSG_NOSIGNAL) < 0) {
        return failed(std::strerror(errno));
    }
    return read_until_ready();
}

// Collects descriptors on the way; an error of the other side is ours.
Result<> Takeover::read_until_ready() {
    while (true) {
        wire::Frame frame;
        while (input_.size() >= wire::kHeaderBytes &&
               wire::read_frame(reinterpret_cast<const std::uint8_t*>(input_.data()), frame) &&
               input_.size() >= frame.total_bytes()) {
            const std::span<const std::uint8_t> body(
                reinterpret_cast<const std::uint8_t*>(input_.data()) + wire::kHeaderBytes,
                frame.body_bytes);
            if (frame.type == 'E') {
                return failed("the running process says: " +
                              std::string(wire::read_error(body).message));
            }
            input_.erase(0, frame.total_bytes());
            if (frame.type == 'Z') {
                return {};
            }
        }
        char bytes[8192];
        alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {};
        iovec piece{bytes, sizeof bytes};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const ssize_t got = ::recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
        if (got <= 0) {
            return failed(got == 0 ? "the running process hung up" : std::strerror(errno));
        }
        for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
             header = CMSG_NXTHDR(&message, header)) {
            if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
                const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (std::size_t i = 0; i < count; ++i) {
                    int fd = -1;
                    std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
                    sockets_.push_back(fd);
                }
            }
        }
        input_.append(bytes, static_cast<std::size_t>(got));
    }
}

Result<> Takeover::finish() {
    if (fd_ < 0) {
        return {};
    }
    TRY_VOID(command("SHUTDOWN WAIT_FOR_CLIENTS;"));
    ::close(std::exchange(fd_, -1));
    return {};
}

}  // namespace howdah::cli
