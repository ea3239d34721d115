// Keeping connections healthy while nobody has them: checks, resets, and what idle servers say.

#include "pool/pool.hpp"
#include "wire/frame.hpp"
#include "wire/message.hpp"

namespace howdah::pool {

using namespace std::chrono_literals;

namespace {

// A check or reset that takes longer than this is not worth waiting for.
constexpr net::Duration kMaintenanceMax = 30s;

// What a statement of server_reset_query has taken away; an administrator's need not be DISCARD
// ALL.
void note_cleaned(ServerConnection& connection, std::string_view tag) {
    const bool all = tag == "DISCARD ALL";
    if (all || tag == "DEALLOCATE ALL") {
        connection.prepared.clear();
    }
    if (all) {
        connection.applied = nullptr;
        connection.tainted_by = 0;
        connection.sequences_of = 0;
    }
}

}  // namespace

net::Task<bool> Pool::run_query(Pooled& server, const std::string& sql, net::Duration time_max) {
    ServerConnection& connection = *server.connection;
    net::Stream& stream = *connection.stream;
    net::Event event(loop_);
    net::Deadline deadline(event);
    deadline.arm(loop_.now() + time_max);
    stream.set_listener(&event);
    wire::Encoder query;
    connection.unnamed_stamp = 0;  // a simple query ends it
    stream.write(query.query(sql).view());
    bool failed = false;
    bool ready = false;
    while (!ready && !stream.ended() && !deadline.expired()) {
        const std::uint8_t* header = stream.peek(wire::kHeaderBytes);
        wire::Frame frame;
        if (header != nullptr && !wire::read_frame(header, frame)) {
            break;
        }
        if (header == nullptr || stream.buffered() < frame.total_bytes()) {
            if (header != nullptr && frame.total_bytes() > (1U << 20)) {
                break;
            }
            co_await event.wait();
            continue;
        }
        const std::uint8_t* bytes = stream.peek(frame.total_bytes());
        wire::Reader reader({bytes + wire::kHeaderBytes, frame.body_bytes});
        if (frame.type == 'Z') {
            connection.status = static_cast<char>(reader.u8());
            ready = true;
        } else if (frame.type == 'C') {
            note_cleaned(connection, reader.text());
        } else if (frame.type == 'E') {
            failed = true;
        } else if (frame.type == 'S') {
            const std::string_view name = reader.text();
            connection.note_parameter(name, reader.text());
        }
        stream.drop(frame.total_bytes());
    }
    stream.set_listener(&idle_event_);
    co_return ready && !failed && connection.status == 'I';
}

net::Task<void> Pool::check(Pooled* server) {
    const std::string sql =
        options_.server_check_query == "<empty>" ? std::string() : options_.server_check_query;
    if (co_await run_query(*server, sql, kMaintenanceMax)) {
        server->connection->released_at = loop_.now();
        became_idle(server);
    } else {
        close(server, "server check failed");
    }
}

net::Task<void> Pool::reset(Pooled* server) {
    ServerConnection& connection = *server->connection;
    if (connection.dirty) {
        connection.tainted_by = ServerConnection::kSomebodys;
    }
    if (co_await run_query(*server, options_.server_reset_query, kMaintenanceMax)) {
        connection.dirty = false;
        if (!connection.connect_query.empty() && connection.applied == nullptr) {
            connection.tainted_by = ServerConnection::kSomebodys;  // runs it again
        }
        became_idle(server);
    } else {
        close(server, "server reset failed");
    }
}

// What an idle server says concerns no client: parameters are noted, notices are dropped, and a
// FATAL or anything unexpected ends the connection.
void Pool::drain_idle(Pooled& server) {
    ServerConnection& connection = *server.connection;
    net::Stream& stream = *connection.stream;
    while (const std::uint8_t* header = stream.peek(wire::kHeaderBytes)) {
        wire::Frame frame;
        if (!wire::read_frame(header, frame) || frame.body_bytes > 65536 ||
            (frame.type != 'S' && frame.type != 'N' && frame.type != 'A')) {
            std::string reason = "unexpected message while idle";
            if (frame.type == 'E' && stream.buffered() >= frame.total_bytes()) {
                const std::uint8_t* bytes = stream.peek(frame.total_bytes());
                reason = std::string(
                    wire::read_error({bytes + wire::kHeaderBytes, frame.body_bytes}).message);
            }
            close(&server, reason);
            return;
        }
        if (stream.buffered() < frame.total_bytes()) {
            return;
        }
        const std::uint8_t* bytes = stream.peek(frame.total_bytes());
        if (frame.type == 'S') {
            wire::Reader reader({bytes + wire::kHeaderBytes, frame.body_bytes});
            const std::string_view name = reader.text();
            connection.note_parameter(name, reader.text());
        }
        stream.drop(frame.total_bytes());
    }
    if (stream.ended()) {
        close(&server, "server closed the connection while idle");
    }
}

net::Task<void> Pool::watch_idle() {
    while (!closing_) {
        co_await idle_event_.wait();
        const std::vector<Pooled*> looked_at(idle_.begin(), idle_.end());
        for (Pooled* server : looked_at) {
            if (server->state == ServerState::kIdle &&
                (server->connection->stream->buffered() > 0 ||
                 server->connection->stream->ended())) {
                drain_idle(*server);
            }
        }
    }
}

}  // namespace howdah::pool
