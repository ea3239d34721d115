// The extended protocol's statements: Parse, Bind, Describe, Execute, Close. Named statements go
// under our names, the unnamed one is the client's own wherever it is bound.

#include <algorithm>

#include "base/log.hpp"
#include "proxy/salted_hash.hpp"
#include "proxy/session.hpp"
#include "proxy/session_text.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

void Session::send_parse(std::string_view name, std::string_view body_text) {
    wire::Encoder header;
    header.u8('P').i32(static_cast<std::int64_t>(4 + name.size() + 1 + body_text.size()));
    header.text(name);
    lease_->connection->stream->write(header.view());
    lease_->connection->stream->write(body_text);
    pool_->stats.server_parses += name.empty() ? 0U : 1U;
}

NamedStatement* Session::find_statement(std::string_view name) {
    // With tracking switched off, PgBouncer's clients are on their own from then on.
    const bool untracked =
        worker_.settings().max_prepared_statements == 0 && worker_.config().pgbouncer;
    if (untracked) {
        return nullptr;
    }
    for (auto* statements : {statements_.get(), sql_statements_.get()}) {
        if (statements == nullptr) {
            continue;
        }
        if (const auto found = statements->find(std::string(name)); found != statements->end()) {
            return &found->second;
        }
    }
    // One of ours that the client read somewhere is another client's.
    const bool forbidden = renames_ && worker_.prepared().owns(name);
    return forbidden ? &worker_.prepared().nobodys() : nullptr;
}

// Too large to keep: it goes to this server only, under the client's own name. An unnamed one is
// there for as long as nothing else has been the server's unnamed statement since.
bool Session::stream_large(wire::Frame frame) {
    if (client_->buffered() < wire::kHeaderBytes + kInspectMax || !need_server()) {
        return false;
    }
    const std::uint8_t* bytes = client_->peek(wire::kHeaderBytes + kInspectMax);
    const bool unnamed = bytes[wire::kHeaderBytes] == 0;
    begin_request();
    batch_usable_ = false;
    pool_->stats.pins += pins_ == 0 ? 1U : 0U;
    pins_ |= kPinLargeParse;
    Request& request = requests_.push(RequestKind::kParse);
    request.bytes_in = frame.total_bytes();
    note_effects(kUnknownText);
    reading_.own = worker_.next_stamp();
    (unnamed ? unnamed_changed_in_ : named_changed_in_) = segment_;
    if (unnamed) {
        request.replaced = std::move(unnamed_);
        unnamed_ = std::make_unique<Unnamed>();
        unnamed_->stamp = worker_.next_stamp();
        lease_->connection->unnamed_stamp = unnamed_->stamp;
    } else {
        wire::Reader reader({bytes + wire::kHeaderBytes, kInspectMax});
        request.name = reader.text();
    }
    lease_->connection->dirty = true;
    forward_client(frame);
    return true;
}

// The name is taken. PostgreSQL says so itself, in its own words and with the transaction failed:
// a statement of that very name is made first, and removed when the pipeline is over.
void Session::duplicate_parse(std::string_view name, wire::Frame frame) {
    if (worker_.config().pgbouncer) {
        log::error(log_fields(), "{} prepared statement '{}' was already prepared", label(), name);
        fatal(Error(ErrorCode::kRefused, "08P01", "prepared statement name is already in use"));
        return;
    }
    static constexpr std::string_view kEmptyBody("\0\0\0", 3);
    batch_usable_ = false;
    if (has_stand_in(name)) {
        close_stand_in(name);
    } else {
        rare().leftover_names.emplace_back(name);
    }
    send_parse(name, kEmptyBody);
    requests_.push(RequestKind::kParse, RequestAction::kSwallow).name = name;
    Request& request = requests_.push(RequestKind::kParse);
    request.bytes_in = frame.total_bytes();
    request.name = name;
    forward_client(frame);
}

// A session that keeps its server gives names as it likes; they are noted for what is known of the
// text, and the server judges them.
void Session::parse_as_is(wire::Frame frame, std::string_view name, const PreparedPtr& prepared) {
    Request& request = requests_.push(RequestKind::kParse);
    request.bytes_in = frame.total_bytes();
    request.prepared = prepared;
    request.name = name;
    batch_usable_ = false;
    if (statements_ == nullptr) {
        statements_ = std::make_unique<NamedStatements>();
    }
    statements_->insert_or_assign(std::string(name), NamedStatement{prepared});
    lease_->connection->dirty = true;
    forward_client(frame);
}

void Session::parse_unnamed(wire::Frame frame, std::string_view body, const KnownText& known) {
    Request& request = requests_.push(RequestKind::kParse);
    request.bytes_in = frame.total_bytes();
    request.replaced = std::move(unnamed_);
    unnamed_ = spare_ != nullptr ? std::move(spare_) : std::make_unique<Unnamed>();
    unnamed_->body.assign(body);
    unnamed_->facts = sql::StatementRef(known.facts);
    unnamed_->text_id = known.text_id;
    unnamed_->tags = known.tags;
    unnamed_->stamp = worker_.next_stamp();
    lease_->connection->unnamed_stamp = unnamed_->stamp;
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
    const bool sequences = asks_sequences(*facts);
    if (refuses_block(*facts)) {
        return false;
    }
    if ((!name.empty() && !settled(name)) || !need_server() || (sequences && forget_sequences())) {
        return false;
    }
    const TagTable::Seen tags =
        found.has_comments ? worker_.tags().intern(text, found.text_id) : TagTable::Seen();
    begin_request();
    (name.empty() ? unnamed_changed_in_ : named_changed_in_) = segment_;
    const KnownText text_known{facts.get(), found.text_id, tags};
    if (name.empty()) {
        batch_usable_ = false;
        parse_unnamed(frame, rest, text_known);
        return true;
    }
    if (worker_.settings().max_prepared_statements == 0) {
        Request& request = requests_.push(RequestKind::kParse);
        request.bytes_in = frame.total_bytes();
        request.name = name;
        note_effects(facts->effects);
        lease_->connection->dirty = true;
        batch_usable_ = false;
        forward_client(frame);
        return true;
    }
    ++pool_->stats.client_parses;
    const NamedStatement* taken = find_statement(name);
    if (renames_ && taken != nullptr && *taken != worker_.prepared().nobodys()) {
        duplicate_parse(name, frame);
        return true;
    }
    PreparedPtr prepared = worker_.prepared().intern(rest, text_known, reading());
    if (!renames_) {
        parse_as_is(frame, name, prepared);
        return true;
    }
    parse_shared(frame, name, std::move(prepared));
    return true;
}

// Goes to the server under our name, unless it is there; then the answer is ours. In an open
// transaction it is parsed anew where nobody has used it lately: were it stale, which is not this
// client's affair, nothing could be sent again.
void Session::parse_shared(wire::Frame frame, std::string_view name, PreparedPtr prepared) {
    constexpr net::Duration kLately = std::chrono::seconds(2);
    if (lease_->connection->status == 'T' && !transaction_may_have_failed()) {
        const auto* entry = lease_->connection->prepared.use(prepared->id);
        if (entry != nullptr && worker_.loop().now() - entry->used_at > kLately) {
            remove_from_server(prepared->id);
        }
    }
    const bool known = ensure_prepared(prepared).has_value();
    const bool trial = known && transaction_may_have_failed();
    const RequestAction action = known && !trial ? RequestAction::kFake : RequestAction::kForward;
    Request& request = requests_.push(RequestKind::kParse, action);
    request.purpose = trial ? Purpose::kTrial : Purpose::kNone;
    batch_usable_ = batch_usable_ && action == RequestAction::kFake;
    request.prepared = prepared;
    request.name = name;
    request.bytes_in = frame.total_bytes();
    if (statements_ == nullptr) {
        statements_ = std::make_unique<NamedStatements>();
    }
    const auto& made = *statements_->emplace(name, NamedStatement{std::move(prepared)}).first;
    if (trial) {  // the server says whether it takes a Parse now
        const std::string& nobodys = worker_.prepared().nobodys().prepared->server_name;
        send_parse(nobodys, made.second.prepared->body);
        wire::Encoder close;
        lease_->connection->stream->write(close.close_statement(nobodys).view());
        requests_.push(RequestKind::kClose, RequestAction::kSwallow);
    }
    client_->drop(frame.total_bytes());
    answer_fakes();
}

// PgBouncer tracks every statement of its clients, and hangs up on one who names another.
bool Session::pgbouncer_refuses(std::string_view name) {
    if (!worker_.config().pgbouncer || worker_.settings().max_prepared_statements == 0 ||
        mode() == config::PoolMode::kSession || sql_statements_ != nullptr ||
        (pins_ & kPinLargeParse) != 0) {
        return false;
    }
    log::error(log_fields(), "{} prepared statement '{}' not found", label(), name);
    fatal(Error(ErrorCode::kRefused, "08P01", "prepared statement did not exist"));
    return true;
}

// Where what is bound to this portal is kept, as of nothing known. The unnamed one is replaced by
// every Bind; the others stay until the transaction ends, as portals do.
Session::Bound& Session::begin_bind(std::string_view portal) {
    constexpr std::size_t kPortalsMax = 4096;  // beyond, nothing is known of what they run
    if (!portal.empty() && rare().bound.size() >= kPortalsMax) {
        rare().bound.clear();
    }
    return (portal.empty() ? bound_ : rare().bound[std::string(portal)]) = Bound();
}

// What runs when this portal is executed; null where the client did not bind it (DECLARE did).
Session::Bound* Session::bound_to(std::string_view portal) {
    if (portal.empty()) {
        return &bound_;
    }
    if (rare_ == nullptr) {
        return nullptr;
    }
    const auto found = rare_->bound.find(std::string(portal));
    return found == rare_->bound.end() ? nullptr : &found->second;
}

// Notes what the Bind bound: what it does to the session, and its values where they are watched.
void Session::bind_to(Bound& bound, const KnownText& known, std::string_view text,
                      std::string_view values) {
    bound.facts = sql::StatementRef(known.facts);
    bound.text_id = known.text_id;
    bound.tags = known.tags;
    const std::uint32_t effects =
        (known.from_sql ? bound.facts->deferred_effects : bound.facts->effects) & ~known.followed;
    note_effects(effects);
    note_parameters(text, {.effects = effects,
                           .text_id = known.text_id,
                           .values = values,
                           .values_hash = bound.params_hash});
    if (tapped(bound.facts.get())) {
        bound.tap = worker_.tap().open_bind(values);
    }
}

// A Bind of the unnamed statement, or of a name that only the server can judge.
void Session::bind_as_is(wire::Frame frame, Bound& bound, bool unnamed, std::string_view values,
                         const NamedStatement* known) {
    if (unnamed) {
        ensure_unnamed();
    }
    if (known != nullptr) {
        const Prepared& as_is = *known->prepared;
        bind_to(bound, {as_is.facts.get(), as_is.text_id, as_is.tags, as_is.from_sql}, as_is.text(),
                values);
        requests_.push(RequestKind::kBind).bytes_in = frame.total_bytes();
        forward_client(frame);
        return;
    }
    if (unnamed && unnamed_ != nullptr && unnamed_->facts) {
        bind_to(bound, {unnamed_->facts.get(), unnamed_->text_id, unnamed_->tags},
                unnamed_->body.c_str(), values);
    } else {
        note_effects(unnamed && unnamed_ == nullptr ? 0U : std::uint32_t{sql::kUnknownCode});
    }
    requests_.push(RequestKind::kBind).bytes_in = frame.total_bytes();
    forward_client(frame);
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
    if (!settled(name)) {
        return false;
    }
    NamedStatement* known = name.empty() ? nullptr : find_statement(name);
    const bool sequences =
        known != nullptr && known->prepared->facts && asks_sequences(*known->prepared->facts);
    const bool nobodys = known != nullptr && *known == worker_.prepared().nobodys();
    if (!need_server() || (sequences && forget_sequences())) {
        return false;
    }
    begin_request();
    const std::string_view values = reader.rest();
    Bound& bound = begin_bind(portal);
    bound.params_hash = look == frame.body_bytes ? salted_hash(values, worker_.shared().salt) : 0;
    if (const auto named = says_names(name, known)) {
        const Rewrite outcome = bind_with_names(frame, portal, name, values, *named);
        if (outcome != Rewrite::kNothing) {
            return outcome == Rewrite::kDone;
        }
    }
    if (known == nullptr || !renames_) {
        if (known == nullptr && !name.empty() && pgbouncer_refuses(name)) {
            return false;
        }
        bind_as_is(frame, bound, name.empty(), values, known);
        return true;
    }
    const Judged judged = bring(*known);
    ++pool_->stats.binds;
    const Prepared& statement = *known->prepared;
    if (!nobodys) {
        note_bound(bound, *known, judged);
        bind_to(bound,
                {statement.facts.get(), statement.text_id, statement.tags, statement.from_sql},
                statement.text(), values);
    }
    Request& request = requests_.push(RequestKind::kBind);
    request.prepared = known->prepared;
    request.told_parameters = known->told_parameters;
    if (nobodys || name.size() < std::string().capacity()) {
        request.name = name;  // for errors; needs no memory
    }
    request.bytes_in = frame.total_bytes();

    forward_bind(frame, portal, name.size(), statement.server_name, look == frame.body_bytes);
    return true;
}

// A Bind with our name in place of the client's.
void Session::forward_bind(wire::Frame frame, std::string_view portal, std::size_t name_bytes,
                           std::string_view ours, bool recorded) {
    const std::size_t names_bytes = portal.size() + 1 + name_bytes + 1;
    const std::size_t values_bytes = frame.body_bytes - names_bytes;
    wire::Encoder head;
    head.u8('B').i32(
        static_cast<std::int64_t>(4 + portal.size() + 1 + ours.size() + 1 + values_bytes));
    head.text(portal).text(ours);
    net::Stream& server = *lease_->connection->stream;
    server.write(head.view());
    if (recorded) {
        record(head.view(), as_text(body(frame).subspan(names_bytes)));
    } else {
        batch_usable_ = false;
    }
    client_->drop(wire::kHeaderBytes + names_bytes);
    const std::size_t here = std::min(client_->buffered(), values_bytes);
    client_body_left_ = values_bytes - here;
    client_body_dropped_ = false;
    client_->forward(here, server);
}

bool Session::on_describe(wire::Frame frame) {
    if (frame.body_bytes > kInspectMax || frame.body_bytes < 2) {
        ++worker_.protocol_errors;
        fatal(Error(ErrorCode::kProtocol, "08P01", "invalid Describe message"));
        return false;
    }
    if (!whole(frame)) {
        return false;
    }
    wire::Reader reader(body(frame));
    const char kind = static_cast<char>(reader.u8());
    const std::string_view name = reader.text();
    if ((kind == 'S' && !settled(name)) || !need_server()) {
        return false;
    }
    begin_request();
    NamedStatement* statement = kind == 'S' && !name.empty() ? find_statement(name) : nullptr;
    if (statement == nullptr && kind == 'S' && !name.empty() && pgbouncer_refuses(name)) {
        return false;
    }
    if (kind == 'S') {
        const auto named = says_names(name, statement);
        const Rewrite outcome = named && (named->effects & sql::kSqlExecute) != 0
                                    ? describe_with_names(frame, *named)
                                    : Rewrite::kNothing;
        if (outcome != Rewrite::kNothing) {
            return outcome == Rewrite::kDone;
        }
    }
    if (statement == nullptr || !renames_) {
        if (kind == 'S' && name.empty()) {
            ensure_unnamed();
        }
        Request& request = requests_.push(RequestKind::kDescribe);
        request.bytes_in = frame.total_bytes();
        if (Bound* bound = kind == 'P' ? bound_to(name) : nullptr; bound != nullptr) {
            bound->described = true;
            request.prepared = bound->unjudged;
        }
        record(as_text({client_->peek(frame.total_bytes()), frame.total_bytes()}));
        forward_client(frame);
        return true;
    }
    bring(*statement);
    Request& request = requests_.push(RequestKind::kDescribe);
    request.bytes_in = frame.total_bytes();
    request.prepared = statement->prepared;
    request.name = name;
    wire::Encoder describe;
    describe.begin('D').u8('S').text(statement->prepared->server_name).end();
    record(describe.view());
    lease_->connection->stream->write(describe.view());
    client_->drop(frame.total_bytes());
    return true;
}

bool Session::on_execute(wire::Frame frame) {
    if (frame.body_bytes > kInspectMax) {
        ++worker_.protocol_errors;
        fatal(Error(ErrorCode::kProtocol, "08P01", "invalid Execute message"));
        return false;
    }
    if (!whole(frame) || !need_server()) {
        return false;
    }
    wire::Reader reader(body(frame));
    const std::string_view portal = reader.text();
    Bound* bound = bound_to(portal);
    if (bound != nullptr && bound->unjudged != nullptr && !as_told(*bound)) {
        return false;
    }
    begin_request();
    Request& request = requests_.push(RequestKind::kExecute);
    if (bound != nullptr) {
        request.facts = bound->facts;
        request.text_id = bound->text_id;
        request.tags = bound->tags;
        request.tap = std::move(bound->tap);
        request.params_hash = bound->params_hash;
    }
    request.sent_at = worker_.loop().now();
    request.bytes_in = frame.total_bytes();
    if (rare_ != nullptr) {
        request.sql_names = take_bound_names(portal);
    }
    sql_changes_names_ = sql_changes_names_ || changes_names(request);
    if (bound != nullptr && bound->unjudged != nullptr) {
        request.purpose = Purpose::kStale;
        refuse_stale(frame, *bound->unjudged);
        return true;
    }
    const sql::Statement* facts = request.facts.get();  // kept by the request
    record(as_text({client_->peek(frame.total_bytes()), frame.total_bytes()}));
    forward_client(frame);
    if (facts != nullptr) {
        restore_behind_execute(*facts);
    }
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
    if (kind == 'S' && !settled(name)) {
        return false;
    }
    const NamedStatement* statement = kind == 'S' && !name.empty() ? find_statement(name) : nullptr;
    if (kind == 'S' && ((statement != nullptr && renames_) || name.empty())) {
        if (copy_is_ahead()) {
            return false;  // if it begins, this is not ours to answer
        }
        // The server keeps a named one for others; this client's name is gone.
        (name.empty() ? unnamed_changed_in_ : named_changed_in_) = segment_;
        if (lease_ != nullptr && has_stand_in(name)) {
            begin_request();
            close_stand_in(name);
        }
        Request& request = requests_.push(RequestKind::kClose, RequestAction::kFake);
        if (statement != nullptr && *statement == worker_.prepared().nobodys()) {
            request.name = name;
        } else if (statement != nullptr) {
            request.prepared = statement->prepared;
            request.told_parameters = statement->told_parameters;
            request.name = name;
            auto& statements = request.prepared->from_sql ? sql_statements_ : statements_;
            statements->erase(request.name);
        } else {
            request.replaced = std::move(unnamed_);
            if (lease_ != nullptr) {
                lease_->connection->unnamed_stamp = 0;
            }
        }
        client_->drop(frame.total_bytes());
        answer_fakes();
        return true;
    }
    if (!need_server()) {
        return false;
    }
    if (kind == 'P' && rare_ != nullptr) {
        rare_->bound.erase(std::string(name));
    }
    begin_request();
    requests_.push(RequestKind::kClose).bytes_in = frame.total_bytes();
    record(as_text({client_->peek(frame.total_bytes()), frame.total_bytes()}));
    forward_client(frame);
    return true;
}

}  // namespace howdah::proxy
