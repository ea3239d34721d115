// LiveDatabase: what only the database knows about the migrations: sizes, traffic, long
// transactions, free disk, data that breaks constraints, queries that use what is dropped, applied
// history.
//
// Reads only (SET default_transaction_read_only), each query with a deadline and, for data checks,
// a statement_timeout of 5 s: what takes longer, or may not be read, is reported as not known.
// Needs no more than pg_monitor and SELECT on the tables. Works through howdah as well.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "migrate/lint/lint.hpp"
#include "migrate/lint/traffic.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::lint {

struct LiveTable {
    std::int64_t bytes = 0;  // heap, TOAST and indexes
    std::int64_t rows = 0;   // estimate
    double reads_per_s = 0;  // queries where pg_stat_statements is there, scans otherwise
    double writes_per_s = 0;
    double holder_s = 0;          // age of the oldest transaction that holds a lock on it
    std::string tablespace = {};  // its folder on the server; empty: the data directory
};

class LiveDatabase {
  public:
    // `conninfo` as psql takes it; a Prisma URL's ?schema= is understood.
    static Result<LiveDatabase> connect(const std::string& conninfo);

    // Sets `pending` from the tool's history table, and `judged` false for what has run. Edited,
    // skipped and vanished migrations become findings. What to tell when it cannot be read, or "".
    std::string mark_pending(Project& project);
    // What a running howdah has seen, for judge(). It is kept by reference.
    void add_traffic(const Traffic& traffic) { seen_ = &traffic; }
    std::string database() const { return connection_.database(); }
    // Through howdah's own port: a connection to its console, where this user may have one.
    std::optional<pg::Connection> console() const;
    // Adds evidence and findings, and moves risks by size: one level down below 10,000 rows and
    // 16 MB, one up from 1 GB. Never for lost data.
    Result<> judge(const Project& project, const LintConfig& config, LintResult& result);

  private:
    struct Check {
        std::string what;               // "duplicates of (a) in t"
        std::string sql;                // its first value: "" or "0" = nothing found
        bool error_is_finding = false;  // a cast that fails: the error is what is looked for
    };

    explicit LiveDatabase(pg::Connection connection) : connection_(std::move(connection)) {}

    Result<> read_tables();
    Result<> read_activity();
    void read_holders();
    void read_queries();
    std::vector<SeenQuery> read_calls(bool with_text);
    void sample_traffic(const LintResult& result);
    void take_rates(const Traffic& traffic);
    void weigh(const Project& project, const JudgedAction& judged, LintResult& result) const;
    void check_data(const Project& project, const JudgedAction& judged, LintResult& result);
    void check_unique(const JudgedAction& judged, std::vector<Check>& checks) const;
    void check_foreign(const JudgedAction& judged, std::vector<Check>& checks);
    void check_type(const JudgedAction& judged, std::vector<Check>& checks) const;
    void check_stored(const JudgedAction& judged, std::vector<Check>& checks);
    void run_check(const Check& check, const Project& project, const JudgedAction& judged,
                   LintResult& result);
    void check_use(const Project& project, const JudgedAction& judged, LintResult& result);
    void check_disk(const Project& project, const JudgedAction& judged, LintResult& result) const;
    Finding& report(const Rule& rule, const Project& project, const JudgedAction& judged,
                    std::string message, LintResult& result) const;
    std::string one_value(const std::string& sql, const pg::Params& params = {});
    std::string evidence(const LiveTable& table, const std::string& name) const;
    std::int64_t free_bytes(const LiveTable& table) const;  // -1: not known from here

    pg::Connection connection_;
    std::string prisma_schema_;
    std::map<std::string, LiveTable> tables_;
    Traffic statements_{"pg_stat_statements"};
    const Traffic* seen_ = nullptr;
    std::string conninfo_;
    std::chrono::steady_clock::time_point queries_read_;
    std::set<std::string> changed_;  // tables whose rows an earlier pending statement changes
    std::string data_directory_;     // empty: the server is elsewhere, or does not say
    double longest_transaction_s_ = 0;
    std::int64_t replica_lag_bytes_ = -1;
    double replica_lag_s_ = 0;
    bool has_statements_ = false;
    bool pooled_ = false;
    bool counts_queries_ = false;  // reads_per_s and writes_per_s are queries
};

std::string human_bytes(std::int64_t bytes);

}  // namespace howdah::migrate::lint
