#include "migrate/lint/traffic.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "migrate/lint/discover.hpp"
#include "migrate/lint/observe.hpp"
#include "migrate/rules/rules.hpp"
#include "sql/statement_cache.hpp"
#include "sql/tokens.hpp"

namespace howdah::migrate::lint {
namespace {

constexpr std::size_t kShownMax = 200;  // bytes of a query in evidence

std::vector<std::string> canonical_names(const std::vector<sql::Name>& names) {
    std::vector<std::string> list;
    list.reserve(names.size());
    for (const sql::Name& name : names) {
        list.push_back(canonical_name(name.schema.empty() ? "public" : name.schema, name.name));
    }
    return list;
}

std::string last_part(const std::string& name) {
    const std::size_t dot = name.rfind('.');
    return dot == std::string::npos ? name : name.substr(dot + 1);
}

// An identifier as PostgreSQL folds it.
std::string folded(const sql::Token& token, std::string_view text) {
    std::string_view word = token.in(text);
    if (token.kind == sql::TokenKind::kQuotedWord) {
        return std::string(word.substr(1, word.size() < 2 ? 0 : word.size() - 2));
    }
    std::string lower(word);
    std::ranges::transform(lower, lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return lower;
}

// Whole words, so that "id" is not found in "paid".
bool names_both(std::string_view text, const std::string& table, const std::string& column) {
    bool has_table = false;
    bool has_column = column.empty();
    sql::Lexer lexer(text);
    for (sql::Token token = lexer.next_code();
         token.kind != sql::TokenKind::kEnd && !(has_table && has_column);
         token = lexer.next_code()) {
        if (token.kind == sql::TokenKind::kWord || token.kind == sql::TokenKind::kQuotedWord) {
            const std::string word = folded(token, text);
            has_table = has_table || word == table;
            has_column = has_column || word == column;
        }
    }
    return has_table && has_column;
}

bool is_about_the_schema(const sql::Statement& facts, std::string_view text) {
    switch (facts.kind) {
        case sql::StatementKind::kDdl:
        case sql::StatementKind::kExplain:
        case sql::StatementKind::kCopy:
        case sql::StatementKind::kSet:
            return true;
        default: {
            sql::Lexer lexer(text);
            const sql::Token first = lexer.next_code();
            return sql::is_word(first, text, "comment") || sql::is_word(first, text, "alter") ||
                   sql::is_word(first, text, "drop") || sql::is_word(first, text, "create");
        }
    }
}

}  // namespace

void Traffic::read(std::span<const SeenQuery> queries) {
    for (const SeenQuery& seen : queries) {
        const sql::StatementRef facts = sql::analyze(seen.text);
        Query& query = queries_[seen.id];
        query.text = seen.text;
        query.detail = seen.detail;
        query.calls = seen.calls;
        query.rate = seen.calls / std::max(1.0, seen.seconds);
        query.ddl = is_about_the_schema(*facts, seen.text);
        query.read = canonical_names(facts->tables_read);
        query.written = canonical_names(facts->tables_written);
    }
    count_rates();
}

void Traffic::read_again(std::span<const SeenQuery> queries, double seconds) {
    for (const SeenQuery& seen : queries) {
        const auto known = queries_.find(seen.id);
        if (known == queries_.end() || seconds <= 0) {
            continue;
        }
        Query& query = known->second;
        query.rate = std::max(query.rate, std::max(0.0, seen.calls - query.calls) / seconds);
        query.calls = std::max(query.calls, seen.calls);
    }
    count_rates();
}

void Traffic::count_rates() {
    rates_.clear();
    for (const auto& [id, query] : queries_) {
        if (query.ddl) {
            continue;
        }
        for (const std::string& table : query.read) {
            rates_[table].reads += query.rate;
        }
        for (const std::string& table : query.written) {
            rates_[table].writes += query.rate;
        }
    }
}

Traffic::Rate Traffic::rate(const std::string& table) const {
    const auto found = rates_.find(table);
    return found == rates_.end() ? Rate{} : found->second;
}

std::optional<Traffic::Use> Traffic::uses(const std::string& table,
                                          const std::string& column) const {
    Use use;
    double most = 0;
    for (const auto& [id, query] : queries_) {
        if (query.ddl || !names_both(query.text, last_part(table), column)) {
            continue;
        }
        use.calls += query.calls;
        if (use.text.empty() || query.calls > most) {
            most = query.calls;
            use.text = query.text;
            use.detail = query.detail;
        }
    }
    return use.text.empty() ? std::nullopt : std::optional(std::move(use));
}

bool stops_queries(const LintResult& result) {
    return std::ranges::any_of(result.actions, [&](const JudgedAction& judged) {
        return std::ranges::any_of(judged.action.effects, [&](const TableEffect& effect) {
            return !effect.fresh && blocks_writes(effect.lock);
        });
    });
}

void report_uses(const Project& project, const JudgedAction& judged, const Traffic& traffic,
                 LintResult& result) {
    const Action& action = judged.action;
    const bool column =
        action.kind == ActionKind::kDropColumn || action.kind == ActionKind::kRenameColumn;
    const bool table =
        action.kind == ActionKind::kDropTable || action.kind == ActionKind::kRenameTable;
    if (action.fresh || (!column && !table)) {
        return;
    }
    const auto use = traffic.uses(action.table, column ? action.name : "");
    if (!use) {
        return;
    }
    Finding finding = history_finding(
        rule_dropped_column_still_read, project.files[judged.file].path, judged.line,
        fmt::format("queries that name {} ran {:.0f} times",
                    column ? action.table + "." + action.name : action.table, use->calls));
    finding.impact = describe_impact(action);
    finding.evidence =
        fmt::format("{}, the most frequent{}{}: {}", traffic.source(),
                    use->detail.empty() ? "" : " ", use->detail, use->text.substr(0, kShownMax));
    result.findings.push_back(std::move(finding));
}

void settle(const LintConfig& config, LintResult& result) {
    std::erase_if(result.findings,
                  [&](const Finding& finding) { return config.disabled.contains(finding.rule); });
    result.suppressed += std::erase_if(result.findings, [&](const Finding& finding) {
        return std::ranges::any_of(result.live_suppressions, [&](const LiveSuppression& here) {
            return here.rule == finding.rule && here.file == finding.file &&
                   (here.first_line == 0 ||
                    (here.first_line <= finding.line && finding.line <= here.last_line));
        });
    });
    for (Finding& finding : result.findings) {
        const Rule* rule = find_rule(finding.rule);
        const auto severity = config.severities.find(finding.rule);
        if (rule != nullptr && rule->live && severity != config.severities.end()) {
            finding.severity = severity->second;
        }
    }
    for (FileVerdict& verdict : result.files) {
        verdict.risk = Risk::kNone;
        for (const Finding& finding : result.findings) {
            verdict.risk =
                finding.file == verdict.file ? std::max(verdict.risk, finding.risk) : verdict.risk;
        }
    }
    sort_findings(result.findings);
}

void judge_traffic(const Project& project, const LintConfig& config, const Traffic& traffic,
                   LintResult& result) {
    for (const JudgedAction& judged : result.actions) {
        double blocked = 0;
        std::string evidence;
        for (const TableEffect& effect : judged.action.effects) {
            if (effect.fresh || !blocks_writes(effect.lock)) {
                continue;
            }
            const Traffic::Rate rate = traffic.rate(effect.table);
            blocked += rate.writes + (blocks_reads(effect.lock) ? rate.reads : 0);
            evidence +=
                fmt::format("{}{}: {:.1f} reading queries/s, {:.1f} writing queries/s",
                            evidence.empty() ? "" : "; ", effect.table, rate.reads, rate.writes);
        }
        const std::string impact = describe_impact(judged.action);
        for (Finding& finding : result.findings) {
            if (blocked < 0.5 || finding.line != judged.line || impact.empty() ||
                finding.file != project.files[judged.file].path || finding.impact != impact) {
                continue;
            }
            finding.impact += fmt::format("; here blocks about {:.0f} queries a second {}", blocked,
                                          judged.action.works() ? "all the while" : "for a moment");
            finding.evidence = fmt::format("{} ({})", evidence, traffic.source());
        }
    }
    for (const JudgedAction& judged : result.actions) {  // these have evidence of their own
        report_uses(project, judged, traffic, result);
    }
    settle(config, result);
}

}  // namespace howdah::migrate::lint
