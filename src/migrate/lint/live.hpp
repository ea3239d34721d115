// LiveDatabase: what only the database knows about the migrations: sizes, traffic, long
// transactions, data that breaks constraints, queries that use what is dropped, applied history.
//
// Reads only (SET default_transaction_read_only), each query with a deadline and, for data checks,
// a statement_timeout of 5 s: what takes longer is left unsaid. Needs no more than pg_monitor and
// SELECT on the tables; what it may not see it leaves out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "migrate/lint/lint.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::lint {

struct LiveTable {
    std::int64_t bytes = 0;  // heap, TOAST and indexes
    std::int64_t rows = 0;   // estimate
    double reads_per_s = 0;  // since the statistics were reset
    double writes_per_s = 0;
};

class LiveDatabase {
  public:
    static Result<LiveDatabase> connect(const std::string& conninfo);

    // Sets `pending` from the tool's history table, and `judged` false for what has run.
    // Edited applied files become findings.
    Result<> mark_pending(Project& project);
    // Adds evidence and findings, and moves risks by size: one level down below 10,000 rows and
    // 16 MB, one up from 1 GB. Never for lost data.
    Result<> judge(const Project& project, const LintConfig& config, LintResult& result);

  private:
    explicit LiveDatabase(pg::Connection connection) : connection_(std::move(connection)) {}

    Result<> read_tables();
    Result<> read_activity();
    void weigh(const Project& project, const JudgedAction& judged, LintResult& result) const;
    void check_data(const Project& project, const JudgedAction& judged, LintResult& result);
    void check_use(const Project& project, const JudgedAction& judged, LintResult& result);
    void check_disk(const Project& project, const JudgedAction& judged, LintResult& result) const;
    void report(const Rule& rule, const Project& project, const JudgedAction& judged,
                std::string message, LintResult& result) const;
    std::string one_value(const std::string& sql, const pg::Params& params = {});
    std::string evidence(const LiveTable& table, const std::string& name) const;

    pg::Connection connection_;
    std::map<std::string, LiveTable> tables_;
    double longest_transaction_s_ = 0;
    std::int64_t replica_lag_bytes_ = -1;
    bool has_statements_ = false;
};

}  // namespace howdah::migrate::lint
