// Getting a server, making it this client's, and giving it back clean.

#include <fmt/format.h>

#include "proxy/session.hpp"
#include "proxy/session_text.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

using config::PoolMode;

constexpr std::uint32_t kMayAdvanceSequences = sql::kWrite | sql::kUnknownCode | sql::kUnparsed;

}  // namespace

std::string describe_pins(std::uint32_t pins) {
    constexpr std::pair<std::uint32_t, std::string_view> kNames[] = {
        {kPinTempObject, "temporary object"},
        {kPinAdvisoryLock, "advisory lock"},
        {kPinHoldCursor, "cursor WITH HOLD"},
        {kPinListen, "LISTEN"},
        {kPinPrepared, "PREPARE"},
        {kPinSequence, "currval/lastval"},
        {kPinUnknown, "unknown state"},
        {kPinLargeParse, "large statement"},
        {kPinDynamicParameter, "set_config() of a computed name"},
        {kPinAsked, "howdah.pin"}};
    std::string text;
    for (const auto& [bit, name] : kNames) {
        if ((pins & bit) != 0) {
            text += text.empty() ? "" : ", ";
            text += name;
        }
    }
    return text;
}

config::PoolMode Session::mode() const {
    return !replication() && !keeps_session_mode_ ? pool_->mode() : PoolMode::kSession;
}

// A server now, or null: waiter_ knows when.
pool::Pooled* Session::ask_for_server() {
    if (!replication()) {
        return pool_->pool().acquire(waiter_, this);
    }
    auto startup = vars_->values;
    startup.emplace_back("replication",
                         replication_ == Replication::kLogical ? "database" : "true");
    pool_->pool().acquire_dedicated(waiter_, std::move(startup));
    return nullptr;
}

std::string Session::why_no_server() const {
    const pool::Pool& pool = pool_->pool();
    if (pool.paused()) {
        return "The database was paused for that long (PAUSE on the console).";
    }
    if (pool.last_failure()) {
        return "No server could be reached: " + pool.last_failure()->message;
    }
    return "All server connections of the pool were busy for that long.";
}

void Session::link(pool::Pooled* server) {
    lease_ = server;
    renames_ = renames_ || mode() != PoolMode::kSession;
    server->holder = this;
    ServerConnection& connection = *server->connection;
    const net::TimePoint now = worker_.loop().now();
    connection.requested_wall_us = worker_.loop().wall_us();
    requested_wall_us_ = connection.requested_wall_us;
    const auto waited = now - wait_started_;
    wait_us_ = static_cast<std::uint32_t>(waited.count());
    ++pool_->stats.server_assignments;
    pool_->stats.wait_us += wait_us_;
    deadline_.disarm();
    connection.stream->set_listener(&wake_);
    if (connection.stream->ended() || connection.stream->buffered() > 0) {
        // It said something between being lent and now: FATAL, most likely. Try another.
        lease_ = nullptr;
        pool_->pool().close_spoiled(server, "server said something unexpected while idle");
        wake_.notify();
        return;
    }
    if (logged_in_ || !greets_unchecked()) {
        follow_parameters();
    }
}

// What currval() and lastval() would tell is another client's: this one gets PostgreSQL's error
// instead. True when the server is being told to forget.
bool Session::forget_sequences() {
    ServerConnection& connection = *lease_->connection;
    const std::uint64_t owner = connection.sequences_of;
    if (!pool_->reads_sequences() || owner == 0 || owner == id_ || connection.status == 'E' ||
        !requests_.empty() || injected_ != Purpose::kNone || mode() == PoolMode::kSession) {
        return false;
    }
    connection.sequences_of = 0;
    inject_query(Purpose::kSequences, "DISCARD SEQUENCES");
    return true;
}

// currval() and lastval() need the server on which nextval() ran, if only in a default or a
// trigger. Where somebody asks for them, whoever writes stays on its server.
void Session::note_sequences(std::uint32_t effects) {
    if ((effects & kMayAdvanceSequences) == 0) {
        return;
    }
    lease_->connection->sequences_of = id_;
    if (pool_->reads_sequences() && mode() != PoolMode::kSession &&
        worker_.settings().pin_sessions) {
        pool_->stats.pins += pins_ == 0 ? 1U : 0U;
        pins_ |= kPinSequence;
    }
}

// With pg_temp first in search_path any CREATE makes a temporary object.
std::uint32_t Session::lasting_effects() const {
    return vars_->names_pg_temp ? std::uint32_t{sql::kTempObject} : 0U;
}

// PgBouncer's clients are let in before a server has seen their parameters: a wrong one is an error
// of the first query.
bool Session::greets_unchecked() const {
    return worker_.config().pgbouncer && !replication();
}

namespace {

// As the server spells it.
std::string_view reported_name(const ServerConnection& server, std::string_view name) {
    for (const auto& entry : server.reported) {
        if (server::same_name(entry.first, name)) {
            return entry.first;
        }
    }
    return name;
}

}  // namespace

// In PgBouncer's words: what a server is about to be told.
void Session::log_parameters_set() const {
    if (!worker_.config().pgbouncer || !log::enabled(log::Level::kDebug)) {
        return;
    }
    const ServerConnection& server = *lease_->connection;
    std::string sql;
    for (const auto& [name, value] : vars_->values) {
        if (const std::string* old = server.applied->find(name); old == nullptr || *old != value) {
            sql += fmt::format("SET {}={};", reported_name(server, name),
                               server::quote_literal(value));
        }
    }
    log::debug("{} varcache_apply: {}", label(), sql);
}

// And what the server has made of it.
void Session::log_canonical_parameters() const {
    if (!worker_.config().pgbouncer || !log::enabled(log::Level::kDebug)) {
        return;
    }
    const ServerConnection& server = *lease_->connection;
    for (const auto& [name, value] : vars_->values) {
        const std::string_view shown = reported_name(server, name);
        const std::string* now = server.reported_value(shown);
        if (now != nullptr && *now != value) {
            log::debug("{} varcache_set_canonical: setting {} to its canonical version {} -> {}",
                       label(), shown, value, *now);
        }
    }
}

// Makes the server's parameters those of this client.
void Session::follow_parameters() {
    ServerConnection& connection = *lease_->connection;
    if (connection.applied == nullptr) {
        // A server for replication was logged in with them.
        connection.applied = !replication() ? worker_.parameters().empty() : vars_;
    }
    if (connection.tainted_by != 0 && connection.tainted_by != id_) {
        connection.tainted_by = 0;
        inject_query(Purpose::kParameters,
                     server::reset_and_set_sql(*vars_, connection.connect_query));
        return;
    }
    if (connection.applied == vars_) {
        sync_view();
        return;
    }
    log_parameters_set();
    inject_query(Purpose::kParameters,
                 server::transition_sql(*connection.applied, *vars_, connection.connect_query));
}

// Tells the client what differs between what it was told of the parameters and what they are.
void Session::sync_view() {
    ServerConnection& connection = *lease_->connection;
    if (connection.reported_set == nullptr) {
        connection.reported_set = worker_.parameters().intern_exact(connection.reported);
    }
    if (client_view_ == connection.reported_set) {
        return;
    }
    if (logged_in_ && client_view_ != nullptr) {
        wire::Encoder news;
        for (const auto& [name, value] : connection.reported_set->values) {
            bool same = false;
            for (const auto& [old_name, old_value] : client_view_->values) {
                same = same || (old_name == name && old_value == value);
            }
            if (!same) {
                news.parameter_status(name, value);
            }
        }
        if (!news.empty()) {
            client_->write(news.view());
        }
    }
    client_view_ = connection.reported_set;
    rules_ = text_rules(*client_view_);
}

// Runs a query of ours; nothing of the client's goes out before it is answered.
void Session::inject_query(Purpose purpose, std::string_view sql) {
    wire::Encoder query;
    lease_->connection->unnamed_stamp = 0;  // a simple query ends it
    lease_->connection->stream->write(query.query(sql).view());
    Request& request = requests_.push(RequestKind::kQuery, RequestAction::kSwallow);
    request.purpose = purpose;
    injected_ = purpose;
}

namespace {

// Whether a fresh server might take what this one did not: the statement_timeout of the client
// before may have ended our query, and temp_buffers cannot be set where anybody has touched a
// temporary table.
bool refused_by_its_past(const Error& error, const pool::Pooled& server,
                         const server::ParameterSet& wanted) {
    return server.served && (error.sqlstate == "57014" || wanted.find("temp_buffers") != nullptr);
}

}  // namespace

void Session::finish_injected(Purpose purpose, std::unique_ptr<Error> error) {
    const bool failed = error != nullptr;
    injected_ = Purpose::kNone;
    ServerConnection& connection = *lease_->connection;
    switch (purpose) {
        case Purpose::kParameters:
            if (failed && pins_ == 0 && refused_by_its_past(*error, *lease_, *vars_)) {
                pool_->pool().close(std::exchange(lease_, nullptr), "its past is in the way");
                wake_.notify();  // for another
                return;
            }
            if (failed) {
                give_back_refused();
                fatal(Error(ErrorCode::kServer, "22023", std::move(error->message),
                            "A parameter of the connection string was refused by the server."));
                return;
            }
            connection.applied = vars_;
            log_canonical_parameters();
            sync_view();
            if (ending_ || !logged_in_) {
                return;
            }
            // Nothing of the client's is under way: a pinned session goes on, another gives back.
            if (!query_active_ && client_->buffered() == 0 && may_release()) {
                release();
            }
            return;
        case Purpose::kProbe:
            finish_probe(failed);
            return;
        case Purpose::kCatalog:
            if (failed) {
                pool_->hidden_code.not_answered(*rare().hidden, error->message,
                                                worker_.loop().now(), database_);
            } else {
                pool_->hidden_code.answered(*rare().hidden, worker_.loop().now(), database_,
                                            worker_.shared().databases_asked());
            }
            transaction_ended();
            return;
        case Purpose::kReplay:
            if (failed) {
                connection.prepared.remove(std::exchange(replay_failed_, 0));
                refuse_text(std::move(*error));
            } else {
                replay_failed_ = 0;
            }
            return;  // the client's text is looked at again
        case Purpose::kRetry:
            send_again();
            return;
        case Purpose::kSequences:
            return;  // the client's text is looked at again
        case Purpose::kPrepare:
        case Purpose::kTrial:
        case Purpose::kStale:
        case Purpose::kNone:
            transaction_ended();
            return;
    }
}

// Nothing of a query that fails has happened; what the server's parameters are is made sure of.
void Session::give_back_refused() {
    ServerConnection& connection = *lease_->connection;
    if (connection.status != 'I' || !requests_.empty()) {
        pool_->pool().close(std::exchange(lease_, nullptr), "parameters were refused");
        return;
    }
    connection.tainted_by = ServerConnection::kSomebodys;
    release();
}

// What the client's text names could not be made here: it fails for that reason, as it would where
// the name is known and what it stands for can no longer be carried out.
void Session::refuse_text(Error error) {
    fail_request(std::move(error));
    query_active_ = false;
    idle_since_ = worker_.loop().now();
    transaction_ended();
}

// The server is ready and everything sent to it is answered: what comes next?
void Session::transaction_ended() {
    if (!requests_.empty() || lease_ == nullptr) {
        return;
    }
    if (rare_ != nullptr) {
        rare_->undone.clear();
    }
    ServerConnection& connection = *lease_->connection;
    if (connection.status != 'I') {
        if (mode() == PoolMode::kStatement) {
            fatal(Error(ErrorCode::kRefused, "08P01",
                        "transaction blocks not allowed in statement pooling mode"));
        } else if (pool_->any_timeout) {
            arm_deadline();
        }
        return;
    }
    if (transaction_id_ != 0) {
        ++pool_->stats.transactions;
        pool_->stats.transaction_us +=
            static_cast<std::uint64_t>((worker_.loop().now() - transaction_started_).count());
        transaction_id_ = 0;
    }
    if (rare_ != nullptr && !rare_->leftover_names.empty()) {
        close_leftovers();
        return;
    }
    if (look_for_hidden_code()) {
        return;
    }
    rare_.reset();
    const std::uint32_t said = std::exchange(effects_, 0) | lasting_effects();
    const std::uint32_t effects = with_hidden(said);
    note_sequences(said);
    reading_.changes = 0;
    if ((pins_ & kPinTempObject) == 0) {
        reading_.own = 0;
    }
    probed_effects_ = said | ((pins_ & kPinUnknown) != 0 ? probed_effects_ : 0U);
    probe_failures_ = 0;
    if (std::exchange(taints_, false) || (effects & (sql::kUnknownCode | sql::kUnparsed)) != 0) {
        connection.tainted_by = id_;
    }
    if ((effects & (kTouchesParameters | kMayPin | sql::kSqlPrepare | sql::kSqlDeallocate)) != 0) {
        connection.dirty = connection.dirty || mode() == PoolMode::kSession;
        if (mode() != PoolMode::kSession &&
            (worker_.settings().track_session_parameters || worker_.settings().pin_sessions)) {
            start_probe();
            return;
        }
    }
    if ((pins_ & kPinUnknown) != 0 ||
        (pins_ != 0 && (effects & (sql::kMayClean | sql::kUnknownCode)) != 0)) {
        start_probe();
        return;
    }
    if (pool_->any_timeout) {
        arm_deadline();
    }
    if (may_release()) {
        release();
    }
}

bool Session::watches_hidden_code() const {
    return mode() != PoolMode::kSession && pool_->watches_hidden_code();
}

std::uint32_t Session::with_hidden(std::uint32_t effects) const {
    return watches_hidden_code() ? pool_->hidden_code.with_hidden(effects) : effects;
}

// True when the server is being asked; transaction_ended() comes again then, with the answer.
bool Session::look_for_hidden_code() {
    if (rare_ != nullptr && rare_->hidden) {
        return false;
    }
    note_schema_change(effects_ | lasting_effects());
    auto question = watches_hidden_code() ? pool_->hidden_code.wants_to_know(worker_.loop().now())
                                          : std::nullopt;
    if (!question) {
        return false;
    }
    rare().hidden = std::move(question);
    inject_query(Purpose::kCatalog, HiddenCode::sql(HiddenCode::kSessionAnswerMax));
    return true;
}

// Closing cannot fail, whether the names came to be or not.
void Session::close_leftovers() {
    wire::Encoder closing;
    for (const std::string& name : std::exchange(rare_->leftover_names, {})) {
        closing.close_statement(name);
        requests_.push(RequestKind::kClose, RequestAction::kSwallow);
    }
    lease_->connection->stream->write(closing.simple('S').view());
    requests_.push(RequestKind::kSync, RequestAction::kSwallow).purpose = Purpose::kPrepare;
    injected_ = Purpose::kPrepare;
}

bool Session::may_release() const {
    const ServerConnection& connection = *lease_->connection;
    return connection.status == 'I' && requests_.empty() && !in_copy_ && !copy_both_ &&
           server_body_left_ == 0 && client_body_left_ == 0 && pins_ == 0 &&
           connection.stream->buffered() == 0 && mode() != PoolMode::kSession && !replication();
}

void Session::release() {
    pool::Pooled* server = std::exchange(lease_, nullptr);
    server->holder = nullptr;  // it may come to rest when this session is no more
    ServerConnection& connection = *server->connection;
    connection.stream->resume();
    worker_.give_back(*pool_, server);
}

// The client is gone: its server comes to rest without it.
void Session::abandon_server() {
    if (waiter_.queued || waiter_.granted != nullptr) {
        pool_->pool().cancel(waiter_);
    }
    if (lease_ == nullptr) {
        return;
    }
    pool::Pooled* server = std::exchange(lease_, nullptr);
    server->holder = nullptr;  // it may come to rest when this session is no more
    ServerConnection& connection = *server->connection;
    connection.stream->resume();
    if ((effects_ & kMayAdvanceSequences) != 0) {
        connection.sequences_of = id_;
    }
    note_schema_change(effects_);
    if (pins_ != 0 || mode() == PoolMode::kSession) {
        connection.dirty = connection.dirty || pins_ != 0 || effects_ != 0;
    }
    std::optional<HiddenCode::Question> question;
    if (injected_ == Purpose::kCatalog) {
        question = std::move(rare().hidden);
    }
    if (client_body_left_ > 0 || in_copy_ || copy_both_ || replication()) {
        if (question) {
            pool_->hidden_code.let_others_ask();
        }
        // Half a message cannot be taken back.
        pool_->pool().close(server, "client disconnect while server was not ready");
        requests_.clear();
        return;
    }
    // Answered up to here, but a Sync is missing: the implicit transaction is open still.
    const bool half_said =
        query_active_ && (requests_.empty() || !requests_.back().ends_with_ready());
    if (requests_.empty() && !half_said && connection.status == 'I' &&
        connection.stream->buffered() == 0 && server_body_left_ == 0) {
        if ((with_hidden(effects_) & (kTouchesParameters | kMayPin)) != 0) {
            connection.dirty = true;
        }
        worker_.give_back(*pool_, server);
        return;
    }
    Recovery recovery;
    recovery.skip_bytes = server_body_left_;
    for (const Request& request : requests_) {
        recovery.answers += request.ends_with_ready() ? 1 : 0;
    }
    recovery.cancel = query_active_;
    recovery.half_said = half_said;
    recovery.question = std::move(question);
    connection.dirty = true;
    requests_.clear();
    worker_.recover(*pool_, server, std::move(recovery));
}

}  // namespace howdah::proxy
