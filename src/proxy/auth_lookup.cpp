#include "proxy/auth_lookup.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"
#include "config/options.hpp"
#include "proxy/worker.hpp"
#include "wire/frame.hpp"
#include "wire/message.hpp"

namespace howdah::proxy {

using namespace std::chrono_literals;

namespace {

// Answers kept for use again; more users than this at once are asked for each time.
constexpr std::size_t kKeptMax = 10'000;
constexpr std::uint32_t kAnswerBytesMax = 65536;

// It names nothing outside pg_catalog, so it can run with nothing else in its search_path.
bool is_built_in(const std::string& query) {
    static const std::string kBuiltIn = config::default_settings(true).auth_query;
    return query == kBuiltIn;
}

Error config_error() {
    return Error(ErrorCode::kRefused, "08P01", "bouncer config error",
                 "The proxy's log says what is wrong with auth_query, auth_user or auth_dbname.");
}

// Parse, Bind, Execute of the query with one text parameter.
void write_lookup(wire::Encoder& out, const AuthRequest& request) {
    out.parse("", request.query);
    out.begin('B').text("").text("").i16(0).i16(1);
    out.i32(static_cast<std::int64_t>(request.user.size())).bytes(request.user);
    out.i16(0).end();
    out.begin('D').u8('P').text("").end();
    out.begin('E').text("").i32(0).end();
    out.simple('S');
}

// What the server says to a lookup, message by message.
class AnswerReader {
  public:
    AnswerReader(std::string user, bool transition) : user_(std::move(user)) {
        expected_ = transition ? 2 : 1;
    }

    // False: the connection cannot be used any more.
    bool take(wire::Frame frame, std::span<const std::uint8_t> body,
              server::ServerConnection& connection) {
        wire::Reader reader(body);
        if (expected_ == 2 && (frame.type == 'T' || frame.type == 'D')) {
            return true;  // of the statement that sets the parameters
        }
        switch (frame.type) {
            case 'T':
                check_columns(reader.u16());
                return true;
            case 'D':
                take_row(reader);
                return true;
            case 'E':
                error_ = wire::read_error(body).message;
                return true;
            case 'S': {
                const std::string_view name = reader.text();
                connection.note_parameter(name, reader.text());
                return true;
            }
            case 'Z':
                connection.status = static_cast<char>(reader.u8());
                --expected_;
                return true;
            case 'G':
            case 'H':
            case 'W':
                return false;
            default:
                return true;
        }
    }
    bool done() const { return expected_ == 0; }
    const std::string& error() const { return error_; }
    AuthAnswer take_answer() { return std::move(answer_); }

  private:
    void check_columns(std::uint16_t columns) {
        if (columns != 2 && error_.empty()) {
            error_ = fmt::format("expected 2 columns from auth_query, not {}", columns);
        }
    }

    void take_row(wire::Reader& reader) {
        const std::uint16_t columns = reader.u16();
        check_columns(columns);
        if (columns != 2 || answer_.found) {
            return;
        }
        const std::uint32_t name_length = reader.u32();
        if (name_length == 0xffffffffU) {
            error_ = "auth_query response contained null user name";
            return;
        }
        const std::string_view name = reader.bytes(name_length);
        const std::uint32_t length = reader.u32();
        const std::string_view password =
            length == 0xffffffffU ? std::string_view() : reader.bytes(length);
        if (!reader.ok()) {
            error_ = "malformed row from auth_query";
            return;
        }
        // A password of another user proves nothing about this one.
        answer_.found = name == user_;
        if (answer_.found && length != 0xffffffffU) {
            answer_.password = wire::Secret(password);
        }
    }

    std::string user_;
    int expected_ = 1;
    std::string error_;
    AuthAnswer answer_;
};

}  // namespace

std::shared_ptr<AuthLookup> AuthLookups::find(const AuthRequest& request) {
    const net::Duration kept = worker_.settings().auth_query_cache_time;
    const auto found = recent_.find(request);
    if (found != recent_.end()) {
        const AuthLookup& lookup = *found->second;
        if (!lookup.done || worker_.loop().now() - lookup.finished_at < kept) {
            return found->second;
        }
    }
    if (recent_.size() >= kKeptMax) {
        sweep();
    }
    auto lookup = std::make_shared<AuthLookup>();
    if (recent_.size() < kKeptMax) {
        recent_[request] = lookup;
    }
    worker_.tasks().spawn(run(lookup, request));
    return lookup;
}

// The client hears of its failure after this: when it comes back, the others have heard, too.
void AuthLookups::forget_everywhere(const AuthRequest& request) {
    recent_.erase(request);
    for (Worker* other : worker_.shared().workers) {
        if (other != &worker_) {
            other->loop().post([other, request] { other->auth_lookups().recent_.erase(request); });
        }
    }
}

void AuthLookups::sweep() {
    const net::TimePoint now = worker_.loop().now();
    const net::Duration kept = worker_.settings().auth_query_cache_time;
    std::erase_if(recent_, [&](const auto& entry) {
        return entry.second->done && now - entry.second->finished_at >= kept;
    });
}

void AuthLookups::stop() {
    for (net::Event* event : running_) {
        event->notify();
    }
}

net::Task<void> AuthLookups::run(std::shared_ptr<AuthLookup> lookup, AuthRequest request) {
    net::Event event(worker_.loop());
    running_.push_back(&event);
    lookup->answer = co_await ask(request, event);
    std::erase(running_, &event);
    lookup->finished_at = worker_.loop().now();
    lookup->done = true;
    // What went wrong or was not found is asked again; what is not to be kept goes at once.
    const bool keep = lookup->answer && lookup->answer->found &&
                      worker_.settings().auth_query_cache_time.count() > 0;
    const auto kept = recent_.find(request);
    if (!keep && kept != recent_.end() && kept->second == lookup) {
        recent_.erase(kept);
    }
    for (net::Event* waiter : lookup->waiters) {
        waiter->notify();
    }
}

// A server of auth_user, the query on it, and the server goes back.
net::Task<Result<AuthAnswer>> AuthLookups::ask(AuthRequest request, net::Event& event) {
    PoolEntry* entry = worker_.pool_as(request.database, request.auth_user);
    if (entry == nullptr) {
        log::error("authentication database \"{}\" is not configured", request.database);
        co_return fail(config_error());
    }
    const net::Duration login_max = worker_.settings().client_login_timeout;
    net::Deadline deadline(event);
    deadline.arm(worker_.loop().now() + (login_max.count() > 0 ? login_max : 60s));
    pool::Waiter waiter(event);
    pool::Pooled* server = entry->pool().acquire(waiter, nullptr);
    while (server == nullptr) {
        if (waiter.granted != nullptr) {
            server = std::exchange(waiter.granted, nullptr);
            break;
        }
        if (waiter.refused) {
            co_return fail(std::move(*waiter.refused));
        }
        if (deadline.expired() || worker_.stopping) {
            entry->pool().cancel(waiter);
            co_return fail(Error(ErrorCode::kTimeout, "08P01", "client_login_timeout"));
        }
        co_await event.wait();
    }
    server->connection->stream->set_listener(&event);
    auto answer = co_await query(*server, std::move(request), event, deadline);
    server::ServerConnection& connection = *server->connection;
    connection.unnamed_stamp = 0;
    if (!answer) {  // what failed may have been the parameters: nobody knows what is set
        connection.tainted_by = server::ServerConnection::kSomebodys;
    }
    if (connection.status != 'I' || connection.stream->ended() || deadline.expired() ||
        worker_.stopping) {
        entry->pool().close(server, "auth_query did not finish");
    } else {
        worker_.give_back(*entry, server);
    }
    co_return answer;
}

net::Task<Result<AuthAnswer>> AuthLookups::query(pool::Pooled& server, AuthRequest request,
                                                 net::Event& event, net::Deadline& deadline) {
    server::ServerConnection& connection = *server.connection;
    net::Stream& stream = *connection.stream;
    const server::ParameterSetPtr wanted =
        is_built_in(request.query) ? worker_.parameters().intern({{"search_path", "pg_catalog"}})
                                   : worker_.parameters().empty();
    if (connection.applied == nullptr) {
        connection.applied = worker_.parameters().empty();
    }
    const bool tainted = std::exchange(connection.tainted_by, 0) != 0;
    const bool transition = tainted || connection.applied != wanted;
    wire::Encoder out;
    if (transition) {
        out.query(tainted ? server::reset_and_set_sql(*wanted)
                          : server::transition_sql(*connection.applied, *wanted));
        connection.applied = wanted;
    }
    write_lookup(out, request);
    stream.write(out.view());
    connection.status = '?';  // not at rest before the last ReadyForQuery
    AnswerReader answer(request.user, transition);
    while (!answer.done() && !stream.ended() && !deadline.expired() && !worker_.stopping) {
        const std::uint8_t* header = stream.peek(wire::kHeaderBytes);
        wire::Frame frame;
        if (header != nullptr &&
            (!wire::read_frame(header, frame) || frame.body_bytes > kAnswerBytesMax)) {
            break;
        }
        if (header == nullptr || stream.buffered() < frame.total_bytes()) {
            co_await event.wait();
            continue;
        }
        const std::uint8_t* bytes = stream.peek(frame.total_bytes());
        const bool usable =
            answer.take(frame, {bytes + wire::kHeaderBytes, frame.body_bytes}, connection);
        stream.drop(frame.total_bytes());
        if (!usable) {
            break;
        }
        if (!answer.done() && connection.status != '?' && frame.type == 'Z') {
            connection.status = '?';
        }
    }
    if (!answer.error().empty()) {
        log::error("S-{:x}: {}/{} S: error in auth_query: {}", server.id, request.database,
                   request.auth_user, answer.error());
        co_return fail(config_error());
    }
    if (!answer.done()) {
        log::error("S-{:x}: {}/{} auth_query was not answered", server.id, request.database,
                   request.auth_user);
        co_return fail(config_error());
    }
    co_return answer.take_answer();
}

}  // namespace howdah::proxy
