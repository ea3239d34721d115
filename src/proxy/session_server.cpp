// What the server says: each message is matched with the request it answers, and goes to the client
// as the bytes that came, or to nobody where we had asked.

#include "proxy/session.hpp"
#include "proxy/session_text.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

// Messages that are looked into are small; a server that sends a larger one is passed on unread.
constexpr std::size_t kLookMax = 64 * 1024;

}  // namespace

std::span<const std::uint8_t> Session::server_body(wire::Frame frame) {
    net::Stream& server = *lease_->connection->stream;
    return {server.peek(frame.total_bytes()) + wire::kHeaderBytes, frame.body_bytes};
}

void Session::pump_server() {
    while (lease_ != nullptr) {
        net::Stream& server = *lease_->connection->stream;
        if (client_->congested()) {
            server.pause();
            client_->notify_when_drained();
            return;
        }
        if (worker_.suspended() && server_body_left_ == 0) {
            server.pause();
            return;
        }
        server.resume();
        if (server_body_left_ > 0) {
            const std::size_t here = std::min(server.buffered(), server_body_left_);
            if (here == 0) {
                break;
            }
            server_body_left_ -= here;
            server_bytes_ += here;
            if (server_body_dropped_) {
                server.drop(here);
            } else {
                server.forward(here, *client_);
            }
            continue;
        }
        if (!relay_server_front()) {
            break;
        }
    }
    if (lease_ != nullptr && lease_->connection->stream->ended()) {
        on_server_end();
    }
}

// Rows are only counted in bytes: as many whole ones as stand here go out in one piece, and with
// them a description that stands whole before them. False: there is no row at the front.
bool Session::relay_rows(wire::Frame frame) {
    net::Stream& server = *lease_->connection->stream;
    const std::span<const std::uint8_t> front = server.front();
    const bool described = frame.type == 'T' && frame.total_bytes() <= front.size() &&
                           (requests_.empty() || requests_.front().kind != RequestKind::kDescribe);
    if (frame.type != 'D' && frame.type != 'd' && !described) {
        return false;
    }
    const std::size_t rows_at = described ? frame.total_bytes() : 0;
    const char rows = described ? 'D' : frame.type;
    std::size_t run = rows_at;
    std::size_t count = 0;
    while (front.size() - run >= wire::kHeaderBytes) {
        wire::Frame next;
        if (!wire::read_frame(front.data() + run, next) || next.type != rows ||
            next.total_bytes() > front.size() - run) {
            break;
        }
        run += next.total_bytes();
        ++count;
    }
    if (run == 0) {  // one that is not whole: what is there, and the rest as it comes
        count = 1;
        run = std::min(server.buffered(), frame.total_bytes());
        server_body_left_ = frame.total_bytes() - run;
        server_body_dropped_ = false;
    }
    if (rows == 'D' && !requests_.empty() && requests_.front().tap != nullptr) {
        worker_.tap().rows(*requests_.front().tap,
                           front.subspan(rows_at, std::min(run, front.size()) - rows_at));
    }
    rows_relayed_ += rows == 'D' ? count : 0;
    server_bytes_ += run;
    batch_answered_ = true;
    server.forward(run, *client_);
    return true;
}

// Deals with the frame at the front, or with a run of rows. False: more bytes are needed.
bool Session::relay_server_front() {
    net::Stream& server = *lease_->connection->stream;
    const std::uint8_t* header = server.peek(wire::kHeaderBytes);
    if (header == nullptr) {
        return false;
    }
    wire::Frame frame;
    if (!wire::read_frame(header, frame) || frame.body_bytes > max_packet_size()) {
        on_server_end();
        return false;
    }
    const bool ours = !requests_.empty() && requests_.front().action == RequestAction::kSwallow;
    if (!ours && relay_rows(frame)) {
        return true;
    }
    if (!wire::is_backend_type(frame.type)) {
        on_server_end();  // out of step: what would follow is anything
        return false;
    }
    const std::size_t here = std::min(server.buffered(), frame.total_bytes());
    frame_bytes_ = here;  // whatever is recorded on its account has it
    const Fate fate = take_server_frame(frame);
    const bool recorded = std::exchange(frame_bytes_, 0) == 0;
    if (fate == Fate::kNeedMore) {
        return false;
    }
    if (lease_ == nullptr) {
        return false;  // the handler closed it
    }
    server_body_left_ = frame.total_bytes() - here;
    server_body_dropped_ = fate == Fate::kDrop;
    if (fate == Fate::kDrop) {
        server.drop(here);
    } else {
        server_bytes_ += recorded ? 0 : here;
        batch_answered_ = true;
        server.forward(here, *client_);
    }
    if (frame.type == 'Z') {
        after_ready();
    } else {
        answer_fakes();
    }
    return true;
}

// The end of the data may have been sent ahead: behind what copies, or behind Syncs that followed
// it. Those are ignored by a server that copies, and never answered. An end that was sent before
// what copies, where nothing took it, is not meant.
void Session::copy_in_begins() {
    in_copy_ = true;
    if (requests_.empty()) {
        return;
    }
    while (requests_.front().copy_ends == 0) {
        const auto next = requests_.begin() + 1;
        if (next == requests_.end() || next->kind != RequestKind::kSync) {
            return;
        }
        requests_.front().copy_ends = next->copy_ends;
        requests_.erase(next);
    }
    --requests_.front().copy_ends;
    in_copy_ = false;
}

Session::Fate Session::take_server_frame(wire::Frame frame) {
    const bool ours = !requests_.empty() && requests_.front().action == RequestAction::kSwallow;
    const Fate usual = ours ? Fate::kDrop : Fate::kForward;
    switch (frame.type) {
        case '1':
            return complete(RequestKind::kParse);
        case '2':
            return complete(RequestKind::kBind);
        case '3':
            return complete(RequestKind::kClose);
        case 't':
        case 'n':
        case 'T':
            if (requests_.empty() || requests_.front().kind != RequestKind::kDescribe) {
                return usual;
            }
            return take_description(frame);
        case 'D':
            if (lease_->connection->stream->buffered() < frame.total_bytes()) {
                return Fate::kNeedMore;
            }
            if (requests_.front().purpose == Purpose::kProbe) {
                take_probe_row(server_body(frame));
            } else if (requests_.front().purpose == Purpose::kCatalog) {
                HiddenCode::take_row(server_body(frame), *rare().hidden);
            }
            return usual;
        case 'C':
        case 'I':
        case 's': {
            if (lease_->connection->stream->buffered() < frame.total_bytes()) {
                return Fate::kNeedMore;
            }
            if (frame.type == 'C') {
                wire::Reader reader(server_body(frame));
                on_command_complete(reader.text());
            } else if (frame.type == 's' && !requests_.empty()) {
                requests_.front().rows += std::exchange(rows_relayed_, 0);
            }
            if (!requests_.empty() && requests_.front().kind == RequestKind::kExecute) {
                return complete(RequestKind::kExecute);
            }
            return usual;
        }
        case 'E':
            return on_server_error(frame);
        case 'Z':
            return on_ready(frame);
        case 'S':
            return on_parameter_status(frame);
        case 'G':
            copy_in_begins();
            return usual;
        case 'W':
            copy_both_ = true;
            return usual;
        case 'A':
            return Fate::kForward;
        default:
            return usual;
    }
}

// The request at the head is answered.
Session::Fate Session::complete(RequestKind kind) {
    if (requests_.empty() || requests_.front().kind != kind) {
        return Fate::kForward;  // out of step: the client sees what the server said
    }
    Request& request = requests_.front();
    const Fate fate = request.action == RequestAction::kSwallow ? Fate::kDrop : Fate::kForward;
    if (kind == RequestKind::kExecute && fate == Fate::kForward) {
        record_query(request, !time_is_the_next_ones());
    } else {
        bytes_in_before_ += request.bytes_in;
    }
    if (request.replaced != nullptr) {
        spare_ = std::move(request.replaced);
    }
    requests_.pop();
    return fate;
}

// Requests that we answer ourselves, once all before them have been.
void Session::answer_fakes() {
    while (!requests_.empty() && requests_.front().action == RequestAction::kFake) {
        wire::Encoder answer;
        answer.simple(requests_.front().kind == RequestKind::kParse ? '1' : '3');
        client_->write(answer.view());
        requests_.pop();
    }
}

void Session::on_command_complete(std::string_view tag) {
    ServerConnection& server = *lease_->connection;
    if (requests_.empty()) {
        return;
    }
    Request& request = requests_.front();
    // Rows that came are the statement's; where none did, the tag tells how many it changed.
    const std::uint64_t relayed = std::exchange(rows_relayed_, 0);
    request.rows += relayed > 0 || tag.starts_with("MOVE") ? relayed : wire::rows_of_tag(tag);
    if (request.sql_names != nullptr && (tag == "PREPARE" || tag == "DEALLOCATE")) {
        sql_name_done(request, tag == "PREPARE");
    }
    if (tag == "DISCARD SEQUENCES" || tag == "DISCARD ALL") {
        server.sequences_of = 0;
        pins_ &= ~std::uint32_t{kPinSequence};
    }
    if (tag == "DEALLOCATE ALL" || tag == "DISCARD ALL") {
        server.prepared.clear();
        server.unnamed_stamp = 0;
        if (request.action == RequestAction::kForward && statements_ != nullptr) {
            statements_->clear();
        }
        if (request.action == RequestAction::kForward) {
            sql_statements_.reset();
        }
        if (tag == "DISCARD ALL") {
            server.applied = nullptr;
            if (!server.connect_query.empty()) {
                server.tainted_by = ServerConnection::kSomebodys;
            }
        }
    }
}

// The unnamed statement is what it was; what was said behind the Sync may have replaced it since.
void Session::restore_unnamed(std::unique_ptr<Unnamed> before) {
    for (Request& later : requests_) {
        const bool statement =
            later.kind == RequestKind::kParse && later.action == RequestAction::kForward;
        const bool gone = later.kind == RequestKind::kClose && later.action == RequestAction::kFake;
        if (later.kind == RequestKind::kQuery ||
            ((statement || gone) && later.prepared == nullptr && later.name.empty())) {
            later.replaced = std::move(before);
            return;
        }
    }
    unnamed_ = std::move(before);
}

// Requests the server will not carry out: what they would have changed here is changed back.
void Session::undo(std::vector<Request> skipped) {
    for (Request& request : skipped) {  // newest first
        if (request.kind == RequestKind::kParse) {
            if (request.prepared != nullptr) {
                if (request.action != RequestAction::kFake && request.purpose != Purpose::kTrial &&
                    lease_ != nullptr) {
                    lease_->connection->prepared.remove(request.prepared->id);
                }
                // PgBouncer's clients may come back to a name that they gave.
                if (!request.name.empty() && statements_ != nullptr &&
                    !worker_.config().pgbouncer) {
                    rare().undone.emplace_back(request.prepared->server_name, request.name);
                    statements_->erase(request.name);
                }
                continue;
            }
            if (lease_ != nullptr) {
                lease_->connection->unnamed_stamp = 0;
            }
            if (request.action == RequestAction::kForward && request.name.empty()) {
                // A Parse that fails has dropped the statement before it; one that is skipped, not.
                restore_unnamed(request.error ? nullptr : std::move(request.replaced));
            }
        } else if (request.kind == RequestKind::kExecute &&
                   request.action == RequestAction::kSwallow && request.prepared != nullptr) {
            lease_->connection->prepared.remove(request.prepared->id);
        } else if (request.kind == RequestKind::kQuery) {
            restore_unnamed(std::move(request.replaced));
        } else if (request.kind == RequestKind::kClose &&
                   request.action == RequestAction::kSwallow && request.text_id != 0) {
            lease_->connection->prepared.add(request.text_id);  // it did not leave the server
        } else if (request.kind == RequestKind::kClose && request.action == RequestAction::kFake) {
            auto& statements = request.prepared != nullptr && request.prepared->from_sql
                                   ? sql_statements_
                                   : statements_;
            if (request.prepared != nullptr && statements != nullptr) {
                statements->emplace(request.name,
                                    NamedStatement{request.prepared, request.told_parameters});
            } else if (request.replaced != nullptr) {
                restore_unnamed(std::move(request.replaced));
            }
        }
    }
}

Session::Fate Session::on_server_error(wire::Frame frame) {
    net::Stream& server = *lease_->connection->stream;
    if (frame.total_bytes() <= kLookMax && server.buffered() < frame.total_bytes()) {
        return Fate::kNeedMore;
    }
    in_copy_ = false;
    // One that is larger need not be here as a whole: it is passed on as it comes.
    const bool looked_into = frame.total_bytes() <= kLookMax;
    const wire::ErrorFields fields =
        looked_into ? wire::read_error(server_body(frame)) : wire::ErrorFields();
    ++pool_->stats.errors;
    const bool last_words = fields.severity == "FATAL" || fields.severity == "PANIC";
    if (requests_.empty()) {
        server_fatal_ = server_fatal_ || last_words;
        return Fate::kForward;  // FATAL out of the blue: the end follows
    }
    Request& request = requests_.front();
    // The answer to a question of ours: the client has heard nothing.
    const bool ours = request.action == RequestAction::kSwallow &&
                      (request.ends_with_ready() || injected_ == Purpose::kReplay);
    server_fatal_ = server_fatal_ || (last_words && !ours);
    request.rows += std::exchange(rows_relayed_, 0);
    request.error = true;
    const bool stale = refused_as_stale(request, fields);
    const std::string_view state = stale ? kChangedPlan : fields.sqlstate;
    for (std::size_t i = 0; i < state.size() && i < request.sqlstate.size(); ++i) {
        request.sqlstate[i] = state[i];
    }
    if (request.ends_with_ready()) {
        if (request.action == RequestAction::kSwallow) {
            request.failure = fields.message;
            return Fate::kDrop;
        }
        if (looked_into && request.sql_names != nullptr &&
            forward_renamed_error(frame, *request.sql_names)) {
            return Fate::kDrop;
        }
        return Fate::kForward;
    }
    if (retry_changed_plan(fields)) {
        return Fate::kDrop;
    }
    pass_parameters();
    if (injected_ != Purpose::kReplay) {
        record_failure(request);
    }
    if (injected_ == Purpose::kReplay) {
        const std::array<char, 5> sqlstate = request.sqlstate;
        requests_.fail_to_sync();
        requests_.front().error = true;
        requests_.front().failure = fields.message;
        requests_.front().sqlstate = sqlstate;
        return Fate::kDrop;
    }
    const SqlNames names =
        request.sql_names != nullptr ? std::move(*request.sql_names) : client_names(request);
    undo(requests_.fail_to_sync());
    server_skips_ = requests_.empty();  // its Sync has not come from the client yet
    if (stale) {
        say_stale();
        return Fate::kDrop;
    }
    const bool renamed =
        looked_into && !names.renamed.empty() && forward_renamed_error(frame, names);
    return renamed ? Fate::kDrop : Fate::kForward;
}

Session::Fate Session::on_parameter_status(wire::Frame frame) {
    ServerConnection& server = *lease_->connection;
    if (frame.total_bytes() > kLookMax) {
        return Fate::kForward;
    }
    if (server.stream->buffered() < frame.total_bytes()) {
        return Fate::kNeedMore;
    }
    wire::Reader reader(server_body(frame));
    const std::string_view name = reader.text();
    const std::string_view value = reader.text();
    if (!reader.ok() || !server.note_parameter(name, value)) {
        return injected_ == Purpose::kParameters ? Fate::kDrop : Fate::kForward;
    }
    if (injected_ == Purpose::kParameters) {
        return Fate::kDrop;  // the client's view is compared when all are set
    }
    if (!requests_.empty() && (requests_.front().keeps_ready || requests_.front().gives_ready)) {
        server.reported_set = nullptr;  // likewise
        return Fate::kDrop;
    }
    // Nothing in the text said so: a trigger, a view, a default.
    if ((effects_ & (kTouchesParameters | sql::kSetLocal)) == 0) {
        note_effects(sql::kUnknownCode);
    }
    server.reported_set = worker_.parameters().intern_exact(server.reported);
    client_view_ = server.reported_set;
    rules_ = text_rules(*client_view_);
    return Fate::kForward;
}

Session::Fate Session::on_ready(wire::Frame frame) {
    ServerConnection& server = *lease_->connection;
    if (frame.body_bytes != 1) {
        on_server_end();
        return Fate::kNeedMore;
    }
    if (server.stream->buffered() < frame.total_bytes()) {
        return Fate::kNeedMore;
    }
    server.status = static_cast<char>(server_body(frame)[0]);
    in_copy_ = false;
    copy_both_ = false;
    const bool refused = server.status != 'I' && mode() == config::PoolMode::kStatement;
    if (refused) {
        fatal(Error(ErrorCode::kRefused, "08P01",
                    "transaction blocks not allowed in statement pooling mode"));
    }
    if (requests_.empty() || !requests_.front().ends_with_ready()) {
        return Fate::kForward;
    }
    Request& request = requests_.front();
    const bool kept = request.keeps_ready;
    const bool given = request.gives_ready;
    if (given) {
        sync_view();
    } else if (request.action == RequestAction::kSwallow) {
        finished_ = request.purpose;
        finished_error_.reset();
        if (request.error) {
            finished_error_ = std::make_unique<Error>(
                ErrorCode::kServer, std::string(request.sqlstate.begin(), request.sqlstate.end()),
                std::move(request.failure));
        }
        requests_.pop();
        return Fate::kDrop;
    }
    if (request.kind != RequestKind::kSync && !given) {
        record_query(request);
    } else if (given || std::exchange(ready_counted_, false)) {
        frame_bytes_ = 0;  // the statement has it already
    }
    bytes_in_before_ = 0;
    requests_.pop();
    const net::TimePoint now = worker_.loop().now();
    if (requests_.empty() && query_active_) {
        query_active_ = false;
        ++pool_->stats.queries;
        pool_->stats.query_us += static_cast<std::uint64_t>((now - query_started_).count());
    }
    idle_since_ = now;
    return refused || kept ? Fate::kDrop : Fate::kForward;
}

// ReadyForQuery has been passed on or dropped: what it ended can be acted on.
void Session::after_ready() {
    if (finished_ != Purpose::kNone) {
        finish_injected(std::exchange(finished_, Purpose::kNone), std::move(finished_error_));
    } else {
        answer_fakes();
        transaction_ended();
    }
}

// The server closed, or cannot be understood any more.
void Session::on_server_end() {
    if (!requests_.empty()) {
        if (!requests_.front().error) {
            requests_.front().sqlstate = {'0', '8', '0', '0', '6'};  // connection_failure
        }
        record_failure(requests_.front());
    }
    pool::Pooled* server = std::exchange(lease_, nullptr);
    requests_.clear();
    server->connection->stream->set_listener(nullptr);
    pool_->pool().close(server, "server conn crashed?");
    if (server_fatal_ && !worker_.config().pgbouncer) {
        end("", "");  // the server itself said why: nothing is left to say
        return;
    }
    fatal(Error(ErrorCode::kUnavailable, "08P01", "server conn crashed?"));
}

}  // namespace howdah::proxy
