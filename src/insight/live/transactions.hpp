// Transactions: which statements stand in a transaction block.
//
// In the extended protocol the status is told after the event, and after all of a pipeline: drivers
// send BEGIN along with the first statement, and neither says that it is in a transaction. BEGIN,
// COMMIT and ROLLBACK say so themselves.
//
// 1. Bounded: one number a session; kSessionsMax sessions whose transaction has not ended. When
// there
//    is no room all are forgotten, which costs what stands beside those BEGINs.
// 2. One thread at a time.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/query_event.hpp"

namespace howdah::insight::live {

class Transactions {
  public:
    static constexpr std::size_t kSessionsMax = 10'000;

    // Whether the statement is part of a block: BEGIN, COMMIT and what is between them. Each event
    // once, in their order.
    bool holds(const QueryEvent& event);
    // Whether the statement, one of a block, is its last.
    static bool is_end(const QueryEvent& event);

  private:
    std::unordered_map<std::uint64_t, std::uint64_t> open_;  // session, transaction
};

}  // namespace howdah::insight::live
