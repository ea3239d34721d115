#include "insight/live.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "insight/query.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::insight {
namespace {

void add_columns(const std::vector<Predicate>& predicates, std::vector<std::string>& columns) {
    for (const Predicate& predicate : predicates) {
        if (predicate.join) {
            continue;
        }
        if (predicate.column.source == 0 && !predicate.column.outer) {
            columns.emplace_back(predicate.column.name);
        }
        for (const auto& arm : predicate.arms) {
            add_columns(arm, columns);
        }
    }
}

// "" for what no ORM call looks like.
std::string shape_of(std::string_view text) {
    const auto tree = sql::Tree::parse(text);
    if (!tree || tree->first() == nullptr) {
        return {};
    }
    const Schema unknown;
    if (tree->first()->node_case == PG_QUERY__NODE__NODE_INSERT_STMT) {
        return shape_key("insert", sql::qualified_name(*tree->first()->insert_stmt->relation), {});
    }
    const Queries queries = read_queries(*tree->first(), unknown);
    if (queries.empty() || queries.front().sources.empty()) {
        return {};
    }
    const Query& query = queries.front();
    std::vector<std::string> columns;
    add_columns(query.predicates, columns);
    const std::string_view kind = query.kind == QueryKind::kUpdate   ? "update"
                                  : query.kind == QueryKind::kDelete ? "delete"
                                  : query.aggregated                 ? "aggregate"
                                                                     : "select";
    return shape_key(kind, query.sources.front().table, std::move(columns));
}

}  // namespace

std::string shape_key(std::string_view kind, std::string_view table,
                      std::vector<std::string> columns) {
    std::ranges::sort(columns);
    const auto repeated = std::ranges::unique(columns);
    columns.erase(repeated.begin(), repeated.end());
    if (table.starts_with("public.")) {
        table.remove_prefix(7);
    }
    return fmt::format("{} {} {}", kind, table, fmt::join(columns, ","));
}

LiveStats::LiveStats(std::span<const DumpStatement> statements, double days)
    : days_(days > 0 ? days : 1) {
    const auto add = [](Counted& counted, const auto& share) {
        counted.calls += share.calls;
        counted.total_ms += share.total_ms;
    };
    for (const DumpStatement& statement : statements) {
        add(by_fingerprint_[sql::analyze(statement.sql)->fingerprint], statement);
        if (const std::string shape = shape_of(statement.sql); !shape.empty()) {
            add(by_shape_[shape], statement);
            for (const CallerShare& share : statement.callers) {
                add(by_call_[share.call][shape], share);
            }
        }
    }
}

std::optional<Live> LiveStats::live_of(const Counted& counted) const {
    return Live{.calls_a_day = counted.calls / days_,
                .milliseconds_a_day = counted.total_ms / days_,
                .mean_ms = counted.calls > 0 ? counted.total_ms / counted.calls : 0};
}

std::optional<Live> LiveStats::of_fingerprint(std::uint64_t fingerprint) const {
    const auto found = by_fingerprint_.find(fingerprint);
    return found == by_fingerprint_.end() ? std::nullopt : live_of(found->second);
}

std::optional<Live> LiveStats::of_call(const std::string& call, const std::string& shape,
                                       std::string_view kind_and_table) const {
    const auto found = by_call_.find(call);
    if (found == by_call_.end()) {
        return std::nullopt;
    }
    Counted sum;
    for (const auto& [each, counted] : found->second) {
        // the relations that a call loads carry its tag too
        if (shape.empty() ? each.starts_with(kind_and_table) : each == shape) {
            sum.calls += counted.calls;
            sum.total_ms += counted.total_ms;
        }
    }
    return sum.calls > 0 ? live_of(sum) : std::nullopt;
}

std::optional<Live> LiveStats::of_shape(const std::string& shape) const {
    const auto found = by_shape_.find(shape);
    return found == by_shape_.end() ? std::nullopt : live_of(found->second);
}

}  // namespace howdah::insight
