// "cached plan must not change result type": after a DDL, PostgreSQL refuses to run a prepared
// statement whose columns changed, until it is prepared again. We can do that for the client where
// it cannot notice: the statement is closed and parsed anew, and the batch is sent again.
//
// Only when all of this holds; otherwise the client gets the error, and the next use works:
//   - nothing of the batch has been answered yet, and it came whole, up to its Sync;
//   - no explicit transaction is open (the failed batch had none of its own effects);
//   - the batch asks for a description, so that the client learns of the new columns. A driver that
//     remembers the old ones would misread the rows; PostgreSQL's error is right for it.

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

// Larger batches are not kept.
constexpr std::size_t kBatchMax = 16 * 1024;

}  // namespace

void Session::record(std::string_view message) {
    if (!batch_usable_) {
        return;
    }
    if (batch_.size() + message.size() > kBatchMax) {
        batch_usable_ = false;
        batch_ = {};
        return;
    }
    batch_.append(message);
}

// The error at the head of the queue is ours to deal with: true when it is being retried.
bool Session::retry_changed_plan(const wire::ErrorFields& fields) {
    if (fields.sqlstate != "0A000" || fields.routine != "RevalidateCachedQuery" ||
        requests_.front().kind != RequestKind::kBind) {
        return false;
    }
    ServerConnection& server = *lease_->connection;
    const PreparedPtr stale = requests_.front().prepared;
    if (stale == nullptr) {
        return false;
    }
    // Whatever happens now: the next use parses it again.
    server.prepared.remove(stale->id);
    const bool one_batch = requests_.back().kind == RequestKind::kSync;
    for (const Request& request : requests_) {
        if (request.action != RequestAction::kForward) {
            batch_usable_ = false;
        }
    }
    std::size_t syncs = 0;
    for (const Request& request : requests_) {
        syncs += request.kind == RequestKind::kSync ? 1 : 0;
    }
    const bool retry = batch_usable_ && batch_described_ && !batch_answered_ && one_batch &&
                       syncs == 1 && injected_ == Purpose::kNone;
    if (!retry) {
        // The name is taken on this server: it is freed when the pipeline is over.
        rare().leftover_names.push_back(stale->server_name);
        return false;
    }
    ++pool_->stats.plan_retries;
    rare().retried = requests_.fail_to_sync();
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
        if (it->prepared != nullptr && !lease_->connection->prepared.contains(it->prepared->id)) {
            wire::Encoder close;
            server.write(close.close_statement(it->prepared->server_name).view());
            requests_.push(RequestKind::kClose, RequestAction::kSwallow);
            send_parse(it->prepared->server_name, it->prepared->body);
            requests_.push(RequestKind::kParse, RequestAction::kSwallow).prepared = it->prepared;
            lease_->connection->prepared.add(it->prepared->id);
        }
    }
    for (auto it = retried.rbegin(); it != retried.rend(); ++it) {
        it->error = false;
        it->sqlstate = {};
        requests_.put(std::move(*it));
    }
    requests_.push(RequestKind::kSync);
    server.write(batch_);
    batch_usable_ = false;
}

}  // namespace howdah::proxy
