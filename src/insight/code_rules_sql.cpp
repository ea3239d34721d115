// CodeJudge: SQL inside code.
#include <fmt/format.h>

#include <algorithm>

#include "insight/code_rules.hpp"
#include "sql/names.hpp"

namespace howdah::insight {
namespace {

// Where in the file bytes of the statement's text stand.
Range mapped(const CodeQuery& query, Range range) {
    const std::pair<std::size_t, Range>* piece = nullptr;
    for (const auto& each : query.pieces) {
        if (each.first <= range.begin) {
            piece = &each;
        }
    }
    if (piece == nullptr) {
        return range;
    }
    const std::size_t begin =
        std::min(piece->second.begin + (range.begin - piece->first), piece->second.end);
    return {begin,
            std::max(begin + 1, std::min(begin + (range.end - range.begin), piece->second.end))};
}

}  // namespace

// Values in the text of a statement.
void CodeJudge::check_pasted(const CodeQuery& query) {
    const bool tool =
        !query.piece && (query.method == "raw" || query.method == "any" || query.method == "one" ||
                         query.method == "none" || query.method == "many");
    if (query.pasted && query.pasted_node != kNoNode && !tool) {
        const bool suspected = query.pasted_suspected;
        report("sql-injection", query.pasted_node,
               {.message = suspected ? "text from outside of the statement is pasted into it" : "",
                .confidence = suspected ? "suspected" : "certain",
                .minor = suspected});
    }
}

// A condition in SQL inside of a Drizzle query: what keeps an index from serving it. A condition on
// the same rows that an index serves makes it a filter.
void CodeJudge::check_fragment(const CodeQuery& query, const CodeQuery& fragment) {
    const bool narrowed =
        query.by_unique || std::ranges::any_of(query.conditions, [&](const Condition& other) {
            return other.alternative == 0 && other.test == Test::kEquals && !other.column.empty() &&
                   (other.table == nullptr || other.table->indexes.empty() ||
                    other.table->has_leading(other.column, false));
        });
    if (narrowed || !fragment.sql_certain || fragment.tables.size() != 1) {
        return;
    }
    const std::string before = fmt::format(
        "select 1 from {} where ", sql::qualified_name_in_sql((*fragment.tables.begin())->name));
    const SqlPlace place{.source = source_, .in_file = [&](Range range) {
                             const auto back = [&](std::size_t at) {
                                 return at > before.size() ? at - before.size() : 0;
                             };
                             return mapped(fragment, {back(range.begin), back(range.end)});
                         }};
    Analysis analysis;
    judge_text(before + fragment.sql + " limit 1", {place, project_.schema(), {.raw = true}},
               analysis);
    for (Finding& finding : analysis.findings) {
        // By itself it says which index is wanted; beside others it does not.
        const bool alone = query.conditions.empty() && query.fragments.size() == 1 && !query.joined;
        if (finding.rule == "non-sargable" || finding.rule == "leading-wildcard" ||
            finding.rule == "implicit-cast" || finding.rule == "null-comparison" ||
            (alone && finding.rule == "missing-index")) {
            demote(finding);
            out_.findings.push_back(std::move(finding));
        }
    }
}

void CodeJudge::judge_raw(const CodeQuery& query) {
    const std::size_t first = out_.findings.size();
    check_loops(query);
    check_pasted(query);
    const SqlPlace place{.source = source_,
                         .in_file = [&](Range range) { return mapped(query, range); }};
    Analysis analysis;
    judge_text(query.sql, {place, project_.schema(), {.raw = true}}, analysis);
    // What only the run completes may well parse then.
    const bool whole =
        query.sql_certain && query.sql.find('?') == std::string::npos && query.pieces.size() == 1;
    if (!whole) {
        std::erase_if(analysis.findings,
                      [](const Finding& finding) { return finding.rule == "syntax-error"; });
    }
    if (!query.sql_certain) {
        analysis.findings.clear();
    }
    for (Finding& finding : analysis.findings) {
        demote(finding);
    }
    std::vector<Finding> own(out_.findings.begin() + static_cast<std::ptrdiff_t>(first),
                             out_.findings.end());
    for (Verdict& verdict : analysis.verdicts) {
        for (const Finding& finding : own) {
            verdict.add(finding);
        }
    }
    analysis.statements = 0;
    out_.add(std::move(analysis));
}

}  // namespace howdah::insight
