#include "migrate/runner/executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <set>
#include <thread>

#include "base/assert.hpp"
#include "migrate/runner/backoff.hpp"
#include "sql/tokens.hpp"

namespace howdah::migrate::runner {
namespace {

using Clock = std::chrono::steady_clock;

constexpr pg::Milliseconds kWatchEvery{300};

double seconds_since(Clock::time_point begun) {
    return std::chrono::duration<double>(Clock::now() - begun).count();
}

bool worth_retrying(const Error& error) {
    return error.sqlstate == "55P03" || error.sqlstate == "40P01";
}

// lint --fix wrote it: it goes on where rows are left.
bool is_own_backfill(const Statement& statement) {
    return statement.sql.starts_with("CALL howdah_backfill_");
}

// A block that runs by itself may have committed part of what it does.
bool may_repeat(const Statement& statement) {
    sql::Lexer lexer(statement.sql);
    const sql::Token first = lexer.next_code();
    const bool block =
        sql::is_word(first, statement.sql, "call") || sql::is_word(first, statement.sql, "do");
    return !block || is_own_backfill(statement);
}

}  // namespace

// Looks at the run from outside while a statement runs: who blocks it, how far an index build is.
class Executor::Watch {
  public:
    Watch(pg::Connection& db, int pid, Narrator& narrator, Interrupt& interrupt)
        : db_(db), pid_(pid), narrator_(narrator), interrupt_(interrupt), thread_([this] {
              run();
          }) {}
    ~Watch() { stop(); }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // Ends the thread; what it saw may be read from then on.
    void stop() {
        if (!thread_.joinable()) {
            return;
        }
        {
            const std::lock_guard guard(mutex_);
            stopping_ = true;
        }
        wake_.notify_one();
        thread_.join();
        narrator_.progress("");
    }
    const std::vector<std::string>& blockers() const { return blockers_; }
    double waited_s() const { return waited_; }

  private:
    void run() {
        const auto begun = Clock::now();
        std::unique_lock lock(mutex_);
        while (!wake_.wait_for(lock, kWatchEvery, [this] { return stopping_; })) {
            lock.unlock();
            look(seconds_since(begun));
            lock.lock();
        }
    }

    void look(double seconds) {
        if (interrupt_.requested()) {
            interrupt_.request();  // a cancel that came before the statement began was lost
        }
        if (!db_.is_open()) {
            return;
        }
        if (const auto sessions = blockers_of(db_, pid_)) {
            waited_ += sessions->empty() ? 0 : std::chrono::duration<double>(kWatchEvery).count();
            for (const SessionInfo& session : *sessions) {
                if (said_.insert(session.pid).second) {
                    blockers_.push_back(session.describe());
                    narrator_.say("  blocked by " + blockers_.back());
                }
            }
        }
        show_progress(seconds);
    }

    void show_progress(double seconds) {
        const auto rows = db_.query(
            "select phase, blocks_total, blocks_done, tuples_total, tuples_done, lockers_total, "
            "lockers_done from pg_stat_progress_create_index where pid = $1::integer",
            {std::to_string(pid_)});
        if (!rows || rows->size() == 0) {
            if (seconds >= 1) {
                narrator_.progress(fmt::format("  running for {:.0f} s", seconds));
            }
            return;
        }
        const std::int64_t blocks = rows->integer(0, 1);
        const std::int64_t tuples = rows->integer(0, 3);
        std::string done;
        if (blocks > 0) {
            done = fmt::format(", {} of {} blocks ({} %)", rows->integer(0, 2), blocks,
                               rows->integer(0, 2) * 100 / blocks);
        } else if (tuples > 0) {
            done = fmt::format(", {} of {} rows ({} %)", rows->integer(0, 4), tuples,
                               rows->integer(0, 4) * 100 / tuples);
        } else if (rows->integer(0, 5) > 0) {
            done = fmt::format(", {} of {} transactions waited for", rows->integer(0, 6),
                               rows->integer(0, 5));
        }
        narrator_.progress(
            fmt::format("  building the index: {}{}, {:.0f} s", rows->text(0, 0), done, seconds));
    }

    pg::Connection& db_;
    int pid_;
    Narrator& narrator_;
    Interrupt& interrupt_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    double waited_ = 0;
    std::vector<std::string> blockers_;
    std::set<int> said_;
    std::thread thread_;
};

Executor::Executor(pg::Connection work, pg::Connection watch, ExecutorSettings settings)
    : work_(std::move(work)),
      watch_(std::move(watch)),
      settings_(settings),
      prng_(static_cast<std::uint64_t>(Clock::now().time_since_epoch().count())) {}

void Executor::report_to(Narrator& narrator, Interrupt& interrupt) {
    narrator_ = &narrator;
    interrupt_ = &interrupt;
    interrupt.bind(work_.canceller());
}

void Executor::pause(pg::Milliseconds wait, StepRun& run) {
    const auto begun = Clock::now();
    const auto until = begun + wait;
    while (Clock::now() < until && !interrupt_->requested()) {
        std::this_thread::sleep_for(
            std::min<Clock::duration>(std::chrono::milliseconds(100), until - Clock::now()));
    }
    run.waited_s += seconds_since(begun);
}

Result<StepRun> Executor::retried(const std::function<Result<>(StepRun&)>& once, int attempts_max) {
    ASSERT(narrator_ != nullptr);
    StepRun run;
    current_ = &run;
    const auto begun = Clock::now();
    for (int attempt = 1;; ++attempt) {
        if (interrupt_->requested()) {
            return fail(Error(ErrorCode::kCancelled, "57014", "interrupted", "run it again"));
        }
        run.attempts = attempt;
        run.rows = 0;
        const Result<> done = once(run);
        run.seconds = seconds_since(begun);
        for (const pg::Notice& notice : work_.take_notices()) {
            run.notices.push_back(notice.severity + ": " + notice.message);
        }
        if (done) {
            return run;
        }
        const pg::Milliseconds left =
            settings_.retry_for_max -
            std::chrono::duration_cast<pg::Milliseconds>(Clock::now() - begun);
        const bool again =
            worth_retrying(done.error()) && attempt < attempts_max && left.count() > 0;
        if (!again) {
            return std::unexpected(done.error());
        }
        const pg::Milliseconds wait =
            std::min(left, backoff(attempt, settings_.backoff_first, settings_.backoff_max, prng_));
        narrator_->say(fmt::format("  {} ({}); attempt {} of {} follows in {:.2f} s",
                                   done.error().message, done.error().sqlstate, attempt + 1,
                                   attempts_max, std::chrono::duration<double>(wait).count()));
        pause(wait, run);
    }
}

Result<> Executor::send(const Statement& statement) {
    if (interrupt_->requested()) {
        return fail(Error(ErrorCode::kCancelled, "57014", "interrupted", "run it again"));
    }
    Watch watch(watch_, work_.backend_pid(), *narrator_, *interrupt_);
    const Result<pg::Rows> done = work_.query(statement.sql, {}, pg::kNoDeadline);
    watch.stop();
    current_->blockers.insert(current_->blockers.end(), watch.blockers().begin(),
                              watch.blockers().end());
    current_->waited_s += watch.waited_s();
    if (!done) {
        return std::unexpected(done.error());
    }
    current_->rows += done->affected();
    return {};
}

// What holds a conflicting lock for longer than a moment would make our lock request, and every
// query behind it, wait: better to wait here, where nobody queues behind us.
Result<> Executor::wait_for_queue(const Statement& statement, StepRun& run) {
    const auto begun = Clock::now();
    std::set<int> said;
    while (!statement.facts.locks.empty()) {
        TRY(const std::vector<SessionInfo> sessions,
            lock_queue(watch_, statement.facts.locks, work_.backend_pid(),
                       settings_.blocker_older_s));
        run.waited_s += sessions.empty() && said.empty() ? 0 : 0.2;
        if (sessions.empty()) {
            return {};
        }
        for (const SessionInfo& session : sessions) {
            if (said.insert(session.pid).second) {
                run.blockers.push_back(session.describe());
                narrator_->say("  in the way: " + run.blockers.back());
            }
            if (settings_.on_block == OnBlock::kCancel) {
                narrator_->say(
                    fmt::format("  ending pid {}, as --on-block=cancel says", session.pid));
                TRY_VOID(watch_.execute("select pg_terminate_backend($1::integer)",
                                        {std::to_string(session.pid)}));
            }
        }
        if (settings_.on_block == OnBlock::kFail || interrupt_->requested() ||
            Clock::now() - begun >= settings_.block_wait_max) {
            return fail(Error(ErrorCode::kRefused, "",
                              "its lock would wait behind " + sessions.front().describe(),
                              "end that transaction, or run again later"));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return {};
}

Result<> Executor::wait_for_queue(const Step& step, StepRun& run) {
    for (const Statement& statement : step.statements) {
        TRY_VOID(wait_for_queue(statement, run));
    }
    return {};
}

Result<> Executor::attempt(const Step& step, const std::function<Result<>()>& inside) {
    TRY(pg::Transaction transaction, pg::Transaction::begin(work_, step.begin));
    TRY_VOID(work_.execute(
        fmt::format("set local lock_timeout = {}; set local statement_timeout = {}; set local "
                    "idle_in_transaction_session_timeout = {}",
                    settings_.lock_timeout.count(), settings_.statement_timeout.count(),
                    settings_.idle_timeout.count())));
    for (const Statement& statement : step.statements) {
        if (auto sent = send(statement); !sent) {
            const std::size_t position = work_.error_position();
            (void)transaction.rollback();
            Error error = sent.error();
            error.message = fmt::format(
                "line {}: {}{}", statement.line, error.message,
                position > 0 ? fmt::format(" at character {}", position) : std::string());
            return fail(std::move(error));
        }
    }
    TRY_VOID(inside());
    return transaction.commit(pg::kNoDeadline);  // deferred constraints are checked now
}

Result<StepRun> Executor::run_transaction(const Step& step,
                                          const std::function<Result<>()>& inside) {
    const auto once = [&](StepRun& run) -> Result<> {
        TRY_VOID(wait_for_queue(step, run));
        return attempt(step, inside);
    };
    return retried(once, settings_.attempts_max);
}

Result<StepRun> Executor::run_autocommit(const Statement& statement) {
    const auto once = [&](StepRun& run) -> Result<> {
        TRY_VOID(wait_for_queue(statement, run));
        TRY_VOID(remove_leftovers(statement));
        return attempt_autocommit(statement);
    };
    return retried(once, may_repeat(statement) ? settings_.attempts_max : 1);
}

// No lock_timeout here: a CREATE INDEX CONCURRENTLY that it cuts leaves an index that no query uses
// and every write maintains.
Result<> Executor::attempt_autocommit(const Statement& statement) {
    TRY_VOID(work_.execute("set lock_timeout = 0; set statement_timeout = 0"));
    Result<> sent = send(statement);
    (void)work_.execute("reset lock_timeout; reset statement_timeout");
    if (!sent) {
        if (work_.is_open() && !interrupt_->requested()) {
            (void)remove_leftovers(statement);
        }
        sent.error().message = fmt::format("line {}: {}", statement.line, sent.error().message);
    }
    return sent;
}

// Drops the invalid index that a cut CREATE INDEX or REINDEX CONCURRENTLY left behind.
Result<> Executor::remove_leftovers(const Statement& statement) {
    for (const Change& change : statement.facts.changes) {
        std::string question;
        if (change.kind == ChangeKind::kCreateIndex && change.concurrently) {
            question = change.name.empty()
                           ? "select i.indexrelid::regclass from pg_index i where i.indrelid = "
                             "to_regclass($1) and not i.indisvalid and $2 = ''"
                           : "select i.indexrelid::regclass from pg_index i join pg_class c on "
                             "c.oid = i.indexrelid where i.indrelid = to_regclass($1) and not "
                             "i.indisvalid and c.relname = (parse_ident($2))[array_length("
                             "parse_ident($2), 1)]";
        } else if (change.kind == ChangeKind::kReindex && change.concurrently) {
            question =
                "select i.indexrelid::regclass from pg_index i join pg_class c on c.oid = "
                "i.indexrelid where (i.indrelid = to_regclass($1) or i.indrelid = (select indrelid "
                "from pg_index where indexrelid = to_regclass($1))) and not i.indisvalid and "
                "c.relname ~ '_cc(new|old)[0-9]*$' and $2 = ''";
        } else {
            continue;
        }
        question +=
            " and not exists (select from pg_stat_progress_create_index p where "
            "p.index_relid = i.indexrelid)";  // somebody is at it just now
        TRY(const pg::Rows rows, work_.query(question, {change.relation, change.name}));
        for (std::size_t i = 0; i < rows.size(); ++i) {
            narrator_->say(
                fmt::format("  dropping invalid index {}, left by an attempt that was "
                            "cut",
                            rows.text(i, 0)));
            TRY_VOID(
                work_.execute(fmt::format("drop index concurrently if exists {}", rows.text(i, 0)),
                              {}, pg::kNoDeadline));
        }
    }
    return {};
}

Result<bool> Executor::has_happened(const Statement& statement) {
    if (is_own_backfill(statement)) {
        return false;
    }
    for (const Change& change : statement.facts.changes) {
        std::string question;
        switch (change.kind) {
            case ChangeKind::kCreateIndex:
                if (change.name.empty()) {
                    return false;
                }
                question =
                    "select exists (select from pg_index i join pg_class c on c.oid = i.indexrelid "
                    "where i.indrelid = to_regclass($1) and i.indisvalid and c.relname = "
                    "(parse_ident($2))[array_length(parse_ident($2), 1)])";
                break;
            case ChangeKind::kDropIndex:
                question = "select to_regclass($1) is null and $2::text is not null";
                break;
            case ChangeKind::kDetachConcurrently:
                question =
                    "select not exists (select from pg_inherits where inhparent = "
                    "to_regclass($1) and inhrelid = to_regclass($2))";
                break;
            case ChangeKind::kSafe:
            case ChangeKind::kReindex:
                return false;  // doing it again does no harm
            default:
                return fail(Error(ErrorCode::kInvalidInput, "",
                                  fmt::format("line {}: whether this has run is not known: {}",
                                              statement.line, without_literals(statement.sql)),
                                  "look at the database, then howdah migrate repair --done or "
                                  "--again"));
        }
        TRY(const pg::Rows rows, work_.query(question, {change.relation, change.name}));
        if (!rows.boolean(0, 0)) {
            return false;
        }
    }
    return true;
}

}  // namespace howdah::migrate::runner
