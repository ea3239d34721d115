// Backfill: one UPDATE or DELETE in key-range batches, each its own transaction.
//
//   next range by the key -> the statement with "and key in range" -> cursor saved in the same
//   transaction -> pause, longer while replicas lag or dead tuples pile up -> next
//
// 1. The cursor is committed with the batch it stands for: killed anywhere, a rerun goes on behind
//    the last batch that was committed.
// 2. Rows written behind the cursor by then are not visited again: the statement's WHERE says what
//    still needs doing, and the application already writes new rows the new way.
#pragma once

#include <string>

#include "base/result.hpp"
#include "migrate/runner/executor.hpp"
#include "migrate/runner/ledger.hpp"
#include "migrate/runner/narrator.hpp"
#include "migrate/runner/steps.hpp"

namespace howdah::migrate::runner {

struct BackfillSettings {
    std::int64_t batch = 5'000;
    std::int64_t pause_ms = 50;
    double lag_s_max = 10;                  // replay lag of any replica
    std::int64_t lag_bytes_max = 64 << 20;  // not yet replayed by any replica
    double dead_ratio_max = 0.2;            // dead tuples to live ones
    std::int64_t dead_rows_min = 50'000;    // below this the ratio means nothing
    double throttle_s_max = 600;            // longest single wait for either
    pg::Milliseconds lock_timeout{2'000};
};

struct BackfillRun {
    std::int64_t rows = 0;
    std::int64_t batches = 0;
    double throttled_s = 0;
    bool resumed = false;
};

// Runs `statement` (an UPDATE or DELETE of one table, without FROM, USING, RETURNING or LIMIT) to
// its end. `name` is the cursor's; it stays until forget_cursor().
Result<BackfillRun> run_backfill(Executor& executor, const Step& step, const std::string& name,
                                 const BackfillSettings& settings);

// The statement restricted to a key range; for tests. Pure.
Result<std::string> batched_sql(std::string_view statement, const std::string& range);

}  // namespace howdah::migrate::runner
