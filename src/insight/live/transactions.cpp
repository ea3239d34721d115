#include "insight/live/transactions.hpp"

#include "sql/statement.hpp"

namespace howdah::insight::live {
namespace {

bool extended(const QueryEvent& event) {
    return event.protocol == QueryProtocol::kExtended;
}

bool begins(const QueryEvent& event) {
    return extended(event) && (event.effects & sql::kBegin) != 0 && event.sqlstate[0] == '\0';
}

}  // namespace

bool Transactions::is_end(const QueryEvent& event) {
    return (event.transaction_status == 'I' && !extended(event)) ||
           (event.effects & (sql::kCommit | sql::kRollback)) != 0;
}

bool Transactions::holds(const QueryEvent& event) {
    const auto known = open_.find(event.session_id);
    const bool going_on = known != open_.end() && known->second == event.transaction_id;
    const bool inside = event.transaction_status != 'I' || begins(event) || going_on;
    if (!inside || is_end(event)) {
        if (known != open_.end()) {
            open_.erase(known);
        }
    } else if (!going_on) {
        if (known == open_.end() && open_.size() >= kSessionsMax) {
            open_.clear();
        }
        open_[event.session_id] = event.transaction_id;
    }
    return inside;
}

}  // namespace howdah::insight::live
