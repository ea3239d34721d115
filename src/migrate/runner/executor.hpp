// Executor: sends one step to the server, safely.
//
//   look at the lock queue -> BEGIN, short lock_timeout -> statements -> what the caller adds ->
//   COMMIT; on 55P03 and 40P01 ROLLBACK, wait longer each time, again: the unit is the whole step.
//
// While a statement runs, a watch on a second connection says who blocks it and how far an index
// build is. Owns both connections; one thread calls it.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "base/result.hpp"
#include "migrate/runner/locks.hpp"
#include "migrate/runner/narrator.hpp"
#include "migrate/runner/steps.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::runner {

enum class OnBlock : std::uint8_t { kWait, kFail, kCancel };

struct ExecutorSettings {
    pg::Milliseconds lock_timeout{2'000};
    pg::Milliseconds statement_timeout{0};  // 0: none
    pg::Milliseconds idle_timeout{60'000};  // idle_in_transaction_session_timeout
    int attempts_max = 10;
    pg::Milliseconds retry_for_max{600'000};  // all attempts of one step together
    pg::Milliseconds backoff_first{1'000};
    pg::Milliseconds backoff_max{60'000};
    OnBlock on_block = OnBlock::kWait;
    double blocker_older_s = 1;  // transactions younger than this are let finish
    pg::Milliseconds block_wait_max{30'000};
};

// What a step took, for the record.
struct StepRun {
    double seconds = 0;
    int attempts = 0;
    std::uint64_t rows = 0;             // that INSERT, UPDATE, DELETE touched
    double waited_s = 0;                // for locks and between attempts
    std::vector<std::string> blockers;  // who was in the way, described once each
    std::vector<std::string> notices;
};

class Executor {
  public:
    Executor(pg::Connection work, pg::Connection watch, ExecutorSettings settings);

    pg::Connection& db() { return work_; }
    pg::Connection& watch_db() { return watch_; }
    Narrator& narrator() { return *narrator_; }
    bool interrupted() const { return interrupt_->requested(); }
    void report_to(Narrator& narrator, Interrupt& interrupt);

    // `inside` runs in the step's transaction, before COMMIT.
    Result<StepRun> run_transaction(const Step& step, const std::function<Result<>()>& inside);
    // One statement without transaction; leftovers of an earlier, cut attempt are removed first.
    Result<StepRun> run_autocommit(const Statement& statement);
    // Whether an autocommit statement that was begun earlier has had its effect.
    Result<bool> has_happened(const Statement& statement);

  private:
    class Watch;
    Result<> attempt(const Step& step, const std::function<Result<>()>& inside);
    Result<> attempt_autocommit(const Statement& statement);
    Result<> remove_leftovers(const Statement& statement);
    Result<> wait_for_queue(const Statement& statement, StepRun& run);
    Result<> wait_for_queue(const Step& step, StepRun& run);
    Result<> send(const Statement& statement);
    Result<StepRun> retried(const std::function<Result<>(StepRun&)>& once, int attempts_max);
    void pause(pg::Milliseconds wait, StepRun& run);

    pg::Connection work_;
    pg::Connection watch_;
    ExecutorSettings settings_;
    Narrator* narrator_ = nullptr;
    Interrupt* interrupt_ = nullptr;
    StepRun* current_ = nullptr;
    Prng prng_;
};

}  // namespace howdah::migrate::runner
