// Verdict: what is thought of one query, in the form that other tools read.
//
//   score = base + includeDepth * 10 + whereCount * 5 + issues * 20
//   low < 30 <= medium < 70 <= high < 100 <= critical
//
// base: 5 for a read, 10 for a write, 15 for SQL handed over by code, 15 for an aggregate.
// includeDepth: levels of include or with; in SQL, joined tables. whereCount: conditions.
// JSON: howdah.analysis/1 (docs/schemas).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "insight/rule.hpp"

namespace howdah::insight {

enum class Complexity : std::uint8_t { kLow, kMedium, kHigh, kCritical };
enum class Operation : std::uint8_t { kRead, kWrite, kRaw, kAggregate };

struct Recommendation {
    std::string rule = {};
    Advice advice = Advice::kRewrite;
    Severity priority = Severity::kWarning;  // info low, warning medium, error high
    std::string suggestion = {};
    std::string before = {};
    std::string after = {};
    std::string improvement = {};
};

// Real numbers of the same template, where something has counted them.
struct Live {
    double calls_a_day = 0;
    double milliseconds_a_day = 0;
    double mean_ms = 0;
};

struct Verdict {
    std::string query = {};  // the source text, shortened
    std::string file = {};
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    Operation operation = Operation::kRead;
    int include_depth = 0;
    int where_count = 0;
    double estimated_cost = 0;             // rows that have to be read
    bool has_indexes = false;              // every condition is served by an index
    bool indexes_known = false;            // false: no schema said so, and has_indexes is false
    std::vector<std::string> issues = {};  // messages
    std::vector<Recommendation> recommendations = {};
    std::string route = {};  // "primary" or "replica"; SQL only
    std::string route_reason = {};
    bool cached = false;
    std::string cache_reason = {};
    std::uint64_t fingerprint = 0;  // libpg_query's; 0 = none
    std::optional<Live> live = {};

    int score() const;
    Complexity complexity() const;
    void add(const Finding& finding);
};

std::string_view complexity_name(Complexity complexity);
Complexity complexity_of(int score);

// {"schema":"howdah.analysis/1","summary":{...},"queries":[...]}
std::string render_verdicts_json(std::span<const Verdict> verdicts);
// A table for people, the worst first.
std::string render_verdicts_text(std::span<const Verdict> verdicts);
std::string render_verdicts_markdown(std::span<const Verdict> verdicts);

}  // namespace howdah::insight
