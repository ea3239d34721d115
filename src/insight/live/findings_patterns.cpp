// Findings out of Patterns: loops, repetitions, reads that could run together.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "insight/live/fix.hpp"
#include "insight/live/state.hpp"

namespace howdah::insight::live {
namespace {

constexpr double kErrorMsADay = 60'000;  // a minute a day is worth more than a hint

const sql::Statement* text_of(const Engine::State& state, std::uint64_t key) {
    const StatementStats* stats = state.statistics.find(key);
    return stats == nullptr ? nullptr : stats->statement.get();
}

std::string quoted_text(const sql::Statement* statement) {
    return statement == nullptr ? "a statement whose text is no longer known"
                                : short_text(*statement);
}

Rule rule_of(PatternKind kind) {
    switch (kind) {
        case PatternKind::kNPlusOne:
            return Rule::kNPlusOne;
        case PatternKind::kWriteLoop:
            return Rule::kWriteLoop;
        case PatternKind::kDuplicate:
            return Rule::kDuplicateQuery;
        case PatternKind::kSequential:
            return Rule::kSequentialReads;
    }
    std::unreachable();
}

std::string confidence_of(Confidence confidence) {
    constexpr const char* kNames[] = {"suspected", "likely", "certain"};
    return kNames[static_cast<std::size_t>(confidence)];
}

// The tags first, then the texts; what the application calls itself where these tell nothing.
Orm orm_of(const Engine::State& state, const PatternSum& sum) {
    const auto tags = state.tags.find(sum.example.tags_id);
    Orm orm = tags == state.tags.end() ? Orm::kUnknown : orm_of_tags(tags->second);
    for (const std::uint64_t key : {sum.example.child, sum.example.parent}) {
        const StatementStats* stats = state.statistics.find(key);
        if (orm == Orm::kUnknown && stats != nullptr && stats->statement) {
            orm = orm_of_text(*stats->statement, stats->simple * 2 > stats->calls);
        }
    }
    return orm != Orm::kUnknown ? orm
                                : orm_of_name(state.names.application(sum.example.application));
}

std::string message_of(const Pattern& pattern, const sql::Statement* parent,
                       const sql::Statement* child) {
    const std::string text = quoted_text(child);
    switch (pattern.kind) {
        case PatternKind::kNPlusOne:
            if (pattern.parent == 0) {
                return fmt::format("runs in a loop, its values from no result that was seen: {}",
                                   text);
            }
            return fmt::format(
                "runs once for each row of another result: {} (${} from \"{}\" of: {})", text,
                pattern.slot + 1,
                parent == nullptr ? fmt::format("column {}", pattern.column + 1)
                                  : output_name(*parent, pattern.column),
                quoted_text(parent));
        case PatternKind::kWriteLoop:
            return fmt::format("writes row by row: {}", text);
        case PatternKind::kDuplicate:
            return fmt::format("asks the same again with the same values: {}", text);
        case PatternKind::kSequential:
            return fmt::format(
                "waits for one read before starting the next, which does not need it: "
                "{}; then {}",
                quoted_text(parent), text);
    }
    return text;
}

std::string why_of(const Pattern& pattern) {
    switch (pattern.kind) {
        case PatternKind::kNPlusOne:
            return pattern.depth > 1 ? fmt::format(
                                           "Each row of each of {} levels costs a round trip and a "
                                           "statement of its own.",
                                           pattern.depth)
                                     : "Each row costs a round trip and a statement of its own.";
        case PatternKind::kWriteLoop:
            return "Each row costs a round trip, a statement, and outside a transaction a flush of "
                   "the log to disk.";
        case PatternKind::kDuplicate:
            return "Nothing was written in between: the answer is the same.";
        case PatternKind::kSequential:
            return "The request takes as long as all of them together instead of the longest.";
    }
    return "";
}

std::string evidence_of(const Engine::State& state, const PatternSum& sum) {
    const Pattern& example = sum.example;
    std::string text = fmt::format(
        "{} windows (confirmed {}, likely {}, suspected {}), {:.0f} rounds each on average, {} at "
        "most",
        sum.windows_all(), sum.windows[2], sum.windows[1], sum.windows[0],
        static_cast<double>(sum.rounds) / static_cast<double>(sum.windows_all()), sum.rounds_max);
    if (sum.parallel > 0) {
        text += fmt::format(", side by side in {}", sum.parallel);
    }
    if (example.depth > 1) {
        text += fmt::format("; {} levels deep", example.depth);
        for (const std::uint64_t key : example.chain) {
            if (key != 0) {
                text += fmt::format(", then {}", quoted_text(text_of(state, key)));
            }
        }
    }
    for (const std::string& caller : names_in(sum.applications, state.names.application)) {
        text += fmt::format("; {}", caller.empty() ? "(no application_name)" : caller);
    }
    if (!sum.route.empty()) {
        text += fmt::format("; route {}", sum.route);
    }
    return text;
}

// Its text has been asked for and is not there: until then nobody knows whether it is noise.
bool awaits_text(const Engine::State& state, std::uint64_t key) {
    const StatementStats* stats = state.statistics.find(key);
    return stats != nullptr && !stats->statement;
}

bool is_noise(const sql::Statement* statement) {
    return statement != nullptr && (is_housekeeping(*statement) || skips_locked(*statement)) &&
           statement->tables_written.empty();
}

LiveFinding finding_of(const Engine::State& state, const PatternSum& sum) {
    const Pattern& example = sum.example;
    const sql::Statement* parent = text_of(state, example.parent);
    const sql::Statement* child = text_of(state, example.child);
    LiveFinding live;
    Finding& finding = live.finding;
    live.lost_ms_a_day = static_cast<double>(sum.lost_us) / 1e3 / state.days();
    finding.rule = rule_name(rule_of(example.kind));
    const Confidence confidence = sum.confidence();
    const bool costly = live.lost_ms_a_day >= kErrorMsADay;
    finding.severity = confidence == Confidence::kSuspected ? Severity::kInfo : Severity::kWarning;
    finding.risk = costly ? Risk::kMedium : Risk::kLow;
    finding.message = message_of(example, parent, child);
    finding.why = why_of(example);
    finding.evidence = evidence_of(state, sum);
    finding.confidence = confidence_of(confidence);
    FixQuestion question;
    question.kind = example.kind;
    question.orm = orm_of(state, sum);
    question.parent = parent;
    question.child = child;
    question.slot = example.slot;
    question.parent_column = parent == nullptr ? "" : output_name(*parent, example.column);
    question.prisma_call = state.tag_value(example.tags_id, "prismaQuery");
    finding.fix = fix_for(question);
    finding.impact =
        fmt::format("{:.1f} s a day less ({:.1f} ms a window), {} statements fewer each time",
                    live.lost_ms_a_day / 1e3,
                    static_cast<double>(sum.lost_us) / 1e3 / static_cast<double>(sum.windows_all()),
                    sum.rounds / sum.windows_all() - 1);
    const std::uint64_t keys[] = {example.parent, example.child};
    live.id = finding_id(finding.rule, keys, sum.route);
    for (const std::uint64_t key : keys) {
        if (key != 0) {
            live.statements.push_back(key);
        }
    }
    live.databases = names_in(sum.databases, state.names.database);
    live.users = names_in(sum.users, state.names.user);
    live.applications = names_in(sum.applications, state.names.application);
    live.clients = names_in(sum.clients, state.names.client);
    if (!sum.route.empty()) {
        live.routes.push_back(sum.route);
    }
    live.first_us = sum.first_us;
    live.last_us = sum.last_us;
    live.count = sum.windows_all();
    return live;
}

}  // namespace

void find_patterns(const Engine::State& state, FindingList& to) {
    // One finding for a statement in a route: the best that is known of where its values come from.
    std::map<std::tuple<PatternKind, std::uint64_t, std::string>, const PatternSum*> best;
    for (const PatternSum* sum : state.patterns.raised()) {
        const std::uint64_t keys[] = {sum->example.child, sum->example.parent};
        if (std::ranges::any_of(keys, [&](std::uint64_t key) {
                return awaits_text(state, key) || is_noise(text_of(state, key));
            })) {
            continue;
        }
        const PatternSum*& known = best[{sum->example.kind, sum->example.child, sum->route}];
        const auto rank = [](const PatternSum* of) {
            return std::tuple(of->confidence(), of->windows_all());
        };
        if (known == nullptr || rank(sum) > rank(known)) {
            known = sum;
        }
    }
    for (const auto& [key, sum] : best) {
        to.push_back(finding_of(state, *sum));
    }
}

}  // namespace howdah::insight::live
