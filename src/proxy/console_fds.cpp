// SHOW FDS: the listening sockets, to a new process that takes over. Over the unix socket, and to
// our own uid, the descriptors themselves go along with their rows; to others only the rows do.
//
// TAKE_HTTP: the listening sockets of the HTTP server, one row and descriptor each; after that only
// the other process accepts on them.
//
// TAKE_CLIENTS 3: the clients, one row each, between two transactions, with its descriptor and that
// of its server, where that is its own (session mode, a pin); it ends when none is left. Those with
// TLS stay here until they leave. The number is the format of what the rows hold.
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "proxy/console_commands.hpp"
#include "proxy/console_table.hpp"
#include "proxy/gather.hpp"

namespace howdah::proxy {
namespace {

constexpr int kSendMaxMs = 5000;

Table fds_table() {
    Table table{{"fd", kInt4},   {"task", kText}, {"user", kText},   {"database", kText},
                {"addr", kText}, {"port", kInt4}, {"cancel", kInt8}, {"link", kInt4}};
    table.text_columns({"client_encoding", "std_strings", "datestyle", "timezone", "password"});
    table.columns_of(kBytea, {"scram_client_key", "scram_server_key"});
    return table;
}

std::vector<Cell> listener_row(const ListeningSocket& listener) {
    RowBuilder cells;
    cells.number(listener.fd).text("pooler").null().null().text(listener.address);
    cells.number(listener.port).number(0).number(0);
    for (int i = 0; i < 7; ++i) {
        cells.null();
    }
    return cells.take();
}

constexpr std::size_t kDescriptorsMax = 2;

// One piece, its descriptors with the first byte. The socket does not block: waits for room.
Result<> send_piece(int socket, std::string_view bytes, std::span<const int> fds) {
    ASSERT(fds.size() <= kDescriptorsMax);
    alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorsMax * sizeof(int))] = {};
    while (!bytes.empty()) {
        iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        if (!fds.empty()) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(fds.size_bytes());
            cmsghdr* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(fds.size_bytes());
            std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
        }
        const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            fds = {};
            continue;
        }
        pollfd room{socket, POLLOUT, 0};
        if ((errno != EAGAIN && errno != EINTR) || ::poll(&room, 1, kSendMaxMs) <= 0) {
            return fail(ErrorCode::kIo, fmt::format("SHOW FDS: {}", std::strerror(errno)));
        }
    }
    return {};
}

}  // namespace

net::Task<Result<std::string>> show_fds(Console& console, const ConsoleCommand&) {
    Worker& home = console.worker();
    net::Stream& client = console.session().client();
    const std::vector<ListeningSocket> listeners = home.shared().control().listeners();
    const bool owner = console.is_owner() && client.peer().address.is_unix();
    wire::Encoder head;
    head.row_description(fds_table().columns);
    if (!owner) {
        Table table = fds_table();
        for (const ListeningSocket& listener : listeners) {
            table.rows.push_back(listener_row(listener));
        }
        wire::Encoder rows;
        encode_table(table, rows);
        client.write(rows.view());
        co_return "SHOW";
    }
    // Nothing of ours is waiting to be sent on a console that was just asked something.
    CO_TRY_VOID(send_piece(client.fd(), head.view(), {}));
    for (const ListeningSocket& listener : listeners) {
        const std::vector<Cell> cells = listener_row(listener);
        std::vector<std::string_view> values;
        for (const Cell& cell : cells) {
            values.push_back(cell ? std::string_view(cell->c_str(), cell->size())
                                  : std::string_view());
        }
        wire::Encoder row;
        row.data_row(values);
        CO_TRY_VOID(send_piece(client.fd(), row.view(), {&listener.fd, 1}));
    }
    home.shared().control().hand_over();
    log::info("listening sockets were handed to process {}", client.peer().pid);
    co_return "SHOW";
}

namespace {

bool may_take(Console& console) {
    return console.is_owner() && console.worker().shared().control().handed_over();
}

Error not_for_you() {
    return Error(ErrorCode::kRefused, "08P01", "only for a process that takes over");
}

}  // namespace

net::Task<Result<std::string>> take_http(Console& console, const ConsoleCommand&) {
    if (!may_take(console)) {
        co_return fail(not_for_you());
    }
    Worker& home = console.worker();
    Control& control = home.shared().control();
    std::vector<int> sockets;
    CO_TRY_VOID(co_await on_main(home, [&]() -> Result<> {
        sockets = control.http_sockets();
        return {};
    }));
    Result<> sent;
    for (const int fd : sockets) {
        const std::string_view value[] = {"http"};
        wire::Encoder row;
        row.data_row(value);
        if (sent) {
            sent = send_piece(console.session().client().fd(), row.view(), {&fd, 1});
        }
        ::close(fd);
    }
    CO_TRY_VOID(std::move(sent));
    CO_TRY_VOID(co_await on_main(home, [&]() -> Result<> {
        control.leave_http();
        return {};
    }));
    co_return "TAKE_HTTP";
}

namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(20);

net::Task<bool> clients_left(Worker& home) {
    for (const int here : co_await gather<int>(home, [](Worker& worker) {
             for (const auto& [id, session] : worker.sessions()) {
                 if (!session->is_console()) {
                     return 1;
                 }
             }
             return 0;
         })) {
        if (here == 1) {
            co_return true;
        }
    }
    co_return false;
}

net::Task<void> set_handing_over(Worker& home, bool on) {
    co_await gather<int>(home, [on](Worker& worker) {
        worker.set_handing_over(on);
        return 0;
    });
}

void keep_client(Worker& home, HandoverQueue::Client& client) {
    if (auto state = decode_client(client.state)) {
        adopt_client(home.shared().workers, std::move(*state), client.fd, client.server_fd);
    }
    explicit_bzero(client.state.data(), client.state.size());
}

// Sends one; a client that cannot be sent stays ours.
Result<> send_client(Worker& home, int socket, HandoverQueue::Client client) {
    const std::string_view value[] = {client.state};
    wire::Encoder row;
    row.data_row(value);
    std::string bytes = row.take();
    const int fds[] = {client.fd, client.server_fd};
    auto sent = send_piece(socket, bytes, std::span(fds).first(client.server_fd < 0 ? 1 : 2));
    explicit_bzero(bytes.data(), bytes.size());
    if (sent) {
        ::close(client.fd);
        if (client.server_fd >= 0) {
            ::close(client.server_fd);
        }
        explicit_bzero(client.state.data(), client.state.size());
    } else {
        keep_client(home, client);
    }
    return sent;
}

}  // namespace

net::Task<Result<std::string>> take_clients(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    net::Stream& client = console.session().client();
    HandoverQueue& queue = home.shared().handover();
    if (!may_take(console)) {
        co_return fail(not_for_you());
    }
    if (command.argument != std::to_string(kHandoverFormat)) {
        co_return fail(Error(ErrorCode::kRefused, "08P01",
                             fmt::format("clients are handed over in format {}, not {}: they stay",
                                         kHandoverFormat, command.argument)));
    }
    co_await set_handing_over(home, true);
    Result<> sent;
    std::size_t count = 0;
    while (sent && !client.ended()) {
        // Asked before the queue is looked at: who is not there any more is in the queue.
        const bool more = co_await clients_left(home);
        while (sent) {
            auto next = queue.take();
            if (!next) {
                break;
            }
            sent = send_client(home, client.fd(), std::move(*next));
            ++count;
        }
        if (!more) {
            break;
        }
        co_await home.loop().sleep(kLookEvery);
    }
    co_await set_handing_over(home, false);
    while (auto back = queue.take()) {
        keep_client(home, *back);
    }
    if (!sent) {
        ::shutdown(client.fd(), SHUT_RDWR);  // behind part of a row nothing can be said
        co_return std::unexpected(std::move(sent).error());
    }
    log::info("{} clients were handed to process {}", count, client.peer().pid);
    co_return "TAKE_CLIENTS";
}

}  // namespace howdah::proxy
