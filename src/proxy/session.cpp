// One client's life, top to bottom.

#include "proxy/session.hpp"

#include <fmt/format.h>

#include "base/log.hpp"
#include "proxy/session_text.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

using config::PoolMode;

Session::Session(Worker& worker, std::unique_ptr<net::Stream> client, std::uint64_t id)
    : worker_(worker),
      client_(std::move(client)),
      id_(id),
      wake_(worker.loop()),
      deadline_(wake_),
      waiter_(wake_),
      base_vars_(worker.parameters().empty()),
      vars_(worker.parameters().empty()),
      connected_wall_us_(worker.loop().wall_us()) {
    client_->set_listener(&wake_);
}

Session::~Session() {
    ASSERT(lease_ == nullptr && !waiter_.queued && waiter_.granted == nullptr);
}

net::Task<void> Session::run() {
    const net::Duration login_max = worker_.settings().client_login_timeout;
    if (login_max.count() > 0) {
        login_due_ = worker_.loop().now() + login_max;
        deadline_.arm(login_due_);
    }
    const bool enters =
        arrived_ ? !ending_ : co_await greet() && co_await authenticate() && co_await welcome();
    if (enters) {
        logged_in_ = true;
        deadline_.disarm();
        if (console_) {
            co_await serve_console();
        } else {
            pool_->stats.client_logins += arrived_ ? 0U : 1U;
            // Who has brought its server goes on as it did.
            renames_ = lease_ != nullptr ? renames_ : mode() != PoolMode::kSession;
            co_await serve();
        }
    }
    co_await part();
}

// Serves one client until it leaves: what the server said, what the client said, sleep.
net::Task<void> Session::serve() {
    idle_since_ = worker_.loop().now();
    arm_deadline();
    while (true) {
        if (waiter_.granted != nullptr) {
            link(std::exchange(waiter_.granted, nullptr));
        } else if (waiter_.refused) {
            Error error = std::move(*waiter_.refused);
            waiter_.refused.reset();
            fatal(std::move(error));
        }
        if (!leaves()) {
            pump_server();
        }
        if (!may_travel()) {
            stay();
            pump_client();
        } else if (travel()) {
            break;
        }
        if (ending_ || !check_deadlines()) {
            break;
        }
        // One that was reset hears nothing any more: what is sent to it would only pile up.
        const bool nothing_left =
            client_->end_error() != 0 || client_->buffered() == 0 || waiter_.queued || cut_short();
        if (client_->ended() && nothing_left) {
            break;
        }
        if (end_when_idle_ && lease_ == nullptr && !waiter_.queued) {
            break;
        }
        co_await wake_.wait();
    }
}

// The client left in the middle of a message: the rest will not come.
bool Session::cut_short() const {
    if (!client_->ended()) {
        return false;
    }
    if (client_body_left_ > 0) {
        return client_->buffered() < client_body_left_;
    }
    const std::uint8_t* header = client_->peek(wire::kHeaderBytes);
    wire::Frame frame;
    return header == nullptr || !wire::read_frame(header, frame) ||
           client_->buffered() < frame.total_bytes();
}

net::Task<void> Session::part() {
    stay();
    // Behind half a message of the server's, a word of ours would be taken for the rest of it.
    const bool cut_short = server_body_left_ > 0 && !server_body_dropped_;
    if (ending_error_ != nullptr && !client_->ended() && !cut_short) {
        if (worker_.settings().log_pooler_errors) {
            log::warning(log_fields(), "{} pooler error: {}", label(),
                         loggable_message(*ending_error_));
        }
        wire::Encoder goodbye;
        client_->write(goodbye.error_response("FATAL", *ending_error_).view());
    }
    if (ending_error_ != nullptr || server_fatal_) {
        client_->close_gently();  // what is on its way is to be read, last words included
    }
    if (worker_.settings().log_disconnections && !travelled_ &&
        (logged_in_ || ending_error_ != nullptr)) {
        log::info(log_fields(), "{} closing because: {} (age={}s)", label(),
                  ending_error_ != nullptr             ? loggable_message(*ending_error_)
                  : client_->ended() && !said_goodbye_ ? std::string("client unexpected eof")
                                                       : std::string("client close request"),
                  (worker_.loop().wall_us() - connected_wall_us_) / 1'000'000);
    }
    if (pool_ != nullptr) {
        record_unfinished();
        settle_bytes();
        abandon_server();
        --pool_->clients;
    }
    client_->flush();
    worker_.recorder().part(*client_, worker_.loop().now());
    co_return;
}

void Session::fatal(Error error) {
    if (ending_) {
        return;
    }
    ending_ = true;
    ending_error_ = std::make_unique<Error>(std::move(error));
    wake_.notify();
}

void Session::end(std::string sqlstate, std::string message) {
    if (message.empty()) {
        ending_ = true;
        wake_.notify();
        return;
    }
    fatal(Error(ErrorCode::kCancelled, std::move(sqlstate), std::move(message)));
}

void Session::end_when_idle(std::string sqlstate, std::string message) {
    end_when_idle_ = true;
    ending_error_ = std::make_unique<Error>(
        Error(ErrorCode::kCancelled, std::move(sqlstate), std::move(message)));
    wake_.notify();
}

void Session::cancel(Asker asker) {
    if (lease_ != nullptr && query_active_ && !console_) {
        worker_.cancel_server(*pool_, lease_, asker);
        return;
    }
    const TellTaken told(asker);
    if (console_) {
        cancelled_ = true;
        wake_.notify();
        return;
    }
    if (waiter_.queued) {
        // Nothing of it has reached a server: it leaves the queue and hears what PostgreSQL says.
        pool_->pool().cancel(waiter_);
        fail_request(
            Error(ErrorCode::kCancelled, "57014", "canceling statement due to user request"));
    }
}

// The connection that brought a cancel request stays until it is known what became of it.
net::Task<void> Session::pass_cancel(wire::CancelRequest request) {
    cancel_request_ = true;
    worker_.route_cancel(request.pid, std::move(request.key), id_);
    while (!cancel_taken_ && !client_->ended() && !ending_) {
        co_await wake_.wait();
    }
}

void Session::cancel_sent(std::string database, std::string user) {
    cancel_sent_ = true;
    database_ = std::move(database);
    user_ = std::move(user);
}

void Session::cancel_taken() {
    cancel_taken_ = true;
    wake_.notify();
}

// The first waiting request is answered with an error of ours. It is still in the input: a simple
// query goes, an extended one takes everything up to its Sync with it.
void Session::fail_request(Error error) {
    wire::Encoder answer;
    answer.error_response("ERROR", error);
    record_waiting(error.sqlstate);
    const std::uint8_t* header = client_->peek(wire::kHeaderBytes);
    wire::Frame frame;
    if (header != nullptr && wire::read_frame(header, frame) &&
        (frame.type == 'Q' || frame.type == 'F')) {
        answer.ready_for_query(lease_ != nullptr ? lease_->connection->status : 'I');
        drop_client(frame);
    } else {
        skip_to_sync_ = true;
    }
    client_->write(answer.view());
    wake_.notify();
}

namespace {

// The earlier of two limits that are counted from different moments; zero is none.
void consider(net::TimePoint& due, net::TimePoint since, net::Duration limit) {
    if (limit.count() > 0) {
        due = std::min(due, since + limit);
    }
}

}  // namespace

void Session::arm_deadline() {
    if (pool_ == nullptr) {
        return;
    }
    net::TimePoint due = net::TimePoint::max();
    if (waiter_.queued) {
        consider(due, waiter_.since, pool_->query_wait_timeout);
        consider(due, waiter_.since, pool_->query_timeout);
        if (!wait_notified_) {
            consider(due, waiter_.since,
                     std::chrono::seconds(worker_.settings().query_wait_notify));
        }
    }
    if (pool_->any_timeout && lease_ != nullptr) {
        if (query_active_) {
            consider(due, query_started_, pool_->query_timeout);
        } else if (lease_->connection->status != 'I') {
            consider(due, idle_since_, pool_->idle_transaction_timeout);
        }
        if (transaction_id_ != 0) {
            consider(due, transaction_started_, pool_->transaction_timeout);
        }
    }
    if (pool_->any_timeout && !query_active_ && !waiter_.queued && !in_transaction()) {
        consider(due, idle_since_, pool_->client_idle_timeout);
    }
    if (due == net::TimePoint::max()) {
        deadline_.disarm();
    } else {
        deadline_.arm(due);
    }
}

void Session::reconfigured() {
    if (logged_in_ && !console_) {
        arm_deadline();
    }
}

// False when a limit was passed and the session ends.
bool Session::check_deadlines() {
    if (!deadline_.expired()) {
        return true;
    }
    const net::TimePoint now = worker_.loop().now();
    const auto passed = [&](net::TimePoint since, net::Duration limit) {
        return limit.count() > 0 && now - since >= limit;
    };
    if (waiter_.queued && passed(waiter_.since, pool_->query_wait_timeout)) {
        fatal(Error(ErrorCode::kTimeout, "08P01", "query_wait_timeout", why_no_server()));
    } else if (lease_ != nullptr && query_active_ && passed(query_started_, pool_->query_timeout)) {
        fatal(Error(ErrorCode::kTimeout, "08P01", "query timeout"));
    } else if (lease_ != nullptr && transaction_id_ != 0 &&
               passed(transaction_started_, pool_->transaction_timeout)) {
        fatal(Error(ErrorCode::kTimeout, "08P01", "transaction timeout"));
    } else if (in_transaction() && !query_active_ &&
               passed(idle_since_, pool_->idle_transaction_timeout)) {
        fatal(Error(ErrorCode::kTimeout, "08P01", "idle transaction timeout"));
    } else if (!query_active_ && !waiter_.queued && !in_transaction() &&
               passed(idle_since_, pool_->client_idle_timeout)) {
        fatal(Error(ErrorCode::kTimeout, "08P01", "client_idle_timeout"));
    } else if (waiter_.queued && passed(waiter_.since, pool_->query_timeout)) {
        fatal(Error(ErrorCode::kTimeout, "08P01", "query_timeout"));
    } else {
        notify_waiting();
        arm_deadline();
    }
    return !ending_;
}

// query_wait_notify: whoever sits at a silent prompt hears why.
void Session::notify_waiting() {
    const net::Duration limit = std::chrono::seconds(worker_.settings().query_wait_notify);
    if (!waiter_.queued || wait_notified_ || limit.count() == 0 || !logged_in_ ||
        worker_.loop().now() - waiter_.since < limit) {
        return;
    }
    wait_notified_ = true;
    wire::Encoder notice;
    notice.notice_response(
        "NOTICE", Error(ErrorCode::kUnavailable, "00000",
                        "No server connection available in postgres backend, client being queued"));
    client_->write(notice.view());
}

SessionState Session::state() const {
    if (ending_) {
        return SessionState::kClosing;
    }
    if (!logged_in_) {
        return SessionState::kLogin;
    }
    if (replication()) {
        return SessionState::kReplication;
    }
    if (waiter_.queued) {
        return SessionState::kWaiting;
    }
    return lease_ != nullptr ? SessionState::kActive : SessionState::kIdle;
}

std::string Session::replication_kind() const {
    if (!replication()) {
        return "none";
    }
    return replication_ == Replication::kLogical ? "logical" : "physical";
}

void Session::settle_bytes() {
    if (pool_ == nullptr) {
        return;
    }
    const std::uint64_t in = client_->bytes_received();
    const std::uint64_t out = client_->bytes_written();
    pool_->stats.bytes_received += in - std::exchange(bytes_in_counted_, in);
    pool_->stats.bytes_sent += out - std::exchange(bytes_out_counted_, out);
}

bool Session::quiet() const {
    return console_ || !logged_in_ ||
           (client_body_left_ == 0 && server_body_left_ == 0 && client_->unsent() == 0 &&
            (lease_ == nullptr || lease_->connection->stream->unsent() == 0));
}

log::Fields Session::log_fields() const {
    return {.session = id_, .database = database_, .user = user_};
}

std::string Session::label() const {
    const net::PeerInfo& peer = client_->peer();
    const std::string from = peer.address.is_unix() ? fmt::format("unix({}):{}", peer.pid,
                                                                  worker_.settings().listen_port)
                                                    : peer.address.to_string();
    return fmt::format("C-{:x}: {}/{}@{}", id_, database_.empty() ? "(nodb)" : database_,
                       user_.empty() ? "(nouser)" : user_, from);
}

std::size_t Session::heap_bytes() const {
    std::size_t bytes = sizeof(Session) + sizeof(net::Stream) + requests_.heap_bytes();
    if (unnamed_ != nullptr) {
        bytes += sizeof(Unnamed) + unnamed_->body.capacity();
    }
    if (statements_ != nullptr) {
        bytes += statements_->size() * 104;
    }
    return bytes;
}

}  // namespace howdah::proxy
