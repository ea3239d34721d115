// What names of prepared statements mean, here and on the server: what is brought there before it
// is used, what leaves it, and when it is not known yet what a name will mean.

#include <algorithm>

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

// Whether it is known what this name means when the server gets to this message. A pipeline goes on
// behind a Sync: if what stands before it fails, the names that it was to make or close are as they
// were, and we would be wrong about those that follow. So a message that depends on them waits
// until that Sync is answered; steady pipelines change no names and never wait.
bool Session::settled(std::string_view name) {
    std::uint32_t& changed_in = name.empty() ? unnamed_changed_in_ : named_changed_in_;
    if (!name.empty() && sql_names_pending()) {
        return false;
    }
    if (changed_in == 0 || changed_in == segment_) {
        return true;
    }
    if (sync_is_outstanding()) {
        return false;
    }
    changed_in = 0;
    return true;
}

bool Session::sync_is_outstanding() {
    return std::any_of(requests_.begin(), requests_.end(),
                       [](const Request& request) { return request.kind == RequestKind::kSync; });
}

// We wait for an answer that the server may hold back until the client's Sync.
void Session::hurry() {
    if (!std::exchange(hurried_, true)) {
        wire::Encoder flush;
        lease_->connection->stream->write(flush.simple('H').view());
    }
}

// DISCARD, DEALLOCATE, PREPARE under way: what they do to names is known when they are answered.
bool Session::sql_names_pending() {
    if (!sql_changes_names_) {
        return false;
    }
    for (const Request& request : requests_) {
        if (changes_names(request)) {
            hurry();
            return true;
        }
    }
    sql_changes_names_ = false;
    return false;
}

void Session::make_room_for_names() {
    const server::PreparedNames& names = lease_->connection->prepared;
    const auto names_max =
        static_cast<std::size_t>(std::max(1, worker_.settings().max_prepared_statements));
    while (names.size() >= names_max) {
        remove_from_server(names.oldest());
    }
}

void Session::remove_from_server(std::uint64_t id) {
    server::PreparedNames& names = lease_->connection->prepared;
    if (!names.contains(id)) {
        return;
    }
    names.remove(id);
    wire::Encoder close;
    lease_->connection->stream->write(
        close.close_statement(worker_.prepared().prefix() + std::to_string(id)).view());
    requests_.push(RequestKind::kClose, RequestAction::kSwallow).text_id = id;
}

// Whether what the client says now may find its transaction failed. Known, unless something under
// way may begin one, or fail in one.
bool Session::transaction_may_have_failed() {
    const char status = lease_->connection->status;
    if (requests_.empty() || status == 'E') {
        return status == 'E';
    }
    bool open = status != 'I';
    for (const Request& request : requests_) {
        const bool runs =
            request.kind == RequestKind::kQuery || request.kind == RequestKind::kExecute;
        open = open || (runs && (request.facts.get() == nullptr ||
                                 request.facts->has(sql::kBegin | sql::kUnparsed)));
        if (open && request.ends_with_ready()) {
            return true;
        }
    }
    return false;
}

// The statement is on the server; or, with nothing, a Parse for it is on the way before what
// follows.
std::optional<Judged> Session::ensure_prepared(const PreparedPtr& prepared) {
    server::PreparedNames& names = lease_->connection->prepared;
    if (auto* known = names.use(prepared->id); known != nullptr) {
        if (known->judged != Judged::kSpent) {
            known->used_at = worker_.loop().now();
            return known->judged;
        }
        remove_from_server(prepared->id);
    }
    make_room_for_names();
    send_parse(prepared->server_name, prepared->body);
    names.add(prepared->id);
    names.use(prepared->id)->used_at = worker_.loop().now();
    named_changed_in_ = segment_;
    return std::nullopt;
}

// The statement is there when the server gets to what comes next. Whether it is there as clients
// were told of it, where that matters.
Judged Session::bring(NamedStatement& statement) {
    if (statement == worker_.prepared().nobodys()) {
        return Judged::kAll;
    }
    share_as_read_now(statement);
    const PreparedPtr& prepared = statement.prepared;
    if (prepared->from_sql) {
        repeat_prepare(prepared);
        return Judged::kAll;
    }
    const std::optional<Judged> known = ensure_prepared(prepared);
    if (!known) {
        requests_.push(RequestKind::kParse, RequestAction::kSwallow).prepared = prepared;
    }
    return known.value_or(Judged::kNot);
}

// The server's unnamed statement is this client's, or there is none.
void Session::ensure_unnamed() {
    ServerConnection& server = *lease_->connection;
    if (unnamed_ != nullptr && server.unnamed_stamp == unnamed_->stamp) {
        return;
    }
    if (unnamed_ != nullptr && !unnamed_->body.empty()) {
        send_parse("", unnamed_->body);
        requests_.push(RequestKind::kParse, RequestAction::kSwallow);
        server.unnamed_stamp = unnamed_->stamp;
        unnamed_changed_in_ = segment_;
        return;
    }
    // Somebody else's may still be there: it must not be bound by this client. (One that was too
    // large to keep is no more.)
    wire::Encoder close;
    server.stream->write(close.close_statement("").view());
    requests_.push(RequestKind::kClose, RequestAction::kSwallow);
    server.unnamed_stamp = 0;
}

// A statement that this server lacks would be read there as this client reads now, and not as those
// with whom it is shared: then it becomes another one. Where it is, PostgreSQL knows how it was
// read.
void Session::share_as_read_now(NamedStatement& statement) {
    PreparedPtr& prepared = statement.prepared;
    if (!renames_ || prepared->from_sql || statement == worker_.prepared().nobodys() ||
        prepared->reading.same_settings(reading()) ||
        lease_->connection->prepared.usable(prepared->id)) {
        return;
    }
    const Prepared& before = *prepared;
    prepared = worker_.prepared().intern_told(
        before.body, {before.facts.get(), before.text_id, before.tags}, reading(), before.told);
}

bool Session::has_stand_in(std::string_view name) const {
    return rare_ != nullptr && std::find(rare_->leftover_names.begin(), rare_->leftover_names.end(),
                                         name) != rare_->leftover_names.end();
}

// What duplicate_parse() made is no statement of the client's: gone before its name means anything.
void Session::close_stand_in(std::string_view name) {
    if (has_stand_in(name)) {
        wire::Encoder close;
        lease_->connection->stream->write(close.close_statement(name).view());
        requests_.push(RequestKind::kClose, RequestAction::kSwallow);
    }
}

}  // namespace howdah::proxy
