// Findings about single statements, out of their statistics and texts.

#include <fmt/format.h>

#include <algorithm>

#include "insight/live/reading.hpp"
#include "insight/live/state.hpp"

namespace howdah::insight::live {
namespace {

constexpr std::uint64_t kCallsMin = 5;
constexpr std::uint64_t kManyRows = 1000;  // a result that nobody reads to the end
constexpr std::uint64_t kWideRow = 1024;   // bytes
constexpr unsigned kDeepOffsetBits = 10;   // 2^10 rows skipped
constexpr std::uint64_t kTextsMin = 100;   // different texts of one statement
constexpr std::uint64_t kListTextsMin = 10;
constexpr double kFewRows = 100;
constexpr double kSlowLookupUs = 1500;
constexpr double kSlowerThanUsual = 4;
constexpr std::size_t kLookupsMin = 3;

double ms(double us) {
    return us / 1e3;
}

double mean(std::uint64_t sum, std::uint64_t count) {
    return count == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(count);
}

struct Costly {
    const Engine::State& state;
    const StatementStats& stats;
    const sql::Statement& statement;
    FindingList& to;

    void add(Rule rule, const std::function<void(LiveFinding&)>& fill) const {
        LiveFinding live = about_statement(state, stats, rule);
        fill(live);
        to.push_back(std::move(live));
    }
};

void many_rows_without_limit(const Costly& at) {
    const double rows = mean(at.stats.rows, at.stats.calls);
    if (at.statement.kind != sql::StatementKind::kSelect || has_limit(at.statement) ||
        rows < static_cast<double>(kManyRows)) {
        return;
    }
    at.add(Rule::kUnboundedResult, [&](LiveFinding& live) {
        live.finding.message = fmt::format("returns {:.0f} rows a call and has no LIMIT: {}", rows,
                                           short_text(at.statement));
        live.finding.why = "It grows with the table; all of it is sent and held in memory.";
        live.finding.evidence = fmt::format(
            "{} calls, {:.0f} rows and {:.0f} KiB a call, {} rows at most", at.stats.calls, rows,
            mean(at.stats.bytes_out, at.stats.calls) / 1024, at.stats.rows_max);
        live.finding.fix =
            "Add ORDER BY a key and LIMIT, and go on behind the last key; or a cursor "
            "for what must read everything";
    });
}

void star_of_wide_rows(const Costly& at) {
    const double width = mean(at.stats.bytes_out, at.stats.rows);
    if (at.statement.kind != sql::StatementKind::kSelect || at.stats.rows < 10 ||
        width < static_cast<double>(kWideRow) || !selects_star(at.statement)) {
        return;
    }
    at.add(Rule::kSelectStarWide, [&](LiveFinding& live) {
        live.finding.message = fmt::format("fetches every column of rows of {:.1f} KiB: {}",
                                           width / 1024, short_text(at.statement));
        live.finding.why = "Wide columns are read from TOAST, sent and thrown away.";
        live.finding.evidence =
            fmt::format("{} calls, {} rows, {:.1f} MiB sent", at.stats.calls, at.stats.rows,
                        static_cast<double>(at.stats.bytes_out) / 1048576);
        live.finding.fix = "Name the columns that are used";
    });
}

void deep_offset(const Costly& at) {
    const auto slot = offset_slot(at.statement);
    if (!slot || *slot >= TapRecord::kBindsMax || at.stats.widest[*slot] <= kDeepOffsetBits) {
        return;
    }
    at.add(Rule::kDeepOffset, [&](LiveFinding& live) {
        live.finding.message = fmt::format("skips up to {} rows with OFFSET: {}",
                                           1U << at.stats.widest[*slot], short_text(at.statement));
        live.finding.why = "The server makes all skipped rows and throws them away.";
        live.finding.evidence = fmt::format("{} calls, p95 {:.1f} ms, slowest {:.1f} ms",
                                            at.stats.calls, ms(at.stats.server.percentile(0.95)),
                                            ms(static_cast<double>(at.stats.server_us_max)));
        live.finding.fix = "Keyset paging: where (key) > (the last one seen) order by key limit n";
    });
}

void inlined_literals(const Costly& at) {
    const std::uint64_t texts = at.stats.distinct_texts();
    const bool full = texts * 2 >= std::min<std::uint64_t>(at.stats.calls, 800);
    if (at.statement.kind < sql::StatementKind::kSelect ||
        at.statement.kind > sql::StatementKind::kDelete || !full) {
        return;
    }
    if (at.statement.has_list && at.stats.simple * 2 < at.stats.calls && texts >= kListTextsMin) {
        at.add(Rule::kVariableInList, [&](LiveFinding& live) {
            live.finding.message = fmt::format("has a text for each length of its IN list: {}",
                                               short_text(at.statement));
            live.finding.why = "Each length is parsed, planned and prepared anew.";
            live.finding.evidence =
                fmt::format("{} calls with about {} texts", at.stats.calls, texts);
            live.finding.fix = "= any($1) with an array has one text";
        });
        return;
    }
    if (texts < kTextsMin) {
        return;
    }
    at.add(Rule::kInlinedLiterals, [&](LiveFinding& live) {
        live.finding.message =
            fmt::format("comes with its values inside the text: {}", short_text(at.statement));
        live.finding.why =
            "No text comes twice, so that it is parsed and planned each time, and "
            "prepared statements cannot help.";
        live.finding.evidence = fmt::format(
            "{} calls with about {}{} texts, {:.0f} % by the simple "
            "protocol",
            at.stats.calls, texts > 1500 ? "more than " : "", texts,
            100 * mean(at.stats.simple, at.stats.calls));
        live.finding.fix = "Send parameters: $1 in the text, values beside it";
        live.finding.severity = Severity::kInfo;
    });
}

// Half of all calls of statements that look rows up by a column take this long, at most.
double usual_lookup_us(const Engine::State& state) {
    std::vector<double> times;
    for (const auto& [key, stats] : state.statistics.all()) {
        if (stats.statement && stats.calls >= kCallsMin && !is_housekeeping(*stats.statement) &&
            stats.statement->tables_read.size() == 1 && mean(stats.rows, stats.calls) <= kFewRows) {
            times.push_back(stats.server.percentile(0.5));
        }
    }
    if (times.size() < kLookupsMin) {
        return 0;
    }
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::ranges::nth_element(times, middle);
    return *middle;
}

// The first column that a parameter is compared with, "" for none.
std::string looked_up_column(const sql::Statement& statement) {
    for (std::size_t slot = 0; slot < statement.params_max + TapRecord::kBindsMax; ++slot) {
        std::string column = compared_column(statement, slot);
        if (!column.empty()) {
            return column;
        }
    }
    return "";
}

std::string lookup_times(const StatementStats& stats) {
    return fmt::format("{} calls, {:.1f} rows each, half of them over {:.1f} ms", stats.calls,
                       mean(stats.rows, stats.calls), ms(stats.server.percentile(0.5)));
}

// Its plan has been seen.
void missing_index_by_plan(const Costly& at, const PlanEvidence& plan) {
    if (!plan.missing) {
        return;
    }
    at.add(Rule::kMissingIndex, [&](LiveFinding& live) {
        live.finding.message =
            fmt::format("reads a whole table for few rows: {}", short_text(at.statement));
        live.finding.why = fmt::format("No index of {} begins with {}.", plan.table, plan.column);
        live.finding.evidence = fmt::format(
            "{}; the plan reads {:.0f} rows of {} to keep {:.0f}: {}", lookup_times(at.stats),
            plan.rows_read, plan.table, plan.rows_out, plan.plan);
        live.finding.fix =
            fmt::format("create index concurrently on {} ({})", plan.table, plan.column);
        live.finding.confidence = "likely";
        if (plan.partial_index) {
            live.finding.confidence = "suspected";
            live.finding.why +=
                " One with a condition may serve some values: the plan is the "
                "same for all.";
        }
    });
}

// Few rows of one table by the value of a column, and always slow: only the plan knows for sure.
void missing_index(const Costly& at, double usual_us) {
    if (!is_slow_lookup(at.stats)) {
        return;
    }
    const auto plan = at.state.plans.find(at.stats.key);
    if (plan != at.state.plans.end() && plan->second.evidence.known) {
        missing_index_by_plan(at, plan->second.evidence);
        return;
    }
    const double half = at.stats.server.percentile(0.5);
    const std::string column = looked_up_column(at.statement);
    if (at.statement.tables_read.size() != 1 || usual_us <= 0 ||
        half < kSlowerThanUsual * usual_us || column.empty()) {
        return;
    }
    at.add(Rule::kMissingIndex, [&](LiveFinding& live) {
        const std::string table = main_table(at.statement);
        live.finding.message = fmt::format("looks for few rows and takes long, each time: {}",
                                           short_text(at.statement));
        live.finding.why = fmt::format(
            "An index that begins with {} may be missing: the server then reads all of {}. Its "
            "plan was not looked at.",
            column, table);
        live.finding.evidence = fmt::format("{}, where other look-ups take {:.2f} ms",
                                            lookup_times(at.stats), ms(usual_us));
        live.finding.fix = fmt::format(
            "Look at its plan (EXPLAIN; slow_query_explain lets howdah do that). Where it has a "
            "Seq Scan on {0}: create index concurrently on {0} ({1})",
            table, column);
        live.finding.confidence = "suspected";
    });
}

}  // namespace

bool is_slow_lookup(const StatementStats& stats) {
    return stats.statement && stats.calls >= kCallsMin &&
           stats.statement->kind == sql::StatementKind::kSelect &&
           !stats.statement->tables_read.empty() &&
           !stats.statement->has(sql::kVolatile | sql::kMultiple) &&
           mean(stats.rows, stats.calls) <= kFewRows &&
           mean(stats.server_us, stats.calls) >= kSlowLookupUs / 2 &&
           stats.server.percentile(0.5) >= kSlowLookupUs && !is_housekeeping(*stats.statement);
}

void find_costly_statements(const Engine::State& state, FindingList& to) {
    const double usual_us = usual_lookup_us(state);
    for (const auto& [key, stats] : state.statistics.all()) {
        if (!stats.statement || stats.calls < kCallsMin || is_housekeeping(*stats.statement)) {
            continue;
        }
        const Costly at{state, stats, *stats.statement, to};
        many_rows_without_limit(at);
        star_of_wide_rows(at);
        deep_offset(at);
        inlined_literals(at);
        missing_index(at, usual_us);
    }
}

}  // namespace howdah::insight::live
