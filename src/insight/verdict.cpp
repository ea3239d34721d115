#include "insight/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <tuple>

namespace howdah::insight {
namespace {

namespace json = boost::json;

std::string_view priority_name(Severity severity) {
    return severity == Severity::kError     ? "high"
           : severity == Severity::kWarning ? "medium"
                                            : "low";
}

int base_score(Operation operation) {
    switch (operation) {
        case Operation::kRead:
            return 5;
        case Operation::kWrite:
            return 10;
        case Operation::kRaw:
        case Operation::kAggregate:
            break;
    }
    return 15;
}

std::string_view operation_name(Operation operation) {
    switch (operation) {
        case Operation::kRead:
            return "read";
        case Operation::kWrite:
            return "write";
        case Operation::kRaw:
            return "raw";
        case Operation::kAggregate:
            break;
    }
    return "aggregate";
}

// JSON is UTF-8; whatever else a file holds becomes '?'.
json::string utf8(std::string_view text) {
    json::string out;
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t length = lead < 0x80U                    ? 1
                                   : lead >= 0xC2U && lead < 0xE0U ? 2
                                   : lead >= 0xE0U && lead < 0xF0U ? 3
                                   : lead >= 0xF0U && lead < 0xF5U ? 4
                                                                   : 0;
        bool good = length > 0 && i + length <= text.size();
        for (std::size_t n = 1; good && n < length; ++n) {
            good = (static_cast<unsigned char>(text[i + n]) & 0xC0U) == 0x80U;
        }
        if (good) {
            out.append(text.substr(i, length));
            i += length;
        } else {
            out.push_back('?');
            ++i;
        }
    }
    return out;
}

json::object recommendation_object(const Recommendation& recommendation) {
    return {{"type", advice_name(recommendation.advice)},
            {"priority", priority_name(recommendation.priority)},
            {"rule", recommendation.rule},
            {"suggestion", utf8(recommendation.suggestion)},
            {"before", utf8(recommendation.before)},
            {"after", utf8(recommendation.after)},
            {"expectedImprovement", utf8(recommendation.improvement)}};
}

json::object verdict_object(const Verdict& verdict) {
    json::array issues;
    for (const std::string& issue : verdict.issues) {
        issues.push_back(utf8(issue));
    }
    json::array recommendations;
    for (const Recommendation& recommendation : verdict.recommendations) {
        recommendations.push_back(recommendation_object(recommendation));
    }
    json::object object{{"query", utf8(verdict.query)},
                        {"file", utf8(verdict.file)},
                        {"line", verdict.line},
                        {"column", verdict.column},
                        {"operation", operation_name(verdict.operation)},
                        {"complexity", complexity_name(verdict.complexity())},
                        {"score", verdict.score()},
                        {"includeDepth", verdict.include_depth},
                        {"whereCount", verdict.where_count},
                        {"estimatedCost", verdict.estimated_cost},
                        {"hasIndexes", verdict.has_indexes},
                        {"indexesKnown", verdict.indexes_known},
                        {"issues", std::move(issues)},
                        {"recommendations", std::move(recommendations)}};
    if (!verdict.route.empty()) {
        object["route"] = verdict.route;
        object["routeReason"] = utf8(verdict.route_reason);
        object["cached"] = verdict.cached;
        object["cacheReason"] = utf8(verdict.cache_reason);
    }
    if (verdict.live) {
        object["executionTime"] = verdict.live->mean_ms;
        object["callsPerDay"] = verdict.live->calls_a_day;
        object["millisecondsPerDay"] = verdict.live->milliseconds_a_day;
    }
    return object;
}

std::vector<const Verdict*> worst_first(std::span<const Verdict> verdicts) {
    std::vector<const Verdict*> order;
    for (const Verdict& verdict : verdicts) {
        order.push_back(&verdict);
    }
    const auto key = [](const Verdict* each) {
        return std::tuple(each->live ? -each->live->milliseconds_a_day : 0, -each->score(),
                          std::string_view(each->file), each->line, each->column);
    };
    std::ranges::sort(order, {}, key);
    return order;
}

std::map<Complexity, int> counts_of(std::span<const Verdict> verdicts) {
    std::map<Complexity, int> counts;
    for (const Verdict& verdict : verdicts) {
        ++counts[verdict.complexity()];
    }
    return counts;
}

std::string one_line(std::string_view text, std::size_t length_max) {
    std::string out;
    for (const char c : text) {
        const bool white = c == ' ' || c == '\n' || c == '\t' || c == '\r';
        if (!white) {
            out += c;
        } else if (!out.empty() && out.back() != ' ') {
            out += ' ';
        }
    }
    if (out.size() > length_max) {
        out.resize(length_max - 3);
        while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0U) == 0x80U) {
            out.pop_back();
        }
        out += "...";
    }
    return out;
}

}  // namespace

int Verdict::score() const {
    return base_score(operation) + include_depth * 10 + where_count * 5 +
           static_cast<int>(issues.size()) * 20;
}

Complexity complexity_of(int score) {
    return score < 30    ? Complexity::kLow
           : score < 70  ? Complexity::kMedium
           : score < 100 ? Complexity::kHigh
                         : Complexity::kCritical;
}

Complexity Verdict::complexity() const {
    return complexity_of(score());
}

void Verdict::add(const Finding& finding) {
    const Rule* known = find_rule(finding.rule);
    if (known == nullptr || !known->counts) {
        return;
    }
    // Without code of its own for this place, the rule's example shows the way.
    const bool own_code = !finding.fix.empty() && finding.fix != known->fix;
    issues.push_back(finding.message);
    recommendations.push_back(
        {.rule = finding.rule,
         .advice = known->advice,
         .priority = finding.severity,
         .suggestion = std::string(known->fix),
         .before = query,
         .after = own_code ? finding.fix : "for example: " + std::string(known->clean),
         .improvement = std::string(known->improvement)});
}

std::string_view complexity_name(Complexity complexity) {
    switch (complexity) {
        case Complexity::kLow:
            return "low";
        case Complexity::kMedium:
            return "medium";
        case Complexity::kHigh:
            return "high";
        case Complexity::kCritical:
            break;
    }
    return "critical";
}

std::string render_verdicts_json(std::span<const Verdict> verdicts) {
    json::array queries;
    double score = 0;
    std::size_t issues = 0;
    for (const Verdict* verdict : worst_first(verdicts)) {
        queries.push_back(verdict_object(*verdict));
        score += verdict->score();
        issues += verdict->issues.size();
    }
    const double count = verdicts.empty() ? 1 : static_cast<double>(verdicts.size());
    auto counts = counts_of(verdicts);
    const json::object root{{"schema", "howdah.analysis/1"},
                            {"summary", json::object{{"queries", verdicts.size()},
                                                     {"issues", issues},
                                                     {"averageScore", score / count},
                                                     {"low", counts[Complexity::kLow]},
                                                     {"medium", counts[Complexity::kMedium]},
                                                     {"high", counts[Complexity::kHigh]},
                                                     {"critical", counts[Complexity::kCritical]}}},
                            {"queries", std::move(queries)}};
    return json::serialize(root) + "\n";
}

std::string render_verdicts_text(std::span<const Verdict> verdicts) {
    std::string out;
    for (const Verdict* verdict : worst_first(verdicts)) {
        out += fmt::format("{:>4} {:<8} {}:{}  {}\n", verdict->score(),
                           complexity_name(verdict->complexity()), verdict->file, verdict->line,
                           one_line(verdict->query, 90));
        for (const std::string& issue : verdict->issues) {
            out += fmt::format("              - {}\n", issue);
        }
        if (verdict->live) {
            out += fmt::format("              {:.0f} calls and {:.0f} ms a day\n",
                               verdict->live->calls_a_day, verdict->live->milliseconds_a_day);
        }
        if (!verdict->route.empty()) {
            out += fmt::format(
                "              {}: {}; {}: {}\n",
                verdict->route == "replica" ? "could go to a replica" : verdict->route,
                verdict->route_reason, verdict->cached ? "could be cached" : "not to be cached",
                verdict->cache_reason);
        }
    }
    auto counts = counts_of(verdicts);
    out += fmt::format("{} queries: {} critical, {} high, {} medium, {} low\n", verdicts.size(),
                       counts[Complexity::kCritical], counts[Complexity::kHigh],
                       counts[Complexity::kMedium], counts[Complexity::kLow]);
    return out;
}

std::string render_verdicts_markdown(std::span<const Verdict> verdicts) {
    std::string out =
        "# Query report\n\n| score | complexity | place | query | issues "
        "|\n|--:|---|---|---|---|\n";
    for (const Verdict* verdict : worst_first(verdicts)) {
        std::string query = one_line(verdict->query, 90);
        std::ranges::replace(query, '|', '/');
        std::ranges::replace(query, '`', '\'');
        out += fmt::format("| {} | {} | {}:{} | `{}` | {} |\n", verdict->score(),
                           complexity_name(verdict->complexity()), verdict->file, verdict->line,
                           query, fmt::join(verdict->issues, "<br>"));
    }
    return out;
}

}  // namespace howdah::insight
