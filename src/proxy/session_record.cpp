// What is counted of a statement: when it is answered, when it fails, and when nobody answers it
// any more.

#include "proxy/session.hpp"
#include "proxy/session_text.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

constexpr std::uint64_t kReadyBytes = 6;  // ReadyForQuery

}  // namespace

// Whether the values of this statement are to be followed.
bool Session::tapped(const sql::Statement* facts) {
    return facts != nullptr && facts->kind >= sql::StatementKind::kSelect &&
           facts->kind <= sql::StatementKind::kMerge &&
           worker_.tap().wants(client_id_ ^ pool_->user_id, worker_.loop().now());
}

// The name under which the client is counted; it may change with SET.
void Session::note_application() {
    if (application_of_ == vars_.get()) {
        return;
    }
    application_of_ = vars_.get();
    application_id_ = NameTable::kNone;
    for (const auto& [name, value] : vars_->values) {
        if (name == "application_name") {
            application_id_ = worker_.shared().applications.intern(value.substr(0, 64));
        }
    }
}

namespace {

QueryProtocol protocol_of(const Request& request) {
    if (request.facts && request.facts->has(sql::kCopyIn | sql::kCopyOut)) {
        return QueryProtocol::kCopy;
    }
    switch (request.kind) {
        case RequestKind::kQuery:
            return QueryProtocol::kSimple;
        case RequestKind::kFunctionCall:
            return QueryProtocol::kFunctionCall;
        default:
            return QueryProtocol::kExtended;
    }
}

// BEGIN and SAVEPOINT: done in no time, and sent along with what they are for.
bool only_prepares(const Request& request) {
    return request.facts && request.facts->kind == sql::StatementKind::kTransaction &&
           request.facts->has(sql::kBegin | sql::kSavepoint) &&
           !request.facts->has(sql::kCommit | sql::kRollback);
}

}  // namespace

// Whether what was waited for is the next statement's and not the head's. PostgreSQL holds the
// answers of a pipeline back until its Sync: both come together, and all of the time would be
// BEGIN's, however slow the statement that was sent along with it.
bool Session::time_is_the_next_ones() {
    if (!only_prepares(requests_.front())) {
        return false;
    }
    for (auto next = requests_.begin() + 1;
         next != requests_.end() && next->kind != RequestKind::kSync; ++next) {
        const bool runs = next->kind == RequestKind::kExecute || next->kind == RequestKind::kQuery;
        if (runs && next->action == RequestAction::kForward) {
            return true;
        }
    }
    return false;
}

// Whether the next ReadyForQuery is its own: nothing else runs up to the Sync, or it failed and
// nothing else will.
bool Session::ends_its_batch(const Request& request) {
    if (request.kind != RequestKind::kExecute) {
        return false;
    }
    const bool failed = request.sqlstate[0] != '\0';
    for (auto next = requests_.begin(); next != requests_.end(); ++next) {
        if (next->kind == RequestKind::kSync) {
            return true;
        }
        if (!failed && next != requests_.begin() && next->kind == RequestKind::kExecute &&
            next->action == RequestAction::kForward) {
            return false;
        }
    }
    return false;
}

// A statement is answered. In a pipeline its time begins where the one before it ended.
void Session::record_query(const Request& request, bool has_time) {
    const net::TimePoint now = worker_.loop().now();
    const net::TimePoint sent =
        request.sent_at == net::TimePoint() ? query_started_ : request.sent_at;
    const net::TimePoint started = std::max(sent, answered_at_);
    const auto elapsed_us = std::max<std::int64_t>(0, (now - started).count());
    const std::int64_t server_us = has_time ? elapsed_us : 0;
    answered_at_ = has_time ? now : answered_at_;
    note_application();
    QueryEvent event;
    if (request.facts) {
        event.fingerprint = request.facts->key();
        event.effects = request.facts->effects;
        event.kind = static_cast<std::uint8_t>(request.facts->kind);
    }
    event.text_id = request.text_id;
    event.session_id = id_;
    event.transaction_id = transaction_id_;
    event.params_hash = request.params_hash;
    event.tags_id = request.tags.tags_id;
    event.trace_id = request.tags.trace_id;
    event.tap_id = worker_.tap().close(request.tap.get(), request.rows);
    event.started_us = worker_.loop().wall_us() - elapsed_us - wait_us_;
    event.queue_us = std::exchange(wait_us_, 0) + std::exchange(wait_before_us_, 0);
    event.server_us = static_cast<std::uint32_t>(std::min<std::int64_t>(server_us, UINT32_MAX));
    event.database_id = pool_->database_id;
    event.user_id = pool_->user_id;
    event.application_id = application_id_;
    event.client_id = client_id_;
    event.server_pid = lease_ != nullptr ? lease_->connection->pid : 0;
    event.rows = request.rows;
    event.bytes_in = request.bytes_in + std::exchange(bytes_in_before_, 0);
    event.bytes_out = std::exchange(server_bytes_, 0) + std::exchange(frame_bytes_, 0);
    if (ends_its_batch(request)) {
        event.bytes_out += kReadyBytes;
        ready_counted_ = true;
    }
    event.sqlstate = request.sqlstate;
    event.protocol = protocol_of(request);
    event.transaction_status = lease_ != nullptr ? lease_->connection->status : 'I';
    worker_.recorder().record(event, request.facts.get(), *client_);
}

// The statement that waits in the input for a server, as far as it has come.
Request Session::waiting_request() {
    Request request;
    const std::uint8_t* header = client_->peek(wire::kHeaderBytes);
    wire::Frame frame;
    if (header == nullptr || !wire::read_frame(header, frame)) {
        return request;
    }
    request.bytes_in = frame.total_bytes();
    request.kind = frame.type == 'Q'   ? RequestKind::kQuery
                   : frame.type == 'F' ? RequestKind::kFunctionCall
                                       : RequestKind::kExecute;
    if (frame.body_bytes > kInspectMax || !whole(frame)) {
        return request;
    }
    wire::Reader reader(body(frame));
    if (frame.type == 'B') {
        reader.text();  // the portal
    }
    const std::string_view name = frame.type == 'Q' ? std::string_view() : reader.text();
    const NamedStatement* named =
        frame.type == 'B' && !name.empty() ? find_statement(name) : nullptr;
    if (frame.type == 'Q' || frame.type == 'P') {
        const auto found = worker_.statements().lookup(reader.text(), rules_);
        request.facts = sql::StatementRef(found.statement);
        request.text_id = found.text_id;
    } else if (named != nullptr) {
        request.facts = named->prepared->facts;
        request.text_id = named->prepared->text_id;
    } else if (frame.type == 'B' && name.empty() && unnamed_ != nullptr) {
        request.facts = unnamed_->facts;
        request.text_id = unnamed_->text_id;
    }
    return request;
}

// It never reaches a server: all of its time was in the queue.
void Session::record_waiting(std::string_view sqlstate) {
    Request request = waiting_request();
    sqlstate.copy(request.sqlstate.data(), request.sqlstate.size());
    const net::TimePoint now = worker_.loop().now();
    wait_us_ += lease_ == nullptr ? static_cast<std::uint32_t>((now - wait_started_).count()) : 0U;
    request.sent_at = now;
    ++pool_->stats.errors;
    record_query(request);
}

// The session ends: what it was waiting for, or had running, is not answered any more.
void Session::record_unfinished() {
    constexpr std::string_view kQueryCanceled = "57014";
    const std::string_view sqlstate = ending_error_ != nullptr && !ending_error_->sqlstate.empty()
                                          ? std::string_view(ending_error_->sqlstate)
                                          : kQueryCanceled;
    if (!logged_in_ || replication()) {
        return;
    }
    if (waiter_.queued) {
        record_waiting(sqlstate);
        return;
    }
    if (lease_ == nullptr || !query_active_) {
        return;
    }
    for (Request& request : requests_) {
        const bool runs = request.kind != RequestKind::kSync &&
                          (request.ends_with_ready() || request.kind == RequestKind::kExecute);
        if (runs && request.action == RequestAction::kForward) {
            sqlstate.copy(request.sqlstate.data(), request.sqlstate.size());
            request.rows += std::exchange(rows_relayed_, 0);
            ++pool_->stats.errors;
            record_query(request);
            return;
        }
    }
}

// What failed may be the Parse or the Bind: then it is the Execute behind it that did not come off.
// A server that says nothing and is gone was not broken by a BEGIN.
void Session::record_failure(const Request& failed) {
    if (failed.kind == RequestKind::kSync || failed.action == RequestAction::kSwallow ||
        lease_ == nullptr) {
        return;
    }
    const Request* statement = &failed;
    for (const Request& request : requests_) {
        if (failed.ends_with_ready() || request.kind == RequestKind::kSync) {
            break;
        }
        if (request.kind == RequestKind::kExecute) {
            statement = &request;
            if (failed.error || !only_prepares(request)) {
                break;
            }
        }
    }
    Request shown;
    shown.kind = statement->ends_with_ready() ? statement->kind : RequestKind::kExecute;
    shown.facts = statement->facts;
    shown.text_id = statement->text_id;
    shown.tags = statement->tags;
    shown.params_hash = statement->params_hash;
    shown.sent_at = failed.sent_at;
    shown.bytes_in = failed.bytes_in;
    shown.rows = failed.rows;
    shown.sqlstate = failed.sqlstate;
    record_query(shown);
}

}  // namespace howdah::proxy
