// What is left to do on a server whose client went away: it is cancelled, drained, rolled back and
// given back, or closed when that takes too long.

#include "proxy/worker.hpp"

namespace howdah::proxy {

using namespace std::chrono_literals;

namespace {

constexpr net::Duration kRecoveryMax = 5s;

}  // namespace

void Worker::recover(PoolEntry& entry, pool::Pooled* server, Recovery recovery) {
    tasks_.spawn(recover_task(entry, server, recovery));
}

net::Task<void> Worker::recover_task(PoolEntry& entry, pool::Pooled* server, Recovery recovery) {
    if (recovery.cancel) {
        cancel_server(entry, server);
    }
    if (co_await drain_server(*server, recovery)) {
        give_back(entry, server);
    } else {
        while (server->connection->cancels_in_flight > 0) {
            co_await loop_.sleep(10ms);
        }
        entry.pool().close(server, "client disconnect while server was not ready");
    }
}

// Reads and drops what still comes, rolls back; true when the server is at rest.
net::Task<bool> Worker::drain_server(pool::Pooled& server, Recovery recovery) {
    ServerConnection& connection = *server.connection;
    net::Stream& stream = *connection.stream;
    net::Event event(loop_);
    net::Deadline deadline(event);
    deadline.arm(loop_.now() + kRecoveryMax);
    stream.set_listener(&event);
    wire::Encoder ending;
    if (recovery.half_said) {
        // A Sync would commit what the client left half said: an error rolls it back instead.
        ending.begin('D').u8('S').text("HOWDAH gone").end();
    }
    ending.simple('S').query("ROLLBACK");
    stream.write(ending.view());
    std::size_t answers = recovery.answers + 2;
    std::size_t skip = recovery.skip_bytes;
    while (answers > 0 && !stream.ended() && !deadline.expired()) {
        if (skip > 0 && stream.buffered() > 0) {
            const std::size_t here = std::min(skip, stream.buffered());
            stream.drop(here);
            skip -= here;
            continue;
        }
        const std::uint8_t* header = stream.peek(wire::kHeaderBytes);
        if (header == nullptr) {
            co_await event.wait();
            continue;
        }
        wire::Frame frame;
        if (!wire::read_frame(header, frame) || frame.type == 'G' || frame.type == 'W') {
            break;
        }
        if (frame.type == 'Z' || frame.type == 'S') {
            if (stream.buffered() < frame.total_bytes()) {
                co_await event.wait();
                continue;
            }
            wire::Reader reader(
                {stream.peek(frame.total_bytes()) + wire::kHeaderBytes, frame.body_bytes});
            if (frame.type == 'Z') {
                connection.status = static_cast<char>(reader.u8());
                --answers;
            } else {
                const std::string_view name = reader.text();
                connection.note_parameter(name, reader.text());
            }
        }
        skip = frame.total_bytes();
    }
    // What was left of the last message.
    while (skip > 0 && stream.buffered() > 0) {
        const std::size_t here = std::min(skip, stream.buffered());
        stream.drop(here);
        skip -= here;
    }
    stream.set_listener(nullptr);
    co_return answers == 0 && skip == 0 && connection.status == 'I' && stream.buffered() == 0 &&
        !stream.ended();
}

}  // namespace howdah::proxy
