// What the client says: each message is checked, followed, and handed to the server, mostly as the
// bytes that came.

#include "proxy/session.hpp"
#include "proxy/session_text.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

using config::PoolMode;

namespace {

// Waiting clients may send this much ahead.
constexpr std::size_t kAheadMax = 64 * 1024;
// Requests under way for one client: some 2 MB of what is remembered of them. PostgreSQL reads on
// while it holds back the answers to thousands.
constexpr std::size_t kOutstandingMax = 8192;

// Large object functions touch nothing of the session that outlives the transaction.
bool is_large_object_function(std::uint32_t oid) {
    return (oid >= 952 && oid <= 958) || oid == 715 || oid == 764 || oid == 765 || oid == 767 ||
           oid == 964 || oid == 1004 || (oid >= 3170 && oid <= 3172);
}

// What a server that copies in does not take: all but data, its end, Flush and Sync.
bool breaks_copy(char type) {
    return std::string_view("dcfHSX").find(type) == std::string_view::npos;
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
        if (client_->congested()) {
            client_->notify_when_drained();  // whoever does not read is not answered any further
            break;
        }
        if (lease_ != nullptr && lease_->connection->stream->congested()) {
            client_->pause();
            lease_->connection->stream->notify_when_drained();
            return;
        }
        if (client_body_left_ > 0) {
            const std::size_t here = std::min(client_->buffered(), client_body_left_);
            if (here == 0) {
                client_->resume();
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
        if (worker_.suspended() || too_many_requests()) {
            client_->pause();
            return;
        }
        const std::uint8_t* header = client_->peek(wire::kHeaderBytes);
        if (header == nullptr) {
            client_->resume();
            return;
        }
        wire::Frame frame;
        if (!wire::read_frame(header, frame) || !wire::is_frontend_type(frame.type)) {
            ++worker_.protocol_errors;
            fatal(Error(ErrorCode::kProtocol, "08P01", "invalid frontend message type or length"));
            return;
        }
        if (frame.body_bytes > max_packet_size()) {
            fatal(Error(ErrorCode::kProtocol, "08P01", "packet is longer than max_packet_size"));
            return;
        }
        if (!take_client_frame(frame)) {
            // Who waits for a server has sent what is looked at.
            const bool waits = waiter_.queued || injected_ != Purpose::kNone;
            const std::size_t looked_at = frame.type == 'P' ? kParseMax : kInspectMax;
            read_ahead(waits ? 0 : std::min(frame.total_bytes(), wire::kHeaderBytes + looked_at));
            return;
        }
    }
    read_ahead(0);
}

// The client waits for something other than `wanted` bytes of its own: what it sends meanwhile is
// taken up to a limit.
void Session::read_ahead(std::size_t wanted) {
    if (client_->buffered() < wanted || client_->buffered() <= kAheadMax) {
        client_->resume();
    } else {
        client_->pause();
    }
}

// Each request under way is remembered. Behind so many, the server is asked to say what it holds
// back, and the next are read when half of them are answered.
bool Session::too_many_requests() {
    if (lease_ == nullptr ||
        requests_.size() < (flush_sent_ ? kOutstandingMax / 2 : kOutstandingMax)) {
        flush_sent_ = false;
        return false;
    }
    if (!std::exchange(flush_sent_, true)) {
        wire::Encoder flush;
        lease_->connection->stream->write(flush.simple('H').view());
    }
    return true;
}

// Deals with one frame. False: not now (more bytes, a server, or an answer is waited for).
bool Session::take_client_frame(wire::Frame frame) {
    if (copy_both_ && frame.type != 'X') {
        forward_client(frame);
        return true;
    }
    if ((skip_to_sync_ || server_skips_) && frame.type != 'X') {
        return skip_client_frame(frame);
    }
    if (in_copy_ && breaks_copy(frame.type)) {
        lease_->connection->out_of_step = true;
        forward_client(frame);  // PostgreSQL has its own words for it, and hangs up
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

// Nobody wants this frame; what has not come of it yet goes the same way.
void Session::drop_client(wire::Frame frame) {
    const std::size_t here = std::min(client_->buffered(), frame.total_bytes());
    client_body_left_ = frame.total_bytes() - here;
    client_body_dropped_ = true;
    client_->drop(here);
}

// After an error in the extended protocol nothing is carried out up to the client's Sync: it ends
// the server's skipping as well as ours.
bool Session::skip_client_frame(wire::Frame frame) {
    if (frame.type != 'S') {
        drop_client(frame);
        return true;
    }
    skip_to_sync_ = false;
    server_skips_ = false;
    return on_sync(frame);
}

// The client's requests before this one are answered first, as PostgreSQL would.
bool Session::on_terminate() {
    // What is being copied in has no end of its own: nothing would be answered.
    if (!requests_.empty() && !in_copy_ && !copy_both_) {
        if (lease_ != nullptr && !requests_.back().ends_with_ready()) {
            hurry();  // nor would a batch without a Sync
        }
        return false;
    }
    said_goodbye_ = true;
    ending_ = true;
    return true;
}

// True when there is a server to talk to; else it is on its way.
bool Session::need_server() {
    if (lease_ != nullptr) {
        // A cancel request that is on its way to what ran before is not to find what comes now.
        const bool awaits_cancel = !query_active_ && lease_->connection->cancels_in_flight > 0;
        return injected_ == Purpose::kNone && !awaits_cancel;
    }
    wait_started_ = worker_.loop().now();
    wait_before_us_ += std::exchange(wait_us_, 0);
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
    hurried_ = false;
    if (!query_active_) {
        query_active_ = true;
        batch_.clear();
        batch_messages_ = 0;
        batch_usable_ = worker_.settings().retry_changed_plan && lease_->connection->status == 'I';
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

// In statement mode a transaction block does not even begin, for what stands behind it in a
// pipeline would be carried out. One that begins and ends in a single text is none.
bool Session::refuses_block(const sql::Statement& facts) {
    if (!facts.has(sql::kBegin) || facts.has(sql::kMultiple) || mode() != PoolMode::kStatement) {
        return false;
    }
    fatal(Error(ErrorCode::kRefused, "08P01",
                "transaction blocks not allowed in statement pooling mode"));
    return true;
}

bool Session::asks_sequences(const sql::Statement& facts) {
    if (!facts.has(sql::kSequenceState)) {
        return false;
    }
    pool_->note_sequences_read();
    return true;
}

std::size_t Session::max_packet_size() const {
    return static_cast<std::size_t>(worker_.settings().max_packet_size);
}

bool Session::on_query(wire::Frame frame) {
    if (worker_.settings().disable_pqexec) {
        log::error(log_fields(), "{} client used 'Q' packet type", label());
        fatal(Error(ErrorCode::kRefused, "08P01", "PQexec disallowed"));
        return false;
    }
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
        if (refuses_block(*found.statement)) {
            return false;
        }
        if (found.statement->has(sql::kSqlPrepare | sql::kSqlExecute | sql::kSqlDeallocate) &&
            worker_.settings().track_sql_prepare && renames_) {
            return on_query_with_names(frame, found);
        }
    }
    const bool sequences = found.statement != nullptr && asks_sequences(*found.statement);
    if (!need_server() || (sequences && forget_sequences())) {
        return false;
    }
    begin_request();
    Request& request = requests_.push(RequestKind::kQuery);
    request.sent_at = worker_.loop().now();
    request.bytes_in = frame.total_bytes();
    if (found.statement != nullptr) {
        request.facts = sql::StatementRef(found.statement);
        request.text_id = found.text_id;
        if (found.has_comments) {
            request.tags = worker_.tags().intern(
                as_text(body(frame)).substr(0, frame.body_bytes - 1), found.text_id);
        }
        if (tapped(found.statement)) {
            request.tap = worker_.tap().open_text(
                as_text(body(frame)).substr(0, frame.body_bytes - 1), found.literals);
        }
        note_effects(found.statement->effects);
        note_parameters(as_text(body(frame)).substr(0, frame.body_bytes - 1),
                        {found.statement->effects, found.text_id, {}, 0});
    } else {
        note_effects(kUnknownText);
        reading_.own = worker_.next_stamp();
    }
    // A simple query ends the unnamed statement.
    request.replaced = std::move(unnamed_);
    unnamed_changed_in_ = segment_;
    sql_changes_names_ = sql_changes_names_ || changes_names(request);
    lease_->connection->unnamed_stamp = 0;
    const sql::Statement* facts = request.facts.get();  // kept by the request
    forward_client(frame);
    if (facts != nullptr) {
        restore_behind_query(*facts);
    }
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
    Request& request = requests_.push(RequestKind::kSync);
    request.bytes_in = frame.total_bytes();
    ++segment_;
    record(as_text({client_->peek(frame.total_bytes()), frame.total_bytes()}));
    forward_client(frame);
    return true;
}

bool Session::on_flush(wire::Frame frame) {
    if (frame.body_bytes != 0) {
        ++worker_.protocol_errors;
        fatal(Error(ErrorCode::kProtocol, "08P01", "invalid Flush message"));
        return false;
    }
    if (lease_ != nullptr && !in_copy_) {
        forward_client(frame);
    } else {
        client_->drop(frame.total_bytes());
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
    Request& request = requests_.push(RequestKind::kFunctionCall);
    request.sent_at = worker_.loop().now();
    request.bytes_in = frame.total_bytes();
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

// Whether a COPY that was sent may take what comes next for its data, and break over it.
bool Session::copy_is_ahead() {
    for (const Request& request : requests_) {
        if (!request.error && request.facts.get() != nullptr &&
            request.facts->has(sql::kCopyIn | sql::kUnparsed)) {
            hurry();
            return true;
        }
    }
    return false;
}

bool Session::on_copy_message(wire::Frame frame) {
    batch_usable_ = false;
    if (lease_ != nullptr && (in_copy_ || copy_may_run())) {
        if (frame.type != 'd' && !std::exchange(in_copy_, false)) {
            requests_.back().copy_ends += requests_.back().copy_ends < 255 ? 1 : 0;
        }
        if (!requests_.empty()) {
            requests_.front().bytes_in += frame.total_bytes();
        }
        forward_client(frame);
        return true;
    }
    drop_client(frame);  // a COPY that failed: the rest of its data concerns nobody
    return true;
}

}  // namespace howdah::proxy
