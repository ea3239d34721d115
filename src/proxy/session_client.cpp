// What the client says: each message is checked, followed, and handed to the server, mostly as the
// bytes that came.

#include <cstring>

#include "base/log.hpp"

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

using config::PoolMode;

// A text up to this size is looked into; a larger one is forwarded piece by piece as unknown.
constexpr std::size_t kInspectMax = 64 * 1024;
// A Parse up to this size is kept, to prepare it on other servers; a larger one pins.
constexpr std::size_t kParseMax = 16 * 1024 * 1024;
// Waiting clients may send this much ahead.
constexpr std::size_t kAheadMax = 64 * 1024;

constexpr std::uint32_t kUnknownText = sql::kUnparsed | sql::kUnknownCode | sql::kWrite;

std::string_view as_text(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Large object functions touch nothing of the session that outlives the transaction.
bool is_large_object_function(std::uint32_t oid) {
    return (oid >= 952 && oid <= 958) || oid == 715 || oid == 764 || oid == 765 || oid == 767 ||
           oid == 964 || oid == 1004 || (oid >= 3170 && oid <= 3172);
}

std::uint64_t hash_params(std::string_view bytes) {
    std::uint64_t hash = 0x9e3779b97f4a7c15ULL ^ bytes.size();
    while (bytes.size() >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data(), 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
        hash ^= hash >> 32;
        bytes.remove_prefix(8);
    }
    std::uint64_t tail = 0;
    std::memcpy(&tail, bytes.data(), bytes.size());
    hash = (hash ^ tail) * 0xc4ceb9fe1a85ec53ULL;
    return hash ^ (hash >> 29);
}

}  // namespace

// Whether the whole frame has come.
bool Session::whole(wire::Frame frame) {
    return client_->buffered() >= frame.total_bytes();
}

// The body of a frame that is whole.
std::span<const std::uint8_t> Session::body(wire::Frame frame) {
    return {client_->peek(frame.total_bytes()) + wire::kHeaderBytes, frame.body_bytes};
}

// Hands the frame on as it is; what has not come yet follows by client_body_left_.
void Session::forward_client(wire::Frame frame) {
    const std::size_t here = std::min(client_->buffered(), frame.total_bytes());
    client_body_left_ = frame.total_bytes() - here;
    client_body_dropped_ = false;
    client_->forward(here, *lease_->connection->stream);
}

void Session::pump_client() {
    while (!ending_ && injected_ == Purpose::kNone && !waiter_.queued) {
        if (lease_ != nullptr && lease_->connection->stream->congested()) {
            client_->pause();
            lease_->connection->stream->notify_when_drained();
            return;
        }
        if (worker_.suspended() && client_body_left_ == 0) {
            client_->pause();
            return;
        }
        client_->resume();
        if (client_body_left_ > 0) {
            const std::size_t here = std::min(client_->buffered(), client_body_left_);
            if (here == 0) {
                return;
            }
            client_body_left_ -= here;
            if (lease_ != nullptr && !client_body_dropped_) {
                client_->forward(here, *lease_->connection->stream);
            } else {
                client_->drop(here);
            }
            continue;
        }
        const std::uint8_t* header = client_->peek(wire::kHeaderBytes);
        if (header == nullptr) {
            return;
        }
        wire::Frame frame;
        if (!wire::read_frame(header, frame) || !wire::is_frontend_type(frame.type)) {
            ++worker_.protocol_errors;
            fatal(Error(ErrorCode::kProtocol, "08P01", "invalid frontend message type or length"));
            return;
        }
        if (!take_client_frame(frame)) {
            break;
        }
    }
    if (waiter_.queued && client_->buffered() > kAheadMax) {
        client_->pause();
    }
}

// Deals with one frame. False: not now (more bytes, a server, or an answer is waited for).
bool Session::take_client_frame(wire::Frame frame) {
    if (copy_both_ && frame.type != 'X') {
        forward_client(frame);
        return true;
    }
    switch (frame.type) {
        case 'Q':
            return on_query(frame);
        case 'P':
            return on_parse(frame);
        case 'B':
            return on_bind(frame);
        case 'D':
            return on_describe(frame);
        case 'E':
            return on_execute(frame);
        case 'C':
            return on_close(frame);
        case 'S':
            return on_sync(frame);
        case 'H':
            return on_flush(frame);
        case 'F':
            return on_function_call(frame);
        case 'd':
        case 'c':
        case 'f':
            return on_copy_message(frame);
        case 'X':
            return on_terminate();
        default:
            ++worker_.protocol_errors;
            fatal(Error(ErrorCode::kProtocol, "08P01", "unexpected message from client"));
            return false;
    }
}

// The client's requests before this one are answered first, as PostgreSQL would.
bool Session::on_terminate() {
    if (!requests_.empty()) {
        return false;
    }
    ending_ = true;
    return true;
}

// True when there is a server to talk to; else it is on its way.
bool Session::need_server() {
    if (lease_ != nullptr) {
        return injected_ == Purpose::kNone;
    }
    wait_started_ = worker_.loop().now();
    pool::Pooled* server = ask_for_server();
    if (server == nullptr) {
        if (worker_.lends_no_more()) {
            fatal(Error(ErrorCode::kUnavailable, "57P01", "server shutting down"));
        }
        wait_notified_ = false;
        arm_deadline();
        return false;
    }
    link(server);
    return lease_ != nullptr && injected_ == Purpose::kNone && !ending_;
}

// A request is about to go to the server: starts the clocks.
void Session::begin_request() {
    if (!query_active_) {
        query_active_ = true;
        batch_.clear();
        batch_usable_ = worker_.settings().retry_changed_plan && lease_->connection->status == 'I';
        batch_described_ = false;
        batch_answered_ = false;
        query_started_ = worker_.loop().now();
        if (transaction_id_ == 0) {
            transaction_id_ =
                worker_.shared().next_transaction.fetch_add(1, std::memory_order_relaxed);
            transaction_started_ = query_started_;
        }
        if (pool_->any_timeout) {
            arm_deadline();
        }
    }
}

// Parameters of extensions and applications ("app.user") are in no list of the server's. Whatever
// looks like one in a text that sets parameters is asked for afterwards.
void Session::note_custom_names(std::string_view text) {
    constexpr std::size_t kNamesMax = 64;
    const auto is_word = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$';
    };
    std::size_t at = 0;
    while (at < text.size()) {
        if (!is_word(text[at])) {
            ++at;
            continue;
        }
        std::size_t end = at;
        bool dot = false;
        while (end < text.size() &&
               (is_word(text[end]) ||
                (text[end] == '.' && end + 1 < text.size() && is_word(text[end + 1])))) {
            dot = dot || text[end] == '.';
            ++end;
        }
        const bool starts_well = std::isdigit(static_cast<unsigned char>(text[at])) == 0;
        if (dot && starts_well && end - at < 128) {
            if (custom_names_ == nullptr) {
                custom_names_ = std::make_unique<std::vector<std::string>>();
            }
            if (custom_names_->size() < kNamesMax) {
                custom_names_->emplace_back(text.substr(at, end - at));
            }
        }
        at = end;
    }
}

bool Session::on_query(wire::Frame frame) {
    const bool large = frame.body_bytes > kInspectMax;
    if (!large && !whole(frame)) {
        return false;
    }
    sql::StatementCache::Lookup found;
    if (!large) {
        std::string_view text = as_text(body(frame));
        if (text.empty() || text.back() != '\0') {
            ++worker_.protocol_errors;
            fatal(Error(ErrorCode::kProtocol, "08P01", "invalid string in message"));
            return false;
        }
        text.remove_suffix(1);
        found = worker_.statements().lookup(text, rules_);
        if (found.statement->has(sql::kSqlPrepare | sql::kSqlExecute | sql::kSqlDeallocate) &&
            worker_.settings().track_sql_prepare && mode() != PoolMode::kSession) {
            return on_query_with_names(frame, found);
        }
    }
    if (!need_server()) {
        return false;
    }
    begin_request();
    Request& request = requests_.push(RequestKind::kQuery);
    request.bytes_in = frame.total_bytes();
    if (found.statement != nullptr) {
        request.facts = sql::StatementRef(found.statement);
        request.text_id = found.text_id;
        note_effects(found.statement->effects);
        if (found.statement->has(sql::kSetSession)) {
            const std::span<const std::uint8_t> bytes = body(frame);
            note_custom_names(as_text(bytes));
        }
    } else {
        note_effects(kUnknownText);
    }
    // A simple query ends the unnamed statement.
    unnamed_.reset();
    lease_->connection->unnamed_owner = 0;
    forward_client(frame);
    return true;
}

void Session::send_parse(std::string_view name, std::string_view body_text) {
    wire::Encoder header;
    header.u8('P').i32(static_cast<std::int64_t>(4 + name.size() + 1 + body_text.size()));
    header.text(name);
    lease_->connection->stream->write(header.view());
    lease_->connection->stream->write(body_text);
    pool_->stats.server_parses += name.empty() ? 0U : 1U;
}

// The statement is on the server, or a Parse for it is on the way before what follows.
bool Session::ensure_prepared(const PreparedPtr& prepared) {
    server::PreparedNames& names = lease_->connection->prepared;
    if (names.contains(prepared->id)) {
        names.touch(prepared->id);
        return true;
    }
    const auto names_max =
        static_cast<std::size_t>(std::max(1, worker_.settings().max_prepared_statements));
    while (names.size() >= names_max) {
        const std::uint64_t oldest = names.oldest();
        names.remove(oldest);
        wire::Encoder close;
        lease_->connection->stream->write(
            close.close_statement(worker_.prepared().prefix() + std::to_string(oldest)).view());
        requests_.push(RequestKind::kClose, RequestAction::kSwallow);
    }
    send_parse(prepared->server_name, prepared->body);
    names.add(prepared->id);
    return false;
}

// The server's unnamed statement is this client's, or there is none.
void Session::ensure_unnamed() {
    ServerConnection& server = *lease_->connection;
    if (unnamed_ != nullptr && server.unnamed_owner == id_) {
        return;
    }
    if (unnamed_ != nullptr) {
        send_parse("", unnamed_->body);
        requests_.push(RequestKind::kParse, RequestAction::kSwallow);
        server.unnamed_owner = id_;
        return;
    }
    // Somebody else's may still be there: it must not be bound by this client.
    wire::Encoder close;
    server.stream->write(close.close_statement("").view());
    requests_.push(RequestKind::kClose, RequestAction::kSwallow);
    server.unnamed_owner = 0;
}

const PreparedPtr* Session::find_statement(std::string_view name) const {
    // With tracking switched off, PgBouncer's clients are on their own from then on.
    const bool untracked =
        worker_.settings().max_prepared_statements == 0 && worker_.config().pgbouncer;
    if (statements_ == nullptr || untracked) {
        return nullptr;
    }
    const auto found = statements_->find(std::string(name));
    return found == statements_->end() ? nullptr : &found->second;
}

// Too large to keep: it goes to this server only, under the client's own name.
bool Session::stream_large(wire::Frame frame) {
    if (!need_server()) {
        return false;
    }
    begin_request();
    pins_ |= kPinLargeParse;
    ++pool_->stats.pins;
    requests_.push(RequestKind::kParse).bytes_in = frame.total_bytes();
    note_effects(kUnknownText);
    unnamed_.reset();
    lease_->connection->unnamed_owner = 0;
    lease_->connection->dirty = true;
    forward_client(frame);
    return true;
}

// The name is taken. PostgreSQL says so itself, in its own words and with the transaction failed:
// a statement of that very name is made first, and removed when the pipeline is over.
void Session::duplicate_parse(std::string_view name, wire::Frame frame) {
    if (worker_.config().pgbouncer) {
        log::error("{} prepared statement '{}' was already prepared", label(), name);
        fatal(Error(ErrorCode::kRefused, "08P01", "prepared statement name is already in use"));
        return;
    }
    static constexpr std::string_view kEmptyBody("\0\0\0", 3);
    send_parse(name, kEmptyBody);
    requests_.push(RequestKind::kParse, RequestAction::kSwallow);
    requests_.push(RequestKind::kParse).bytes_in = frame.total_bytes();
    leftover_name_ = name;
    forward_client(frame);
}

bool Session::on_parse(wire::Frame frame) {
    if (frame.body_bytes > kParseMax) {
        return stream_large(frame);
    }
    if (!whole(frame)) {
        return false;
    }
    const std::span<const std::uint8_t> bytes = body(frame);
    wire::Reader reader(bytes);
    const std::string_view name = reader.text();
    const std::size_t text_at = reader.position();
    const std::string_view text = reader.text();
    if (!reader.ok()) {
        ++worker_.protocol_errors;
        fatal(Error(ErrorCode::kProtocol, "08P01", "invalid Parse message"));
        return false;
    }
    const std::string_view rest = as_text(bytes.subspan(text_at));
    const sql::StatementCache::Lookup found = worker_.statements().lookup(text, rules_);
    const sql::StatementRef facts(found.statement);
    if (!need_server()) {
        return false;
    }
    begin_request();
    batch_usable_ = false;
    if (name.empty()) {
        Request& request = requests_.push(RequestKind::kParse);
        request.bytes_in = frame.total_bytes();
        request.replaced = std::move(unnamed_);
        unnamed_ = spare_ != nullptr ? std::move(spare_) : std::make_unique<Unnamed>();
        unnamed_->body.assign(rest);
        unnamed_->facts = facts;
        unnamed_->text_id = found.text_id;
        lease_->connection->unnamed_owner = id_;
        forward_client(frame);
        return true;
    }
    if (worker_.settings().max_prepared_statements == 0) {
        requests_.push(RequestKind::kParse).bytes_in = frame.total_bytes();
        note_effects(facts->effects);
        lease_->connection->dirty = true;
        forward_client(frame);
        return true;
    }
    ++pool_->stats.client_parses;
    if (find_statement(name) != nullptr) {
        duplicate_parse(name, frame);
        return true;
    }
    PreparedPtr prepared = worker_.prepared().intern(rest, facts.get(), found.text_id);
    const bool known = ensure_prepared(prepared);
    Request& request =
        requests_.push(RequestKind::kParse, known ? RequestAction::kFake : RequestAction::kForward);
    request.prepared = prepared;
    request.name = name;
    request.bytes_in = frame.total_bytes();
    if (statements_ == nullptr) {
        statements_ = std::make_unique<std::unordered_map<std::string, PreparedPtr>>();
    }
    statements_->emplace(name, std::move(prepared));
    client_->drop(frame.total_bytes());
    answer_fakes();
    return true;
}

// PgBouncer tracks every statement of its clients, and hangs up on one who names another.
bool Session::pgbouncer_refuses(std::string_view name) {
    if (!worker_.config().pgbouncer || worker_.settings().max_prepared_statements == 0 ||
        mode() == PoolMode::kSession || sql_statements_ != nullptr) {
        return false;
    }
    log::error("{} prepared statement '{}' not found", label(), name);
    fatal(Error(ErrorCode::kRefused, "08P01", "prepared statement did not exist"));
    return true;
}

bool Session::on_bind(wire::Frame frame) {
    // The two names stand first; the values behind them are only passed on.
    const std::size_t look = std::min<std::size_t>(frame.body_bytes, kInspectMax);
    if (client_->buffered() < wire::kHeaderBytes + look) {
        return false;
    }
    const std::uint8_t* bytes = client_->peek(wire::kHeaderBytes + look) + wire::kHeaderBytes;
    wire::Reader reader({bytes, look});
    const std::string_view portal = reader.text();
    const std::string_view name = reader.text();
    if (!reader.ok()) {
        ++worker_.protocol_errors;
        fatal(Error(ErrorCode::kProtocol, "08P01", "invalid Bind message"));
        return false;
    }
    if (!need_server()) {
        return false;
    }
    begin_request();
    const std::string_view values = reader.rest();
    bound_params_ = look == frame.body_bytes ? hash_params(values) : 0;
    const PreparedPtr* prepared = name.empty() ? nullptr : find_statement(name);
    if (prepared == nullptr) {
        if (name.empty()) {
            ensure_unnamed();
        }
        if (name.empty() && unnamed_ != nullptr) {
            bound_ = unnamed_->facts;
            bound_text_ = unnamed_->text_id;
            note_effects(bound_->effects);
            if (bound_->has(sql::kSetSession)) {
                note_custom_names(unnamed_->body);
                note_custom_names(values);
            }
        } else if (!name.empty() && pgbouncer_refuses(name)) {
            return false;
        } else {
            bound_ = {};
            note_effects(name.empty() ? 0U : std::uint32_t{sql::kUnknownCode});
        }
        requests_.push(RequestKind::kBind).bytes_in = frame.total_bytes();
        forward_client(frame);
        return true;
    }
    ++pool_->stats.binds;
    if (!ensure_prepared(*prepared)) {
        requests_.push(RequestKind::kParse, RequestAction::kSwallow).prepared = *prepared;
    }
    const Prepared& statement = **prepared;
    bound_ = statement.facts;
    bound_text_ = statement.text_id;
    note_effects(bound_->effects);
    if (bound_->has(sql::kSetSession)) {
        note_custom_names(statement.text());
        note_custom_names(values);
    }
    Request& request = requests_.push(RequestKind::kBind);
    request.prepared = *prepared;
    request.bytes_in = frame.total_bytes();

    const std::size_t names_bytes = portal.size() + 1 + name.size() + 1;
    const std::size_t values_bytes = frame.body_bytes - names_bytes;
    wire::Encoder head;
    head.u8('B').i32(static_cast<std::int64_t>(4 + portal.size() + 1 +
                                               statement.server_name.size() + 1 + values_bytes));
    head.text(portal).text(statement.server_name);
    net::Stream& server = *lease_->connection->stream;
    server.write(head.view());
    if (look == frame.body_bytes) {
        record(head.view());
        record(values);
    } else {
        batch_usable_ = false;
    }
    client_->drop(wire::kHeaderBytes + names_bytes);
    const std::size_t here = std::min(client_->buffered(), values_bytes);
    client_body_left_ = values_bytes - here;
    client_body_dropped_ = false;
    client_->forward(here, server);
    return true;
}

bool Session::on_describe(wire::Frame frame) {
    if (frame.body_bytes > kInspectMax || frame.body_bytes < 2) {
        ++worker_.protocol_errors;
        fatal(Error(ErrorCode::kProtocol, "08P01", "invalid Describe message"));
        return false;
    }
    if (!whole(frame) || !need_server()) {
        return false;
    }
    begin_request();
    wire::Reader reader(body(frame));
    const char kind = static_cast<char>(reader.u8());
    const std::string_view name = reader.text();
    const PreparedPtr* prepared = kind == 'S' && !name.empty() ? find_statement(name) : nullptr;
    if (prepared == nullptr && kind == 'S' && !name.empty() && pgbouncer_refuses(name)) {
        return false;
    }
    if (prepared == nullptr) {
        if (kind == 'S' && name.empty()) {
            ensure_unnamed();
        }
        requests_.push(RequestKind::kDescribe).bytes_in = frame.total_bytes();
        batch_described_ = true;
        record(as_text({client_->peek(frame.total_bytes()), frame.total_bytes()}));
        forward_client(frame);
        return true;
    }
    if (!ensure_prepared(*prepared)) {
        requests_.push(RequestKind::kParse, RequestAction::kSwallow).prepared = *prepared;
    }
    requests_.push(RequestKind::kDescribe).bytes_in = frame.total_bytes();
    wire::Encoder describe;
    describe.begin('D').u8('S').text((*prepared)->server_name).end();
    batch_usable_ = false;
    lease_->connection->stream->write(describe.view());
    client_->drop(frame.total_bytes());
    return true;
}

bool Session::on_execute(wire::Frame frame) {
    if (!whole(frame) || !need_server()) {
        return false;
    }
    begin_request();
    Request& request = requests_.push(RequestKind::kExecute);
    request.facts = bound_;
    request.text_id = bound_text_;
    request.params_hash = bound_params_;
    request.bytes_in = frame.total_bytes();
    record(as_text({client_->peek(frame.total_bytes()), frame.total_bytes()}));
    forward_client(frame);
    return true;
}

bool Session::on_close(wire::Frame frame) {
    if (frame.body_bytes > kInspectMax || frame.body_bytes < 2) {
        ++worker_.protocol_errors;
        fatal(Error(ErrorCode::kProtocol, "08P01", "invalid Close message"));
        return false;
    }
    if (!whole(frame)) {
        return false;
    }
    wire::Reader reader(body(frame));
    const char kind = static_cast<char>(reader.u8());
    const std::string_view name = reader.text();
    const PreparedPtr* prepared = kind == 'S' && !name.empty() ? find_statement(name) : nullptr;
    if (kind == 'S' && (prepared != nullptr || name.empty())) {
        // The server keeps a named one for others; this client's name is gone.
        Request& request = requests_.push(RequestKind::kClose, RequestAction::kFake);
        if (prepared != nullptr) {
            request.prepared = *prepared;
            request.name = name;
            statements_->erase(std::string(name));
        } else {
            request.replaced = std::move(unnamed_);
            if (lease_ != nullptr) {
                lease_->connection->unnamed_owner = 0;
            }
        }
        client_->drop(frame.total_bytes());
        answer_fakes();
        return true;
    }
    if (!need_server()) {
        return false;
    }
    begin_request();
    requests_.push(RequestKind::kClose).bytes_in = frame.total_bytes();
    forward_client(frame);
    return true;
}

bool Session::on_sync(wire::Frame frame) {
    if (frame.body_bytes != 0) {
        ++worker_.protocol_errors;
        fatal(Error(ErrorCode::kProtocol, "08P01", "invalid Sync message"));
        return false;
    }
    if (in_copy_) {
        client_->drop(frame.total_bytes());  // the server ignores it while it copies
        return true;
    }
    if (lease_ == nullptr) {
        client_->drop(frame.total_bytes());
        wire::Encoder ready;
        client_->write(ready.ready_for_query('I').view());
        return true;
    }
    begin_request();
    requests_.push(RequestKind::kSync).bytes_in = frame.total_bytes();
    record(as_text({client_->peek(frame.total_bytes()), frame.total_bytes()}));
    forward_client(frame);
    return true;
}

bool Session::on_flush(wire::Frame frame) {
    if (lease_ != nullptr && !in_copy_) {
        forward_client(frame);
    } else {
        client_->drop(std::min(client_->buffered(), frame.total_bytes()));
    }
    return true;
}

bool Session::on_function_call(wire::Frame frame) {
    if (client_->buffered() < wire::kHeaderBytes + 4) {
        return false;
    }
    if (!need_server()) {
        return false;
    }
    begin_request();
    const std::uint32_t oid =
        wire::read_u32(client_->peek(wire::kHeaderBytes + 4) + wire::kHeaderBytes);
    if (!is_large_object_function(oid)) {
        note_effects(sql::kUnknownCode);
    }
    requests_.push(RequestKind::kFunctionCall).bytes_in = frame.total_bytes();
    forward_client(frame);
    return true;
}

// Whether something outstanding may take COPY data: it was sent, and has not failed.
bool Session::copy_may_run() {
    for (const Request& request : requests_) {
        if (request.error) {
            continue;
        }
        const bool text =
            request.kind == RequestKind::kQuery || request.kind == RequestKind::kExecute;
        if (text && (request.facts.get() == nullptr ||
                     request.facts->has(sql::kCopyIn | sql::kUnparsed | sql::kUnknownCode))) {
            return true;
        }
    }
    return false;
}

bool Session::on_copy_message(wire::Frame frame) {
    if (lease_ != nullptr && (in_copy_ || copy_may_run())) {
        if (frame.type != 'd') {
            in_copy_ = false;
        }
        forward_client(frame);
        return true;
    }
    // A COPY that failed: the rest of its data concerns nobody.
    const std::size_t here = std::min(client_->buffered(), frame.total_bytes());
    client_body_left_ = frame.total_bytes() - here;
    client_body_dropped_ = true;
    client_->drop(here);
    return true;
}

}  // namespace howdah::proxy
