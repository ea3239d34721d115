// A driver that keeps a statement asks once for its columns and parameters, and then reads rows and
// makes values by what it was told, often in binary. On one connection that is safe: after a DDL
// that changes them PostgreSQL refuses the statement, "cached plan must not change result type",
// until it is prepared again. A server that sees the text for the first time has nothing to
// compare. So we do: it is asked for the description, and where that is another one than clients
// were told, the client that goes by it gets the same error.
//
//     Prepared::told                 what clients were told; who is told otherwise has another one
//     PreparedNames::Entry::judged   whether it is the same on this server
//     Bound::unjudged                set by a Bind where that is not known; its Execute waits
//
// 1. Nothing runs for a client that goes by a description (it did not ask for the portal's columns,
//    or makes its values by the parameters' types) before the server's is known to be the same.
// 2. A server that is known to agree costs one look for each Bind.
//
// Not for the unnamed statement, which lives from one batch to the next, nor for SQL's EXECUTE,
// whose rows bring their description.

#include "proxy/salted_hash.hpp"
#include "proxy/session.hpp"
#include "proxy/session_text.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

constexpr std::string_view kNoSuchStatement = "26000";

// Larger descriptions are not looked into: they are like each other, and unlike all others.
constexpr std::size_t kDescriptionMax = 64 * 1024;
constexpr std::uint64_t kNoColumns = 1;
constexpr std::uint64_t kLargeColumns = 2;

// Names and types, as PostgreSQL compares them; not which table they are of, nor the format. The
// same in every process.
std::uint64_t hash_columns(std::span<const std::uint8_t> body) {
    wire::Reader reader(body);
    std::uint64_t hash = reader.u16();
    while (reader.left() > 0 && reader.ok()) {
        hash = salted_hash(reader.text(), hash);
        reader.bytes(6);                             // table, number of its column
        hash = salted_hash(reader.bytes(10), hash);  // type, size, modifier
        reader.bytes(2);                             // format
    }
    return hash > kLargeColumns ? hash : kLargeColumns + 1;
}

// Whether a server has all of it that a client may go by.
bool is_as_told(const Prepared& statement, Judged judged) {
    return judged == Judged::kAll ||
           (judged == Judged::kColumns && statement.told.parameters.empty());
}

}  // namespace

void Session::note_bound(Bound& bound, const NamedStatement& statement, Judged judged) const {
    if (!is_as_told(*statement.prepared, judged)) {
        bound.segment = segment_;
        bound.unjudged = statement.prepared;
        bound.told_parameters = statement.told_parameters;
    }
}

bool Session::is_being_asked(const Prepared& statement) {
    for (const Request& request : requests_) {
        if (request.kind == RequestKind::kDescribe && request.action == RequestAction::kSwallow &&
            request.prepared.get() == &statement) {
            return true;
        }
    }
    return false;
}

// Whether it is known if what runs is what the client goes by. False: the server is being asked.
// Where it is not, bound.unjudged stays.
bool Session::as_told(Bound& bound) {
    if (bound.segment != segment_) {  // bound before a Sync: it may be no more
        if (sync_is_outstanding()) {
            return false;
        }
        if (lease_->connection->status != 'T') {
            bound.unjudged = nullptr;  // the server has its own words for that
            return true;
        }
    }
    const PreparedPtr statement = bound.unjudged;
    const bool goes_by_it = !bound.described || bound.told_parameters;
    const auto* entry = lease_->connection->prepared.use(statement->id);
    const Judged judged = entry == nullptr ? Judged::kAll : entry->judged;
    if (judged == Judged::kOther && goes_by_it) {
        return true;
    }
    if (is_as_told(*statement, judged) || !goes_by_it || !statement->told.known()) {
        bound.unjudged = nullptr;
        return true;
    }
    if (!std::exchange(bound.asked, true)) {
        begin_request();
        Request& request = requests_.push(RequestKind::kDescribe, RequestAction::kSwallow);
        request.prepared = statement;
        wire::Encoder ask;
        ask.begin('D').u8('S').text(statement->server_name).end();
        lease_->connection->stream->write(ask.view());
        batch_usable_ = false;
        hurry();
    } else if (!is_being_asked(*statement)) {
        bound.unjudged = nullptr;  // it failed, and so did what was bound
        return true;
    }
    return false;
}

// What the server says to a Describe: parameters, then columns or none. The first are kept until
// the second come: where an error comes instead, the batch may be sent again.
Session::Fate Session::take_description(wire::Frame frame) {
    const RequestAction action = requests_.front().action;
    const bool parameters = frame.type == 't';
    if (requests_.front().prepared == nullptr || requests_.front().prepared->from_sql ||
        !renames_) {
        return parameters ? (action == RequestAction::kSwallow ? Fate::kDrop : Fate::kForward)
                          : complete(RequestKind::kDescribe);
    }
    const bool large = frame.total_bytes() > kDescriptionMax;
    if (!large && lease_->connection->stream->buffered() < frame.total_bytes()) {
        return Fate::kNeedMore;
    }
    if (parameters) {
        rare().told_parameters = large ? std::string_view("large") : as_text(server_body(frame));
        return large && action == RequestAction::kForward ? Fate::kForward : Fate::kDrop;
    }
    Description heard;
    heard.columns = frame.type == 'n' ? kNoColumns
                    : large           ? kLargeColumns
                                      : hash_columns(server_body(frame));
    heard.parameters = pass_parameters();
    judge(heard);
    return complete(RequestKind::kDescribe);
}

// What was kept goes to the client before what follows; what it was.
std::string Session::pass_parameters() {
    if (rare_ == nullptr) {
        return {};
    }
    std::string kept = std::exchange(rare_->told_parameters, {});
    const bool whole = kept.size() % 4 == 2;  // else it was too large to keep, and has gone out
    if (whole && requests_.front().action == RequestAction::kForward) {
        wire::Encoder parameters;
        parameters.begin('t').bytes(kept).end();
        client_->write(parameters.view());
    }
    return kept;
}

void Session::judge(const Description& heard) {
    const Request& request = requests_.front();
    const Prepared& statement = *request.prepared;
    auto* entry = lease_->connection->prepared.use(statement.id);
    const bool asked_by_client = request.action == RequestAction::kForward;
    if (statement.told.known() && !statement.told.agrees_with(heard)) {
        worker_.prepared().retire(statement);
        if (entry != nullptr) {
            entry->judged = Judged::kOther;
        }
        if (asked_by_client) {
            told_otherwise(request, heard);
        }
        return;
    }
    if (asked_by_client) {
        statement.told.add(heard);
        NamedStatement* named = heard.parameters.empty() ? nullptr : find_statement(request.name);
        if (named != nullptr && named->prepared == request.prepared) {
            named->told_parameters = true;
        }
    }
    if (entry != nullptr) {
        const bool all = !heard.parameters.empty() && heard.parameters == statement.told.parameters;
        entry->judged = all ? Judged::kAll : std::max(entry->judged, Judged::kColumns);
    }
}

// The client has heard of other columns than those who share its statement: from now on it has one
// of its own. Where a portal's were asked for, it must be clear which of its names that is.
void Session::told_otherwise(const Request& request, const Description& heard) {
    if (statements_ == nullptr) {
        return;
    }
    const bool by_name = !heard.parameters.empty();
    NamedStatement* found = nullptr;
    for (auto& [name, statement] : *statements_) {
        if (statement.prepared != request.prepared || (by_name && name != request.name)) {
            continue;
        }
        if (found != nullptr || (!by_name && statement.told_parameters)) {
            return;
        }
        found = &statement;
    }
    if (found != nullptr) {
        const Prepared& before = *request.prepared;
        const KnownText known{before.facts.get(), before.text_id, before.tags, before.from_sql, 0};
        *found = {worker_.prepared().intern_told(before.body, known, before.reading, heard),
                  by_name};
    }
}

// In place of the Execute: something that the server refuses, so that a transaction fails and what
// follows is skipped, as after the error that the client gets for it. Where the statement is used
// next it is parsed again: it may be what it was by then.
void Session::refuse_stale(wire::Frame frame, const Prepared& statement) {
    if (auto* entry = lease_->connection->prepared.use(statement.id); entry != nullptr) {
        entry->judged = Judged::kSpent;
    }
    wire::Encoder bind;
    bind.begin('B').text("").text(worker_.prepared().nobodys().prepared->server_name);
    bind.i16(0).i16(0).i16(0).end();
    lease_->connection->stream->write(bind.view());
    batch_usable_ = false;
    client_->drop(frame.total_bytes());
}

bool Session::refused_as_stale(const Request& request, const wire::ErrorFields& fields) {
    return request.purpose == Purpose::kStale && fields.sqlstate == kNoSuchStatement;
}

// As PostgreSQL says it: drivers prepare again when they see the code or the routine.
void Session::say_stale() {
    wire::Encoder error;
    error.begin('E').u8('S').text("ERROR").u8('V').text("ERROR").u8('C').text(kChangedPlan);
    error.u8('M').text("cached plan must not change result type");
    error.u8('F').text("plancache.c").u8('R').text("RevalidateCachedQuery").u8(0).end();
    client_->write(error.view());
}

}  // namespace howdah::proxy
