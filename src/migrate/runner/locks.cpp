#include "migrate/runner/locks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace howdah::migrate::runner {
namespace {

using Clock = std::chrono::steady_clock;

constexpr pg::Milliseconds kPollEvery{200};
constexpr double kSayAgainSeconds = 10;

constexpr const char* kSessionColumns =
    "a.pid, a.usename, a.application_name, coalesce(host(a.client_addr), 'local'), a.state, "
    "extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.query_start, "
    "a.backend_start)), a.query";

SessionInfo session_of(const pg::Rows& rows, std::size_t row) {
    SessionInfo info;
    info.pid = static_cast<int>(rows.integer(row, 0));
    info.user = rows.string(row, 1);
    info.application = rows.string(row, 2);
    info.client = rows.string(row, 3);
    info.state = rows.string(row, 4);
    info.seconds = rows.number(row, 5);
    info.query = without_literals(rows.text(row, 6), 100);
    info.lock = rows.columns() > 7 ? rows.string(row, 7) : std::string();
    return info;
}

std::vector<SessionInfo> sessions_of(const pg::Rows& rows) {
    std::vector<SessionInfo> sessions;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        sessions.push_back(session_of(rows, i));
    }
    return sessions;
}

// A bigint key's two halves as pg_locks shows them.
std::string halves(std::int64_t key) {
    const auto bits = static_cast<std::uint64_t>(key);
    return fmt::format("classid = {} and objid = {} and objsubid = 1", bits >> 32U,
                       bits & 0xFFFFFFFFU);
}

Result<std::string> holder_of(pg::Connection& db, std::int64_t key) {
    TRY(const pg::Rows rows,
        db.query(fmt::format("select {} from pg_locks l join pg_stat_activity a on a.pid = l.pid "
                             "where l.locktype = 'advisory' and l.granted and l.pid <> "
                             "pg_backend_pid() and l.database = (select oid from pg_database where "
                             "datname = current_database()) and {}",
                             kSessionColumns, halves(key))));
    return rows.size() == 0 ? std::string() : session_of(rows, 0).describe();
}

// The first key that somebody else holds; 0 when all are ours.
Result<std::int64_t> try_keys(pg::Connection& db, const std::vector<std::int64_t>& keys) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
        TRY(const pg::Rows got,
            db.query("select pg_try_advisory_lock($1::bigint)", {std::to_string(keys[i])}));
        if (!got.boolean(0, 0)) {
            release_run_locks(db, {keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(i)});
            return keys[i];
        }
    }
    return 0;
}

}  // namespace

std::string SessionInfo::describe() const {
    std::string text = fmt::format("pid {} ({}user {}, {})", pid,
                                   application.empty() ? "" : application + ", ", user, client);
    text += fmt::format(", {} for {:.0f} s", state.empty() ? "running" : state, seconds);
    if (!lock.empty()) {
        text += ", holds " + lock;
    }
    if (!query.empty()) {
        text += fmt::format("{}: {}", state == "active" ? ", running" : ", last", query);
    }
    return text;
}

Result<> take_run_locks(pg::Connection& db, const std::vector<std::int64_t>& keys,
                        pg::Milliseconds deadline, Narrator& narrator, const Interrupt& interrupt) {
    const auto begun = Clock::now();
    double said_at = -kSayAgainSeconds;
    for (;;) {
        TRY(const std::int64_t taken, try_keys(db, keys));
        if (taken == 0) {
            return {};
        }
        TRY(const std::string holder, holder_of(db, taken));
        const std::string whose = holder.empty() ? "a session that is gone again" : holder;
        if (interrupt.requested() || Clock::now() - begun >= deadline) {
            return fail(Error(
                ErrorCode::kRefused, "55P03",
                fmt::format("another migration is running: advisory lock {} is held by {}", taken,
                            whose),
                "wait for it, or end that session with pg_terminate_backend() when it is stuck; "
                "--wait SECONDS waits longer"));
        }
        const double waited = std::chrono::duration<double>(Clock::now() - begun).count();
        if (waited - said_at >= kSayAgainSeconds) {
            said_at = waited;
            narrator.say(fmt::format("waiting for advisory lock {}, held by {}", taken, whose));
        }
        std::this_thread::sleep_for(kPollEvery);
    }
}

void release_run_locks(pg::Connection& db, const std::vector<std::int64_t>& keys) {
    for (const std::int64_t key : keys) {
        (void)db.execute("select pg_advisory_unlock($1::bigint)", {std::to_string(key)});
    }
}

Result<std::vector<SessionInfo>> lock_queue(pg::Connection& db, const std::vector<LockWant>& wants,
                                            int own_pid, double older_s) {
    std::vector<SessionInfo> all;
    for (const LockWant& want : wants) {
        TRY(const pg::Rows rows,
            db.query(fmt::format(
                         "select {}, l.mode || ' on ' || l.relation::regclass from pg_locks l join "
                         "pg_stat_activity a on a.pid = l.pid where l.locktype = 'relation' and "
                         "l.database = (select oid from pg_database where datname = "
                         "current_database()) and l.relation = to_regclass($1) and l.mode = "
                         "any($2::text[]) and l.pid <> $3::integer and a.pid <> pg_backend_pid() "
                         "and coalesce(clock_timestamp() - a.xact_start, '0') >= make_interval("
                         "secs => $4::float8) order by a.xact_start",
                         kSessionColumns),
                     {want.relation, std::string(conflicting_modes(want.mode)),
                      std::to_string(own_pid), fmt::format("{}", older_s)}));
        for (SessionInfo& info : sessions_of(rows)) {
            const auto same = [&](const SessionInfo& known) { return known.pid == info.pid; };
            if (std::ranges::none_of(all, same)) {
                all.push_back(std::move(info));
            }
        }
    }
    return all;
}

Result<std::vector<SessionInfo>> blockers_of(pg::Connection& db, int pid) {
    TRY(const pg::Rows rows,
        db.query(fmt::format("select {} from unnest(pg_blocking_pids($1::integer)) b(pid) join "
                             "pg_stat_activity a on a.pid = b.pid",
                             kSessionColumns),
                 {std::to_string(pid)}));
    return sessions_of(rows);
}

// A pooler tells a process id of its own at start-up. Whether it keeps one server connection for
// the session shows when a second client holds a transaction: a transaction pooler hands that one
// the connection which the first has just given back, and the first gets another.
Result<> refuse_transaction_pooler(pg::Connection& db, const pg::Target& target) {
    const auto pid_of = [](pg::Connection& connection) -> Result<std::int64_t> {
        TRY(const pg::Rows rows, connection.query("select pg_backend_pid()"));
        return rows.integer(0, 0);
    };
    (void)db.execute("set howdah.pin = 'on'");  // through howdah itself: keep one connection
    TRY(const std::int64_t first, pid_of(db));
    if (first == db.backend_pid()) {
        return {};
    }
    TRY(pg::Connection other, pg::Connection::connect(target));
    TRY(const pg::Transaction held, pg::Transaction::begin(other));
    TRY(const std::int64_t others, pid_of(other));
    TRY(const std::int64_t second, pid_of(db));
    TRY(const pg::Rows kept, db.query("select current_setting('howdah.pin', true)"));
    if (others == first || second != first || kept.text(0, 0) != "on") {
        return fail(Error(ErrorCode::kRefused, "",
                          fmt::format("{} is a transaction pooler: it changes the server "
                                      "connection under a session, so locks, SET and CREATE INDEX "
                                      "CONCURRENTLY are not safe through it",
                                      db.host()),
                          "give the server's own address (--database, DIRECT_URL)"));
    }
    return {};
}

}  // namespace howdah::migrate::runner
