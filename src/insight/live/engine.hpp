// Engine: live insight as a whole. Fed by one thread with what the loops saw, asked by any.
//
//     events, taps -> Statistics                     -> rules  -\
//                  -> Windows -> Flow -> Patterns    -> findings -> console, HTTP, metrics
//     open transactions, new sessions                -> rules  -/
//
// 1. Texts and tags come later than the events that name them: unknown_statements() and
//    unknown_tags() say what is missing, learn() takes it.
// 2. Readers and the feeding thread meet at one lock, which no loop ever takes.
// 3. Literals, parameters and result values are nowhere in here: texts are normalized, values are
//    hashes under the process's salt, and those are in no answer.
// 4. Memory: Statistics (3 KiB an entry), 256 windows of at most 450 KiB (most far smaller),
//    Patterns (1,000 of 2 KiB), 4,096 tag sets, TapStore (8.5 MiB).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/finding.hpp"
#include "base/query_event.hpp"
#include "insight/live/plan.hpp"
#include "insight/live/statistics.hpp"
#include "sql/comments.hpp"

namespace howdah::insight::live {

// What the numbers in events stand for. Called under the engine's lock.
struct Names {
    std::function<std::string(std::uint32_t)> database, user, application, client;
};

struct Options {
    std::size_t entries_max = 5000;
    std::int64_t slow_us = 1'000'000;               // 0: no slow-query log
    std::int64_t idle_transaction_us = 10'000'000;  // 0: no finding
    std::int64_t long_transaction_us = 60'000'000;  // 0: no finding
    std::vector<std::string> ignore;                // users and applications without findings
    // The server's name of howdah's databases, where it is another; "*" for those not named.
    std::map<std::string, std::string> server_databases;
};

struct OpenTransaction {
    std::string database, user, application, client;
    std::int64_t open_us = 0;  // for how long
    std::int64_t idle_us = 0;  // 0: something runs
};

struct SlowQuery {
    std::uint64_t key = 0, tags_id = 0, session_id = 0;
    std::int64_t started_us = 0;
    std::uint32_t queue_us = 0, server_us = 0, network_us = 0, cache_us = 0;
    std::uint32_t database_id = 0, user_id = 0, application_id = 0, client_id = 0;
    std::uint64_t rows = 0;
    std::array<char, 5> sqlstate{};
    bool may_explain = false;  // one statement of SELECT, INSERT, UPDATE, DELETE
    sql::StatementRef statement;
};

// A statement of which the server knows what decides whether a finding is one: its plan, or what is
// behind the names that it reads.
struct StatementQuestion {
    std::uint64_t key = 0;
    std::string database;  // the server's
    sql::StatementRef statement;
};

// What a statement reads, by the catalog: behind a view its tables, beside a table its partitions
// and those from whose rows a foreign key passes changes on.
struct ReadRelations {
    bool known = false;               // each of its names was found
    bool changes_unseen = false;      // a foreign table, policies, a view with answers of its own
    std::vector<std::string> tables;  // without schemas; a write to one may change the answer
};

// A finding, and whom it concerns.
struct LiveFinding {
    Finding finding;
    std::string id;  // the same for the same finding, also after a restart
    std::vector<std::string> databases, users, applications, clients, routes;
    std::vector<std::uint64_t> statements;  // keys
    std::int64_t first_us = 0, last_us = 0;
    std::uint64_t count = 0;  // windows or calls that show it
    double lost_ms_a_day = 0;
};

struct NamedPart {
    std::string name;
    std::uint64_t calls = 0;
    double ms = 0;
};
struct StatementDetail {
    std::uint64_t key = 0;
    sql::StatementRef statement;
    std::uint64_t calls = 0, errors = 0, rows = 0;
    std::uint64_t queue_us = 0, server_us = 0, network_us = 0, cache_us = 0;
    struct Percentiles {
        std::uint32_t p50 = 0, p95 = 0, p99 = 0, max = 0;  // us
    } queue, server, network, cache;
    std::int64_t first_us = 0, last_us = 0;
    std::vector<std::pair<std::string, std::uint64_t>> sqlstates;
    std::vector<NamedPart> databases, users, applications, clients, tags;
    std::vector<std::string> samples;  // "int(3 digits), text(5 to 8)"
};

// Every one that is not empty must have sent the statement.
struct CallerFilter {
    std::string database, user, application, client, tag;  // tag: "route=/users" or "/users"
    [[nodiscard]] bool empty() const {
        return database.empty() && user.empty() && application.empty() && client.empty() &&
               tag.empty();
    }
};

class Engine {
  public:
    Engine(Options options, Names names);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // --- The feeding thread ---
    void configure(Options options);
    void take_tap(std::span<const std::uint64_t> record);
    void observe(std::span<const QueryEvent> events);
    void observe_transactions(std::span<const OpenTransaction> open, std::int64_t now_us);
    void tick(std::int64_t now_us);
    // Ends all windows: what they show counts. For tests and the end.
    void close_windows();
    std::vector<std::uint64_t> unknown_statements();
    std::vector<std::uint64_t> unknown_tags();
    void learn(std::uint64_t key, sql::StatementRef statement);
    void learn_tags(std::uint64_t id, std::vector<sql::Tag> tags);
    // Slow ones since the last call whose text is known, or will not be.
    std::vector<SlowQuery> take_slow();
    // Each statement once in ten minutes, for who can ask a server. learn_plan() takes the answer;
    // one that never comes leaves what is suspected.
    std::vector<StatementQuestion> unknown_plans(std::int64_t now_us);
    void learn_plan(std::uint64_t key, PlanEvidence evidence);
    // Likewise, by statement and database. Without an answer each write to the database counts.
    std::vector<StatementQuestion> unknown_relations(std::int64_t now_us);
    void learn_relations(const StatementQuestion& question, ReadRelations relations);

    // --- Any thread ---
    [[nodiscard]] std::vector<LiveFinding> findings() const;
    // The slowest in sum first; with their callers' names.
    [[nodiscard]] std::vector<StatementDetail> top(std::size_t max) const;
    [[nodiscard]] std::vector<StatementDetail> details(std::span<const std::uint64_t> keys) const;
    [[nodiscard]] std::vector<std::uint64_t> matching(const CallerFilter& filter) const;
    [[nodiscard]] std::string tags_text(std::uint64_t tags_id) const;

    struct State;  // state.hpp: for this folder

  private:
    mutable std::mutex mutex_;
    std::unique_ptr<State> state_;
};

}  // namespace howdah::insight::live
