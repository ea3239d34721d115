// Cancel requests, from the packet to the server they were meant for, and what becomes of a server
// whose client has gone.

#include <fmt/format.h>

#include "base/log.hpp"
#include "proxy/gather.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

using namespace std::chrono_literals;

namespace {

constexpr net::Duration kRecoveryMax = 5s;
// cancel_wait_timeout 0: no limit but this.
constexpr net::Duration kCancelMax = std::chrono::hours(1);

// With peers, the cancel key says whose it is, in the bytes where PgBouncer has it: the second and
// third of the process id. The last two bits of the key count how often it may be passed on.
constexpr std::uint8_t kHopsMask = 0x03;

int peer_of(std::uint32_t pid) {
    return static_cast<int>((pid >> 16 & 0xff) | (pid & 0xff00));
}

}  // namespace

std::uint32_t Worker::cancel_pid_for(std::uint64_t session_id, std::string& key) const {
    const int peer = settings().peer_id;
    if (peer == 0) {
        // The loop's number is in the process id, so that a cancel request finds its loop.
        return static_cast<std::uint32_t>((session_id << 4 | index_) & 0x7fffffff);
    }
    key.back() = static_cast<char>(static_cast<std::uint8_t>(key.back()) | kHopsMask);
    const auto id = static_cast<std::uint32_t>(peer);
    return static_cast<std::uint32_t>((session_id >> 4 & 0x7f) << 24) | (id & 0xff) << 16 |
           (id & 0xff00) | static_cast<std::uint32_t>((session_id & 0xf) << 4) | index_;
}

void Asker::tell_sent(const PoolEntry& entry) const {
    if (worker == nullptr) {
        return;
    }
    worker->loop().post([asker = *this, database = entry.database(), user = entry.user()] {
        if (const auto found = asker.worker->sessions().find(asker.session);
            found != asker.worker->sessions().end()) {
            found->second->cancel_sent(database, user);
        }
    });
}

void Asker::tell_taken() const {
    if (worker == nullptr) {
        return;
    }
    worker->loop().post([asker = *this] {
        if (const auto found = asker.worker->sessions().find(asker.session);
            found != asker.worker->sessions().end()) {
            found->second->cancel_taken();
        }
    });
}

void Worker::route_cancel(std::uint32_t pid, std::string key, std::uint64_t asking_session) {
    const Asker asker{this, asking_session};
    if (const int own = settings().peer_id; own != 0 && !key.empty()) {
        auto hops = static_cast<std::uint8_t>(key.back());
        if (peer_of(pid) != own) {
            if ((hops & kHopsMask) != 0) {
                key.back() = static_cast<char>(hops - 1);
                tasks_.spawn(forward_cancel(peer_of(pid), pid, std::move(key), asker));
            } else {
                asker.tell_taken();
            }
            return;
        }
        key.back() = static_cast<char>(hops | kHopsMask);
    }
    const std::size_t owner = pid & 0xf;
    if (owner >= shared_.workers.size()) {
        asker.tell_taken();
        return;
    }
    Worker* worker = shared_.workers[owner];
    const auto deliver = [worker, pid, key, asker] {
        for (const auto& [id, session] : worker->sessions_) {
            if (session->cancel_pid() == pid && !session->cancel_key().empty() &&
                wire::equal_constant_time(session->cancel_key(), key)) {
                session->cancel(asker);
                return;
            }
        }
        asker.tell_taken();
    };
    if (worker == this) {
        deliver();
    } else {
        worker->loop().post(deliver);
    }
}

net::TimePoint Worker::cancel_deadline() const {
    const net::Duration limit = settings().cancel_wait_timeout;
    return loop_.now() + (limit.count() > 0 ? limit : kCancelMax);
}

int Worker::peer_cancels(int peer_id) const {
    const auto found = peer_cancels_.find(peer_id);
    return found == peer_cancels_.end() ? 0 : found->second;
}

// Passes a cancel request on to the process among [peers] whose client it is.
net::Task<void> Worker::forward_cancel(int peer_id, std::uint32_t pid, std::string key,
                                       Asker asker) {
    const TellTaken told(asker);
    const auto found = config_->peers.find(peer_id);
    if (found == config_->peers.end()) {
        log::warning("could not find peer {} to forward a cancel request to", peer_id);
        co_return;
    }
    const config::ServerAddress peer = found->second.addresses.front();
    const auto port = static_cast<std::uint16_t>(peer.port);
    server::CancelTarget target;
    target.host = peer.host;
    target.pid = pid;
    target.key = std::move(key);
    if (peer.host.empty() || peer.host[0] == '/' || peer.host[0] == '@') {
        const std::string& folder = peer.host.empty() ? settings().unix_socket_dir : peer.host;
        target.address = net::Address::unix_path(fmt::format("{}/.s.PGSQL.{}", folder, port));
    } else if (auto numeric = net::Address::numeric(peer.host, port)) {
        target.address = *numeric;
    } else {
        Resolver::Question question;
        question.name = peer.host;
        question.times = {settings().dns_max_ttl, settings().dns_nxdomain_ttl};
        auto resolved = co_await shared_.resolver.resolve(loop_, std::move(question));
        if (!resolved || resolved->empty()) {
            log::warning("peer {}: could not resolve \"{}\"", peer_id, peer.host);
            co_return;
        }
        target.address = resolved->front();
        target.address.set_port(port);
    }
    ++peer_cancels_[peer_id];
    if (auto sent = co_await server::send_cancel(loop_, std::move(target), cancel_deadline());
        !sent) {
        log::warning("cancel request to peer {} failed: {}", peer_id, sent.error().message);
    }
    --peer_cancels_[peer_id];
}

void Worker::cancel_server(PoolEntry& entry, pool::Pooled* server, Asker asker) {
    ++entry.stats.cancels;
    ++server->connection->cancels_in_flight;
    tasks_.spawn(cancel_task(entry, server, asker));
}

net::Task<void> Worker::cancel_task(PoolEntry& entry, pool::Pooled* server, Asker asker) {
    const TellTaken told(asker);
    asker.tell_sent(entry);
    ++entry.cancels_under_way;
    entry.client_cancels_under_way += asker.worker != nullptr ? 1 : 0;
    ServerConnection& connection = *server->connection;
    server::CancelTarget target;
    target.address = connection.address;
    target.host = connection.host;
    target.pid = connection.pid;
    target.key = connection.cancel_key;
    if (connection.stream->tls() != nullptr) {
        target.tls = shared_.tls()->server_for(entry.database());
        target.tls_mode = server::TlsMode::kRequire;
    }
    auto sent = co_await server::send_cancel(loop_, std::move(target), cancel_deadline());
    if (!sent) {
        log::warning("cancel request to {} failed: {}", connection.address.to_string(),
                     sent.error().message);
    }
    --entry.cancels_under_way;
    entry.client_cancels_under_way -= asker.worker != nullptr ? 1 : 0;
    --connection.cancels_in_flight;
    if (server->holder != nullptr) {
        ASSERT(server->state == pool::ServerState::kLeased);
        static_cast<Session*>(server->holder)->wake();  // its next request waits for this
    }
    if (connection.release_pending && connection.cancels_in_flight == 0) {
        connection.release_pending = false;
        if (server->state == pool::ServerState::kLeased) {
            entry.pool().release(server);
        }
    }
}

void Worker::recover(PoolEntry& entry, pool::Pooled* server, Recovery recovery) {
    tasks_.spawn(recover_task(entry, server, std::move(recovery)));
}

net::Task<void> Worker::recover_task(PoolEntry& entry, pool::Pooled* server, Recovery recovery) {
    if (recovery.cancel) {
        cancel_server(entry, server, {});
    }
    if (co_await drain_server(entry, *server, std::move(recovery))) {
        give_back(entry, server);
    } else {
        while (server->connection->cancels_in_flight > 0) {
            co_await loop_.sleep(10ms);
        }
        entry.pool().close(server, "client disconnect while server was not ready");
    }
}

// Of what a client's session was asking the catalog when the client went away.
void Worker::hear_answer(PoolEntry& entry, char type, std::span<const std::uint8_t> body,
                         std::optional<HiddenCode::Question>& question) {
    if (type == 'D') {
        HiddenCode::take_row(body, *question);
    } else if (type == 'E') {
        entry.hidden_code.not_answered(*question, wire::read_error(body).message, loop_.now(),
                                       entry.database());
        question.reset();
    } else if (type == 'Z') {
        entry.hidden_code.answered(*question, loop_.now(), entry.database(),
                                   shared_.databases_asked());
        question.reset();
    }
}

// Reads and drops what still comes, rolls back; true when the server is at rest.
net::Task<bool> Worker::drain_server(PoolEntry& entry, pool::Pooled& server, Recovery recovery) {
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
        const bool told = recovery.question && (frame.type == 'D' || frame.type == 'E');
        if (frame.type == 'Z' || frame.type == 'S' || told) {
            if (stream.buffered() < frame.total_bytes()) {
                co_await event.wait();
                continue;
            }
            const std::span body(stream.peek(frame.total_bytes()) + wire::kHeaderBytes,
                                 frame.body_bytes);
            if (recovery.question) {
                hear_answer(entry, frame.type, body, recovery.question);
            }
            wire::Reader reader(body);
            if (frame.type == 'Z') {
                connection.status = static_cast<char>(reader.u8());
                --answers;
            } else if (frame.type == 'S') {
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
    if (recovery.question) {
        entry.hidden_code.let_others_ask();
    }
    stream.set_listener(nullptr);
    co_return answers == 0 && skip == 0 && connection.status == 'I' && stream.buffered() == 0 &&
        !stream.ended();
}

}  // namespace howdah::proxy
