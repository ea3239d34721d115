// "cached plan must not change result type": after a DDL, PostgreSQL refuses to run or describe a
// prepared statement whose columns changed, until it is prepared again. We can do that for the
// client where it cannot notice: the statement is closed and parsed anew, and the batch is sent
// again.
//
// Only when all of this holds; otherwise the client gets the error, and the next use works:
//   - nothing of the batch has been answered yet, but for a Parse of what the server had, and it
//     came whole: up to its Sync, or a single question for a description
//   - no explicit transaction is open (the failed batch had none of its own effects)
//   - the client hears of the new columns before the rows: it asks for the statement's description,
//     or for that of the portal it bound. A driver that remembers the old ones would misread the
//     rows; PostgreSQL's error is right for it.

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

// Larger batches are not kept.
constexpr std::size_t kBatchMax = 16 * 1024;

}  // namespace

void Session::record(std::string_view message, std::string_view rest) {
    if (!batch_usable_) {
        return;
    }
    if (batch_.size() + message.size() + rest.size() > kBatchMax) {
        batch_usable_ = false;
        batch_ = {};
        return;
    }
    batch_.append(message).append(rest);
    ++batch_messages_;
}

// Whether all that the client has sent of its batch is here to be sent again.
bool Session::batch_can_be_sent_again() {
    if (!batch_usable_ || batch_answered_ || injected_ != Purpose::kNone) {
        return false;
    }
    std::size_t syncs = 0;
    for (const Request& request : requests_) {
        if (request.action != RequestAction::kForward) {
            return false;
        }
        syncs += request.kind == RequestKind::kSync ? 1 : 0;
    }
    if (requests_.size() != batch_messages_) {
        return false;  // something else is under way as well
    }
    const bool whole = syncs == 1 && requests_.back().kind == RequestKind::kSync;
    return whole || (requests_.size() == 1 && requests_.front().kind == RequestKind::kDescribe);
}

// Whether the client hears of the columns that a statement has now.
bool Session::client_will_be_told() {
    const Request& first = requests_.front();
    if (first.kind == RequestKind::kDescribe) {
        return true;
    }
    if (requests_.size() < 2 ||
        (first.told_parameters && !first.prepared->told.lists_parameters())) {
        return false;
    }
    const Request& next = *(requests_.begin() + 1);
    return next.kind == RequestKind::kDescribe && next.name.empty();
}

// The error at the head of the queue is ours to deal with: true when it is being retried.
bool Session::retry_changed_plan(const wire::ErrorFields& fields) {
    const Request& first = requests_.front();
    if (fields.sqlstate != kChangedPlan || fields.routine != "RevalidateCachedQuery" ||
        first.prepared == nullptr || first.prepared->from_sql ||
        (first.kind != RequestKind::kBind && first.kind != RequestKind::kDescribe)) {
        return false;
    }
    // Whatever happens now: the next use parses it again, and nobody new shares it.
    if (auto* entry = lease_->connection->prepared.use(first.prepared->id); entry != nullptr) {
        entry->judged = Judged::kSpent;
    }
    worker_.prepared().retire(*first.prepared);
    if (!batch_can_be_sent_again() || !client_will_be_told()) {
        return false;
    }
    ++pool_->stats.plan_retries;
    rare().told_parameters.clear();  // they are told again
    const bool has_sync = requests_.back().kind == RequestKind::kSync;
    rare().retried = requests_.fail_to_sync();
    if (!has_sync) {
        wire::Encoder sync;
        lease_->connection->stream->write(sync.simple('S').view());
        requests_.push(RequestKind::kSync);
        rare().retried_without_sync = true;
    }
    requests_.front().action = RequestAction::kSwallow;
    requests_.front().purpose = Purpose::kRetry;
    injected_ = Purpose::kRetry;
    return true;
}

// The failed batch is over: parse anew, and the same messages again.
void Session::send_again() {
    net::Stream& server = *lease_->connection->stream;
    std::vector<Request> retried = std::move(rare().retried);
    for (auto it = retried.rbegin(); it != retried.rend(); ++it) {
        if (it->prepared != nullptr && !lease_->connection->prepared.usable(it->prepared->id)) {
            lease_->connection->prepared.remove(it->prepared->id);
            wire::Encoder close;
            server.write(close.close_statement(it->prepared->server_name).view());
            requests_.push(RequestKind::kClose, RequestAction::kSwallow);
            // The client made its values by the types that it was told.
            const std::string& types = it->prepared->told.parameters;
            const std::string text(it->prepared->text());
            send_parse(it->prepared->server_name,
                       it->told_parameters ? text + '\0' + types : it->prepared->body);
            requests_.push(RequestKind::kParse, RequestAction::kSwallow).prepared = it->prepared;
            lease_->connection->prepared.add(it->prepared->id);
        }
    }
    PreparedPtr bound;
    for (auto it = retried.rbegin(); it != retried.rend(); ++it) {
        it->error = false;
        it->sqlstate = {};
        if (it->kind == RequestKind::kBind) {
            bound = it->prepared;
        } else if (it->kind == RequestKind::kDescribe && it->name.empty()) {
            it->prepared = bound;  // what it says now is news
        }
        requests_.put(std::move(*it));
    }
    server.write(batch_);
    if (std::exchange(rare().retried_without_sync, false)) {
        wire::Encoder flush;
        server.write(flush.simple('H').view());
    } else {
        requests_.push(RequestKind::kSync);
    }
    batch_usable_ = false;
}

}  // namespace howdah::proxy
