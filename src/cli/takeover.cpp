#include "cli/takeover.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/assert.hpp"
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

// A value of a DataRow; empty when it is NULL or not there.
std::string_view column(std::span<const std::uint8_t> row, int number) {
    wire::Reader reader(row);
    reader.u16();
    std::string_view value;
    for (int i = 0; i <= number && reader.ok(); ++i) {
        const std::uint32_t size = reader.u32();
        value = size == 0xffffffffU ? std::string_view() : reader.bytes(size);
    }
    return reader.ok() ? value : std::string_view();
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
      refusal_(std::move(other.refusal_)),
      received_(std::exchange(other.received_, {})),
      sockets_(std::exchange(other.sockets_, {})) {
    ASSERT(!other.clients_.joinable());
}

void Takeover::stop() {
    if (fd_ >= 0) {
        ::shutdown(fd_, SHUT_RDWR);
    }
    if (clients_.joinable()) {
        clients_.join();
    }
}

Takeover::~Takeover() {
    stop();
    for (const int fd : received_) {
        ::close(fd);
    }
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
    TRY_VOID(takeover.read_until_ready({}));
    std::vector<int>& sockets = takeover.sockets_;
    TRY_VOID(takeover.command("SHOW FDS;", [&sockets](auto row, int fd) -> Result<> {
        // fd, task, ...: PgBouncer's list has its clients and servers, too.
        if (column(row, 1) == "pooler") {
            sockets.push_back(fd);
        } else {
            ::close(fd);
        }
        return {};
    }));
    if (takeover.sockets_.empty()) {
        return failed("the running process gave no listening socket");
    }
    log::info("took over {} listening sockets", takeover.sockets_.size());
    return takeover;
}

Result<> Takeover::command(std::string_view sql, const OnRow& on_row) {
    wire::Encoder query;
    query.query(sql);
    if (::send(fd_, query.data().data(), query.data().size(), MSG_NOSIGNAL) < 0) {
        return failed(std::strerror(errno));
    }
    return read_until_ready(on_row);
}

// An error of the other side is ours. It may hang up after one, or be ready for more.
Result<> Takeover::read_until_ready(const OnRow& on_row) {
    while (true) {
        wire::Frame frame;
        while (input_.size() >= wire::kHeaderBytes &&
               wire::read_frame(reinterpret_cast<const std::uint8_t*>(input_.data()), frame) &&
               input_.size() >= frame.total_bytes()) {
            TRY(const bool ready, take_frame(frame, on_row));
            input_.erase(0, frame.total_bytes());
            if (ready && !refusal_.empty()) {
                return failed("the running process says: " + std::exchange(refusal_, {}));
            }
            if (ready) {
                return {};
            }
        }
        if (auto received = receive(); !received) {
            return refusal_.empty() ? std::move(received)
                                    : failed("the running process says: " + refusal_);
        }
    }
}

// The frame at the front of input_. True for ReadyForQuery.
Result<bool> Takeover::take_frame(wire::Frame frame, const OnRow& on_row) {
    const std::span<const std::uint8_t> body(
        reinterpret_cast<const std::uint8_t*>(input_.data()) + wire::kHeaderBytes,
        frame.body_bytes);
    if (frame.type == 'E') {
        refusal_ = wire::read_error(body).message;
    }
    if (frame.type == 'D' && on_row) {
        TRY(const int fd, take_descriptor());
        TRY_VOID(on_row(body, fd));
    }
    return frame.type == 'Z';
}

// Descriptors come with the first byte of their row.
Result<int> Takeover::take_descriptor() {
    if (received_.empty()) {
        return failed("a row came without its descriptor");
    }
    const int fd = received_.front();
    received_.pop_front();
    return fd;
}

// Some bytes more, and the descriptors that came with them.
Result<> Takeover::receive() {
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
                received_.push_back(fd);
            }
        }
    }
    input_.append(bytes, static_cast<std::size_t>(got));
    return {};
}

std::vector<int> Takeover::take_http() {
    std::vector<int> sockets;
    if (fd_ < 0) {
        return sockets;
    }
    const auto taken = command("TAKE_HTTP;", [&sockets](auto, int fd) -> Result<> {
        sockets.push_back(fd);
        return {};
    });
    if (!taken) {
        log::info("no http_listen to take over: {}", taken.error().message);
    }
    return sockets;
}

void Takeover::take_clients(const Adopt& adopt) {
    std::size_t count = 0;
    const std::string ask = fmt::format("TAKE_CLIENTS {};", proxy::kHandoverFormat);
    const auto taken = command(ask, [&](auto row, int fd) -> Result<> {
        auto state = proxy::decode_client(column(row, 0));
        Result<int> server = state && state->server ? take_descriptor() : Result<int>(-1);
        if (!state || !server) {
            ::close(fd);
            return std::unexpected(!state ? std::move(state).error() : std::move(server).error());
        }
        adopt(std::move(*state), fd, *server);
        ++count;
        return {};
    });
    if (taken) {
        log::info("took over {} clients", count);
    } else {
        log::warning("took over {} clients; {}", count, taken.error().message);
    }
    ::shutdown(fd_, SHUT_RDWR);  // the other process has nobody left to wait for
    // Of a row that did not come whole: the client is the other's, and must see when it hangs up.
    for (const int fd : std::exchange(received_, {})) {
        ::close(fd);
    }
}

Result<> Takeover::finish(Adopt adopt) {
    if (fd_ < 0) {
        return {};
    }
    TRY_VOID(command("SHUTDOWN WAIT_FOR_CLIENTS;"));
    constexpr timeval kForever{0, 0};  // a transaction may take its time
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kForever, sizeof kForever);
    clients_ = std::thread([this, adopt = std::move(adopt)] { take_clients(adopt); });
    return {};
}

}  // namespace howdah::cli
