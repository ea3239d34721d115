// SHOW FDS: the listening sockets, to a new process that takes over. Over the unix socket, and to
// our own uid, the descriptors themselves go along with their rows; to others only the rows do.
// Clients are not handed over: the old process serves them until they leave.
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

#include "base/log.hpp"
#include "proxy/console_commands.hpp"
#include "proxy/console_table.hpp"

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

// One piece with at most one descriptor. The socket does not block: waits for room.
Result<> send_piece(int socket, std::string_view bytes, const int* fd) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    while (!bytes.empty()) {
        iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        if (fd != nullptr) {
            message.msg_control = control;
            message.msg_controllen = sizeof control;
            cmsghdr* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int));
            std::memcpy(CMSG_DATA(header), fd, sizeof(int));
        }
        const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            fd = nullptr;
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
    CO_TRY_VOID(send_piece(client.fd(), head.view(), nullptr));
    for (const ListeningSocket& listener : listeners) {
        const std::vector<Cell> cells = listener_row(listener);
        std::vector<std::string_view> values;
        for (const Cell& cell : cells) {
            values.push_back(cell ? std::string_view(cell->c_str(), cell->size())
                                  : std::string_view());
        }
        wire::Encoder row;
        row.data_row(values);
        CO_TRY_VOID(send_piece(client.fd(), row.view(), &listener.fd));
    }
    home.shared().control().hand_over();
    log::info("listening sockets were handed to process {}", client.peer().pid);
    co_return "SHOW";
}

}  // namespace howdah::proxy
