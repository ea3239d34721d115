// PREPARE, EXECUTE and DEALLOCATE as SQL. A client's name stands for a name of ours in the text, so
// that it works on whatever server the next transaction gets: there the PREPARE is repeated first.
// PostgreSQL keeps these and the extended protocol's statements in one name space, and so do we.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <unordered_set>

#include "proxy/session.hpp"
#include "proxy/worker.hpp"
#include "sql/prepared_names.hpp"

namespace howdah::proxy {
namespace {

std::size_t count_characters(std::string_view text, const sql::TextRules& rules) {
    if (rules.encoding != sql::Encoding::kUtf8) {
        return text.size();
    }
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

// Puts the client's name for ours; HOWDAH_1 does not stand in HOWDAH_12.
void put_name(std::string& text, std::string_view ours, std::string_view theirs) {
    for (std::size_t at = text.find(ours); at != std::string::npos; at = text.find(ours, at)) {
        const std::size_t end = at + ours.size();
        if (end < text.size() && text[end] >= '0' && text[end] <= '9') {
            at = end;
            continue;
        }
        text.replace(at, ours.size(), theirs);
        at += theirs.size();
    }
}

}  // namespace

NamedStatement* Session::find_sql_statement(const std::string& name) {
    if (sql_statements_ != nullptr) {
        if (const auto found = sql_statements_->find(name); found != sql_statements_->end()) {
            return &found->second;
        }
    }
    return find_statement(name);
}

// Makes the statement known to this server. True when it is already, or when that cannot be: the
// server then says in the client's own request what is wrong.
bool Session::replay(const PreparedPtr& prepared) {
    ServerConnection& server = *lease_->connection;
    if (server.prepared.use(prepared->id) != nullptr) {
        return true;
    }
    if (server.status == 'E' || replay_failed_ == prepared->id) {
        replay_failed_ = 0;
        return true;
    }
    if (!requests_.empty()) {
        wire::Encoder flush;  // what is under way is answered first
        server.stream->write(flush.simple('H').view());
        return false;
    }
    replay_failed_ = prepared->id;  // until it has succeeded
    server.prepared.add(prepared->id);
    if (prepared->from_sql) {
        inject_query(Purpose::kReplay,
                     "PREPARE " + server::quote_identifier(prepared->server_name) + prepared->body);
        return false;
    }
    send_parse(prepared->server_name, prepared->body);
    requests_.push(RequestKind::kParse, RequestAction::kSwallow);
    wire::Encoder sync;
    server.stream->write(sync.simple('S').view());
    requests_.push(RequestKind::kSync, RequestAction::kSwallow).purpose = Purpose::kReplay;
    injected_ = Purpose::kReplay;
    return false;
}

// Makes the statement known to this server by messages that go before the next one, with no Sync
// that would end a transaction of the client's. If they fail, so does the client's batch: in a
// failed transaction PostgreSQL says that of them, and not that it knows no such statement.
void Session::repeat_prepare(const PreparedPtr& prepared) {
    ServerConnection& server = *lease_->connection;
    if (server.prepared.use(prepared->id) != nullptr) {
        return;
    }
    make_room_for_names();
    std::string body = "PREPARE " + server::quote_identifier(prepared->server_name);
    body.append(prepared->body).append(3, '\0');
    run_behind(body, prepared);
    server.prepared.add(prepared->id);
    named_changed_in_ = segment_;
}

// Runs the text of this Parse behind what was sent, as a part of the same batch; the answers are
// ours. What it makes: `prepared`, or null.
void Session::run_behind(const std::string& body, const PreparedPtr& prepared) {
    ServerConnection& server = *lease_->connection;
    send_parse("", body);
    const std::string portal = worker_.prepared().prefix() + "portal";
    wire::Encoder run;
    run.begin('B').text(portal).text("").i16(0).i16(0).i16(0).end();
    run.begin('E').text(portal).i32(0).end();
    run.begin('C').u8('P').text(portal).end();
    server.stream->write(run.view());
    requests_.push(RequestKind::kParse, RequestAction::kSwallow);
    requests_.push(RequestKind::kBind, RequestAction::kSwallow);
    requests_.push(RequestKind::kExecute, RequestAction::kSwallow).prepared = prepared;
    requests_.push(RequestKind::kClose, RequestAction::kSwallow);
    server.unnamed_stamp = 0;
    unnamed_changed_in_ = segment_;
}

// The text up to this name, and ours for it; what of the text is copied then, and how many
// characters came of it.
void Session::put_our_name(std::string_view text, const sql::PreparedNameUse& use,
                           const std::string& server_name, std::size_t& copied, std::string& out,
                           SqlNames& names) {
    const std::string_view before = text.substr(copied, use.begin - copied);
    const std::string ours = server::quote_identifier(server_name);
    names.characters += count_characters(before, rules_);
    names.places.push_back({names.characters, ours.size(),
                            count_characters(text.substr(use.begin, use.end - use.begin), rules_)});
    names.characters += ours.size();
    out.append(before).append(ours);
    names.renamed.emplace_back(server_name, use.name);
    copied = use.end;
}

// Puts our names into the text. kWait: a server is asked first, look again when it has answered.
Session::Rewrite Session::rewrite_names(Within within, std::string_view text,
                                        const sql::StatementRef& facts, std::string& out,
                                        std::unique_ptr<SqlNames>& names) {
    names = std::make_unique<SqlNames>();
    const std::vector<sql::PreparedNameUse> uses = sql::prepared_names(text, rules_);
    if (facts->has(sql::kSqlPrepare | sql::kSqlExecute)) {
        make_room_for_names();
    }
    // Names that this very text makes are found before the client's older ones; those that it
    // takes away are free again.
    std::unordered_map<std::string, PreparedPtr> made;
    std::unordered_set<std::string> gone;
    bool all_gone = false;
    std::size_t copied = 0;
    const PreparedPtr& nobodys = worker_.prepared().nobodys().prepared;
    for (const sql::PreparedNameUse& use : uses) {
        PreparedPtr prepared;
        if (use.kind == sql::PreparedNameUse::Kind::kDeallocateAll) {
            all_gone = true;
            made.clear();
            continue;
        }
        const bool prepares = use.kind == sql::PreparedNameUse::Kind::kPrepare;
        if (const auto own = made.find(use.name); own != made.end()) {
            prepared = own->second;
        } else if (prepares && (all_gone || gone.contains(use.name))) {
            // A name like any new one.
        } else if (NamedStatement* known = find_sql_statement(use.name); known != nullptr) {
            share_as_read_now(*known);
            prepared = known->prepared;
        }
        const bool unknown = prepared == nullptr || prepared == nobodys;
        if (prepares && unknown) {
            if (use.body_begin == use.body_end) {
                continue;  // not a PREPARE that PostgreSQL will take
            }
            prepared = worker_.prepared().make_sql(text.substr(use.end, use.body_end - use.end),
                                                   facts.get());
            made[use.name] = prepared;
            names->changes.push_back({true, use.name, prepared});
        } else if (prepared == nullptr) {
            continue;  // nobody knows it: the server says so, with the client's own name
        } else if (prepared != nobodys) {
            if (within == Within::kPipeline) {
                NamedStatement here{prepared};
                bring(here);
            } else if (!made.contains(use.name) && !replay(prepared)) {
                return Rewrite::kWait;
            }
            if (use.kind == sql::PreparedNameUse::Kind::kDeallocate) {
                names->changes.push_back({false, use.name, prepared});
                made.erase(use.name);
                gone.insert(use.name);
            } else if (prepared->facts) {
                const std::uint32_t effects = prepared->from_sql ? prepared->facts->deferred_effects
                                                                 : prepared->facts->effects;
                note_effects(effects);
                // The values stand in the text that executes it.
                note_parameters(prepared->text(), {effects, 0, text, 0});
            }
        }
        put_our_name(text, use, prepared->server_name, copied, out, *names);
    }
    out.append(text.substr(copied));
    names->characters += count_characters(text.substr(copied), rules_);
    return copied == 0 ? Rewrite::kNothing : Rewrite::kDone;
}

bool Session::on_query_with_names(wire::Frame frame, const sql::StatementCache::Lookup& found) {
    const sql::StatementRef facts(found.statement);
    const std::uint64_t text_id = found.text_id;
    const bool has_comments = found.has_comments;
    if (!settled("SQL") || !need_server()) {
        return false;
    }
    // What an earlier text of the pipeline makes is known when it has been answered.
    for (const Request& request : requests_) {
        if (request.sql_names != nullptr && !request.sql_names->changes.empty()) {
            return false;
        }
    }
    begin_request();
    const std::span<const std::uint8_t> bytes = body(frame);
    const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size() - 1);
    std::string rewritten;
    std::unique_ptr<SqlNames> names;
    const Rewrite outcome = rewrite_names(Within::kQuery, text, facts, rewritten, names);
    if (outcome == Rewrite::kWait) {
        return false;
    }
    Request& request = requests_.push(RequestKind::kQuery);
    request.sent_at = worker_.loop().now();
    request.facts = facts;
    request.text_id = text_id;
    if (has_comments) {
        request.tags = worker_.tags().intern(text, text_id);
    }
    request.bytes_in = frame.total_bytes();
    std::uint32_t effects = facts->effects;
    note_parameters(text, {effects, text_id, {}, 0});
    request.replaced = std::move(unnamed_);
    unnamed_changed_in_ = segment_;
    sql_changes_names_ = true;
    lease_->connection->unnamed_stamp = 0;
    if (outcome == Rewrite::kNothing) {
        note_effects(effects);
        forward_client(frame);
        restore_behind_query(*facts);
        return true;
    }
    request.sql_names = std::move(names);
    // The names are followed from here on: they are no reason to look for leftovers.
    effects &= ~static_cast<std::uint32_t>(sql::kSqlPrepare | sql::kSqlDeallocate);
    note_effects(effects);
    wire::Encoder query;
    lease_->connection->stream->write(query.query(rewritten).view());
    client_->drop(frame.total_bytes());
    restore_behind_query(*facts);
    return true;
}

// Nothing, for all but a PREPARE, EXECUTE or DEALLOCATE: one look at the effects on every Bind.
std::optional<Session::Named> Session::says_names(std::string_view name,
                                                  const NamedStatement* statement) const {
    constexpr std::uint32_t kNames = sql::kSqlPrepare | sql::kSqlExecute | sql::kSqlDeallocate;
    const Prepared* prepared = statement != nullptr ? statement->prepared.get() : nullptr;
    const bool kept = prepared != nullptr && !prepared->from_sql;
    const bool unnamed = !kept && name.empty() && unnamed_ != nullptr;
    const sql::Statement* facts = kept      ? prepared->facts.get()
                                  : unnamed ? unnamed_->facts.get()
                                            : nullptr;
    if (facts == nullptr || !facts->has(kNames) || !renames_ ||
        !worker_.settings().track_sql_prepare) {
        return std::nullopt;
    }
    Named named;
    named.effects = facts->effects & kNames;
    if (kept) {
        named.body = prepared->body;
        named.known = {facts, prepared->text_id, prepared->tags};
        named.held = statement->prepared;
    } else {
        named.body = unnamed_->body;
        named.known = {facts, unnamed_->text_id, unnamed_->tags};
    }
    return named;
}

// What a name means may change between a statement's Parse and its use: the text is parsed anew for
// each use, with our names in it and as the server's unnamed statement.
Session::Rewrite Session::parse_with_names(const Named& named, std::unique_ptr<SqlNames>& names) {
    if (!settled("SQL")) {
        return Rewrite::kWait;
    }
    if (requests_.empty() && lease_->connection->status == 'E') {
        return Rewrite::kNothing;  // refused, whatever it names
    }
    const std::string text(named.body.substr(0, named.body.find('\0')));
    std::string rewritten;
    const Rewrite outcome = rewrite_names(Within::kPipeline, text,
                                          sql::StatementRef(named.known.facts), rewritten, names);
    if (outcome == Rewrite::kDone) {
        rewritten.append(named.body.substr(text.size()));
        send_parse("", rewritten);
        requests_.push(RequestKind::kParse, RequestAction::kSwallow);
        lease_->connection->unnamed_stamp = 0;
        batch_usable_ = false;
    }
    return outcome;
}

Session::Rewrite Session::bind_with_names(wire::Frame frame, std::string_view portal,
                                          std::string_view name, std::string_view values,
                                          const Named& named) {
    std::unique_ptr<SqlNames> names;
    const Rewrite outcome = parse_with_names(named, names);
    if (outcome != Rewrite::kDone) {
        return outcome;
    }
    // The names are followed from here on: they are no reason to look for leftovers.
    KnownText known = named.known;
    known.followed = sql::kSqlPrepare | sql::kSqlDeallocate;
    bind_to(*bound_to(portal), known, named.body.substr(0, named.body.find('\0')), values);
    rare().bound_names.insert_or_assign(std::string(portal), std::move(names));
    Request& request = requests_.push(RequestKind::kBind);
    request.bytes_in = frame.total_bytes();
    request.sql_names = std::make_unique<SqlNames>();
    request.sql_names->renamed.emplace_back("statement \"\"",
                                            fmt::format("statement \"{}\"", name));
    forward_bind(frame, portal, name.size(), "", false);
    return Rewrite::kDone;
}

Session::Rewrite Session::describe_with_names(wire::Frame frame, const Named& named) {
    std::unique_ptr<SqlNames> names;
    const Rewrite outcome = parse_with_names(named, names);
    if (outcome != Rewrite::kDone) {
        return outcome;
    }
    Request& request = requests_.push(RequestKind::kDescribe);
    request.bytes_in = frame.total_bytes();
    names->changes.clear();  // describing carries out nothing
    request.sql_names = std::move(names);
    wire::Encoder describe;
    lease_->connection->stream->write(describe.begin('D').u8('S').text("").end().view());
    client_->drop(frame.total_bytes());
    return Rewrite::kDone;
}

std::unique_ptr<SqlNames> Session::take_bound_names(std::string_view portal) {
    auto node = rare_->bound_names.extract(std::string(portal));
    return node.empty() ? nullptr : std::move(node.mapped());
}

// A PREPARE or DEALLOCATE of this text has been carried out.
void Session::sql_name_done(Request& request, bool prepare) {
    auto& changes = request.sql_names->changes;
    for (auto it = changes.begin(); it != changes.end(); ++it) {
        if (it->prepare != prepare) {
            continue;
        }
        if (prepare) {
            if (sql_statements_ == nullptr) {
                sql_statements_ = std::make_unique<NamedStatements>();
            }
            sql_statements_->insert_or_assign(it->name, NamedStatement{it->prepared});
            lease_->connection->prepared.add(it->prepared->id);
        } else {
            if (sql_statements_ != nullptr) {
                sql_statements_->erase(it->name);
            }
            if (statements_ != nullptr) {
                statements_->erase(it->name);
            }
            lease_->connection->prepared.remove(it->prepared->id);
        }
        changes.erase(it);
        return;
    }
}

// What this request's statement is called here and by the client.
SqlNames Session::client_names(const Request& request) const {
    SqlNames names;
    if (request.prepared == nullptr || !renames_) {
        return names;
    }
    if (!request.name.empty()) {
        names.renamed.emplace_back(request.prepared->server_name, request.name);
    }
    if (!request.name.empty() || statements_ == nullptr) {
        return names;
    }
    for (const auto& [name, statement] : *statements_) {
        if (statement.prepared == request.prepared) {
            names.renamed.emplace_back(request.prepared->server_name, name);
            return names;
        }
    }
    if (rare_ != nullptr) {
        std::copy_if(rare_->undone.begin(), rare_->undone.end(), std::back_inserter(names.renamed),
                     [&](const auto& one) { return one.first == request.prepared->server_name; });
    }
    return names;
}

std::size_t SqlNames::position_in_clients_text(std::size_t position) const {
    if (characters != 0 && position > characters + 1) {
        return position;  // of the text that the name stands for
    }
    std::size_t at = position - 1;  // PostgreSQL counts from 1
    std::size_t longer = 0;
    std::size_t shorter = 0;
    for (const Place& place : places) {
        if (at < place.at) {
            break;
        }
        if (at < place.at + place.ours) {
            at = place.at;
            break;
        }
        longer += place.theirs;
        shorter += place.ours;
    }
    return at + longer - shorter + 1;
}

// An error that speaks of our name speaks of the client's instead, and its position is that of the
// client's text.
bool Session::forward_renamed_error(wire::Frame frame, const SqlNames& names) {
    wire::Reader from(server_body(frame));
    wire::Encoder error;
    error.begin('E');
    for (char field = static_cast<char>(from.u8()); from.ok() && field != '\0';
         field = static_cast<char>(from.u8())) {
        std::string text(from.text());
        std::size_t position = 0;
        if (field == 'P' &&
            std::from_chars(text.data(), text.data() + text.size(), position).ec == std::errc() &&
            position > 0) {
            text = std::to_string(names.position_in_clients_text(position));
        }
        for (const auto& [ours, theirs] : names.renamed) {
            put_name(text, ours, theirs);
        }
        error.u8(static_cast<std::uint8_t>(field)).text(text);
    }
    if (!from.ok()) {
        return false;
    }
    client_->write(error.u8(0).end().view());
    return true;
}

}  // namespace howdah::proxy
