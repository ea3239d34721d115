// Traffic: which tables live queries read and write, how often, and what they name.
//
// Filled from counters: pg_stat_statements, or what a running howdah has seen go by. Two readings a
// moment apart give the rate of now; the greater of that and the average counts. Pure; one thread.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrate/lint/lint.hpp"

namespace howdah::migrate::lint {

// One statement's counter.
struct SeenQuery {
    std::string id;         // the same in each reading
    std::string text = {};  // without values; may be left out once it is known
    double calls = 0;
    double seconds = 1;       // since it was counted first
    std::string detail = {};  // "by web, last 2026-01-31 12:00:00", or empty
};

class Traffic {
  public:
    // `source`: who counted, as evidence says it ("pg_stat_statements").
    explicit Traffic(std::string source) : source_(std::move(source)) {}

    void read(std::span<const SeenQuery> queries);
    // The same counters again, `seconds` later.
    void read_again(std::span<const SeenQuery> queries, double seconds);

    struct Rate {
        double reads = 0;  // queries a second
        double writes = 0;
    };
    // `table`: canonical name.
    Rate rate(const std::string& table) const;

    struct Use {
        double calls = 0;    // of all that name it
        std::string text;    // the most frequent one
        std::string detail;  // its SeenQuery::detail
    };
    // Queries, DDL left out, in which the words `table` and `column` stand; "" = any column. By the
    // last part of names, so that a search_path hides nothing.
    std::optional<Use> uses(const std::string& table, const std::string& column) const;

    bool empty() const { return queries_.empty(); }
    const std::string& source() const { return source_; }

  private:
    struct Query {
        std::string text;
        std::string detail;
        double calls = 0;
        double rate = 0;  // a second
        bool ddl = false;
        std::vector<std::string> read;
        std::vector<std::string> written;
    };
    void count_rates();

    std::string source_;
    std::map<std::string, Query> queries_;  // by id
    std::map<std::string, Rate> rates_;     // by canonical table name
};

// Whether something in the result stops queries of a table that is in use.
bool stops_queries(const LintResult& result);
// With no database at hand: what `traffic` alone tells. Adds to impacts, and findings.
void judge_traffic(const Project& project, const LintConfig& config, const Traffic& traffic,
                   LintResult& result);
// A column or table that goes, or gets another name, and is named by `traffic`; else nothing.
void report_uses(const Project& project, const JudgedAction& judged, const Traffic& traffic,
                 LintResult& result);
// Disabled rules out, verdicts' risks and the order of findings anew.
void settle(const LintConfig& config, LintResult& result);

}  // namespace howdah::migrate::lint
