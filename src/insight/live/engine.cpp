#include "insight/live/engine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "insight/live/state.hpp"

namespace howdah::insight::live {
namespace {

constexpr std::size_t kTagSetsMax = 4096;
constexpr std::size_t kChurnMax = 1024;
constexpr std::size_t kOpenMax = 1024;
constexpr std::size_t kSlowMax = 256;
constexpr std::size_t kAskMax = 1024;
constexpr std::size_t kPlansMax = 1000;
constexpr std::size_t kPlansAtOnce = 8;
constexpr std::int64_t kPlanAgainUs = 600'000'000;
constexpr std::int64_t kChurnPeriodUs = 20'000'000;
constexpr std::size_t kChurnSessions = 20;      // new ones in a period
constexpr std::uint64_t kChurnStatements = 10;  // each, at most
constexpr double kDayUs = 86'400e6;
constexpr std::int64_t kMinuteUs = 60'000'000;

constexpr std::string_view kCallerKeys[] = {"route", "controller", "action"};

StatementDetail::Percentiles percentiles(const SparseHistogram& histogram) {
    return {histogram.percentile(0.5), histogram.percentile(0.95), histogram.percentile(0.99),
            histogram.max_us()};
}

// A limit of 0 is none.
bool reaches(std::int64_t us, std::int64_t limit_us) {
    return limit_us > 0 && us >= limit_us;
}

// "int(3 digits)": what kind of value, and how large, not which.
std::string describe_bind(std::uint8_t bind) {
    const unsigned width = bind & 31U;
    switch (static_cast<BindClass>(bind >> 5U)) {
        case BindClass::kNull:
            return "null";
        case BindClass::kInteger:
            return fmt::format("int({} bits)", width);
        case BindClass::kUuid:
            return "uuid";
        case BindClass::kText:
            return fmt::format("text(<{})", 1U << width);
        case BindClass::kLong:
            return fmt::format("long(<{})", 1U << width);
        case BindClass::kNone:
        case BindClass::kOther:
            break;
    }
    return "other";
}

}  // namespace

Engine::State::State(Options from, Names with)
    : options(std::move(from)),
      names(std::move(with)),
      statistics(options.entries_max),
      windows([this](const Window& window) {
          for (const Pattern& pattern : flow.analyze(window)) {
              patterns.add(pattern, route_of(pattern.tags_id), window.end_us);
          }
      }) {}

bool Engine::State::ignored(const QueryEvent& event) {
    if (options.ignore.empty()) {
        return false;
    }
    const std::uint64_t caller = std::uint64_t{event.user_id} << 32U | event.application_id;
    const auto known = ignored_callers.find(caller);
    if (known != ignored_callers.end()) {
        return known->second;
    }
    if (ignored_callers.size() >= kChurnMax) {
        ignored_callers.clear();
    }
    const auto listed = [&](const std::string& name) {
        return std::ranges::find(options.ignore, name) != options.ignore.end();
    };
    return ignored_callers[caller] =
               listed(names.user(event.user_id)) || listed(names.application(event.application_id));
}

std::uint64_t Engine::State::caller_of(std::uint64_t tags_id) {
    if (tags_id == 0) {
        return 0;
    }
    const auto known = tags.find(tags_id);
    if (known == tags.end()) {
        if (unknown_tags.size() < kAskMax) {
            unknown_tags.insert(tags_id);
        }
        return 0;
    }
    std::uint64_t caller = 0;
    for (const sql::Tag& tag : known->second) {
        if (std::ranges::find(kCallerKeys, tag.key) != std::end(kCallerKeys)) {
            caller = caller * 31 + std::hash<std::string>()(tag.key + "=" + tag.value);
        }
    }
    return caller;
}

std::string Engine::State::tag_value(std::uint64_t tags_id, std::string_view key) const {
    const auto known = tags.find(tags_id);
    if (known == tags.end()) {
        return "";
    }
    const auto found = std::ranges::find(known->second, key, &sql::Tag::key);
    return found == known->second.end() ? "" : found->value;
}

// "GET /users", or Rails' "users#show".
std::string Engine::State::route_of(std::uint64_t tags_id) const {
    std::string route = tag_value(tags_id, "route");
    if (!route.empty()) {
        return route;
    }
    const std::string controller = tag_value(tags_id, "controller");
    const std::string action = tag_value(tags_id, "action");
    return controller.empty() ? action : (action.empty() ? controller : controller + "#" + action);
}

std::string Engine::State::tags_text(std::uint64_t tags_id) const {
    const auto known = tags.find(tags_id);
    std::string text;
    if (known != tags.end()) {
        for (const sql::Tag& tag : known->second) {
            text += fmt::format("{}{}={}", text.empty() ? "" : ",", tag.key, tag.value);
        }
    }
    return text;
}

double Engine::State::days() const {
    return static_cast<double>(std::max(last_us - first_us, kMinuteUs)) / kDayUs;
}

std::string Engine::State::server_database(std::uint64_t database_id) const {
    std::string name = names.database(static_cast<std::uint32_t>(database_id));
    auto found = options.server_databases.find(name);
    if (found == options.server_databases.end()) {
        found = options.server_databases.find("*");
    }
    return found == options.server_databases.end() ? name : found->second;
}

// New sessions of a group: their numbers only ever grow.
void Engine::State::note_session(const QueryEvent& event) {
    newest_seen = std::max(newest_seen, event.session_id);
    if (event.session_id <= newest_session) {
        return;
    }
    const std::uint64_t group = (std::uint64_t{event.client_id} << 40U) ^
                                (std::uint64_t{event.user_id} << 20U) ^ event.application_id;
    if (churn.size() >= kChurnMax && !churn.contains(group)) {
        return;
    }
    Churn& here = churn[group];
    here.database = event.database_id;
    here.user = event.user_id;
    here.application = event.application_id;
    here.client = event.client_id;
    here.sessions.set(event.session_id % here.sessions.size());
    ++here.statements;
}

void Engine::State::end_churn_period(std::int64_t now_us) {
    for (auto at = churn.begin(); at != churn.end();) {
        Churn& here = at->second;
        const std::size_t sessions = here.sessions.count();
        if (sessions >= kChurnSessions && here.statements <= kChurnStatements * sessions) {
            ++here.bad_periods;
            here.raised = here.raised || here.bad_before;
            here.connections += sessions;
            here.first_us = here.first_us == 0 ? now_us : here.first_us;
            here.last_us = now_us;
            here.bad_before = true;
        } else {
            here.bad_before = false;
        }
        here.sessions.reset();
        here.statements = 0;
        at = here.bad_before || here.raised ? std::next(at) : churn.erase(at);
    }
    newest_session = newest_seen;
    period_began_us = now_us;
}

void Engine::State::note_slow(const QueryEvent& event) {
    const std::int64_t took =
        std::int64_t{event.queue_us} + event.server_us + event.network_us + event.cache_us;
    if (options.slow_us <= 0 || took < options.slow_us || slow.size() >= kSlowMax) {
        return;
    }
    SlowQuery query;
    query.key = event.fingerprint;
    query.tags_id = event.tags_id;
    query.session_id = event.session_id;
    query.started_us = event.started_us;
    query.queue_us = event.queue_us;
    query.server_us = event.server_us;
    query.network_us = event.network_us;
    query.cache_us = event.cache_us;
    query.database_id = event.database_id;
    query.user_id = event.user_id;
    query.application_id = event.application_id;
    query.client_id = event.client_id;
    query.rows = event.rows;
    query.sqlstate = event.sqlstate;
    const auto kind = static_cast<sql::StatementKind>(event.kind);
    query.may_explain = kind >= sql::StatementKind::kSelect &&
                        kind <= sql::StatementKind::kDelete &&
                        (event.effects & (sql::kMultiple | sql::kUnparsed)) == 0;
    slow.push_back(std::move(query));
}

void Engine::State::add(const QueryEvent& event) {
    const std::optional<TapRecord> tap = taps.find(event.tap_id);
    const TapRecord* values = tap ? &*tap : nullptr;
    first_us = first_us == 0 ? event.started_us : first_us;
    last_us = std::max(last_us, event.started_us);
    const bool in_transaction = transactions.holds(event);
    statistics.add(event, values, in_transaction);
    note_slow(event);
    note_session(event);
    const std::uint64_t caller = caller_of(event.tags_id);
    if (event.fingerprint != 0 && !ignored(event)) {
        windows.add(event, {caller, in_transaction}, values);
    }
}

StatementDetail Engine::State::detail(const StatementStats& stats) const {
    StatementDetail detail;
    detail.key = stats.key;
    detail.statement = stats.statement;
    detail.calls = stats.calls;
    detail.errors = stats.errors;
    detail.rows = stats.rows;
    detail.queue_us = stats.queue_us;
    detail.server_us = stats.server_us;
    detail.network_us = stats.network_us;
    detail.cache_us = stats.cache_us;
    detail.queue = percentiles(stats.queue);
    detail.server = percentiles(stats.server);
    detail.network = percentiles(stats.network);
    detail.cache = percentiles(stats.cache);
    detail.first_us = stats.first_us;
    detail.last_us = stats.last_us;
    for (const auto& [sqlstate, count] : stats.sqlstates) {
        detail.sqlstates.emplace_back(std::string(sqlstate.data(), sqlstate.size()), count);
    }
    const auto named = [](const Breakdown& from, const auto& name) {
        std::vector<NamedPart> parts;
        for (const Breakdown::Part& part : from.parts()) {
            parts.push_back({name(part.id), part.calls, static_cast<double>(part.us) / 1e3});
        }
        if (from.other().calls > 0) {
            parts.push_back(
                {"(other)", from.other().calls, static_cast<double>(from.other().us) / 1e3});
        }
        return parts;
    };
    const auto by = [](const auto& name) {
        return [&name](std::uint64_t id) { return name(static_cast<std::uint32_t>(id)); };
    };
    detail.databases = named(stats.databases, by(names.database));
    detail.users = named(stats.users, by(names.user));
    detail.applications = named(stats.applications, by(names.application));
    detail.clients = named(stats.clients, by(names.client));
    detail.tags = named(stats.tags, [this](std::uint64_t id) { return tags_text(id); });
    for (const BindSample& sample : stats.samples) {
        std::string text;
        for (unsigned i = 0; i < sample.binds; ++i) {
            text += (i > 0 ? ", " : "") +
                    describe_bind(static_cast<std::uint8_t>(sample.classes >> (8 * i)));
        }
        if (!text.empty()) {
            detail.samples.push_back(std::move(text));
        }
    }
    return detail;
}

Engine::Engine(Options options, Names names)
    : state_(std::make_unique<State>(std::move(options), std::move(names))) {}
Engine::~Engine() = default;

void Engine::configure(Options options) {
    const std::scoped_lock lock(mutex_);
    state_->options = std::move(options);
    state_->ignored_callers.clear();
}

void Engine::take_tap(std::span<const std::uint64_t> record) {
    const std::scoped_lock lock(mutex_);
    state_->taps.put(record);
}

void Engine::observe(std::span<const QueryEvent> events) {
    const std::scoped_lock lock(mutex_);
    for (const QueryEvent& event : events) {
        state_->add(event);
    }
}

void Engine::observe_transactions(std::span<const OpenTransaction> open, std::int64_t now_us) {
    const std::scoped_lock lock(mutex_);
    for (const OpenTransaction& transaction : open) {
        const bool idle = reaches(transaction.idle_us, state_->options.idle_transaction_us);
        const bool old = reaches(transaction.open_us, state_->options.long_transaction_us);
        const std::tuple key(transaction.database, transaction.user, transaction.application);
        if ((!idle && !old) || (state_->open.size() >= kOpenMax && !state_->open.contains(key))) {
            continue;
        }
        OpenSum& sum = state_->open[key];
        sum.idle += idle ? 1U : 0U;
        sum.active += old ? 1U : 0U;
        sum.idle_us_max = std::max(sum.idle_us_max, transaction.idle_us);
        sum.open_us_max = std::max(sum.open_us_max, transaction.open_us);
        sum.first_us = sum.first_us == 0 ? now_us : sum.first_us;
        sum.last_us = now_us;
    }
}

void Engine::tick(std::int64_t now_us) {
    const std::scoped_lock lock(mutex_);
    state_->windows.tick(now_us);
    if (now_us - state_->period_began_us >= kChurnPeriodUs) {
        state_->end_churn_period(now_us);
    }
}

void Engine::close_windows() {
    const std::scoped_lock lock(mutex_);
    state_->windows.close_all();
}

std::vector<std::uint64_t> Engine::unknown_statements() {
    const std::scoped_lock lock(mutex_);
    return state_->statistics.unknown(kAskMax);
}

std::vector<std::uint64_t> Engine::unknown_tags() {
    const std::scoped_lock lock(mutex_);
    std::vector<std::uint64_t> ids(state_->unknown_tags.begin(), state_->unknown_tags.end());
    state_->unknown_tags.clear();
    return ids;
}

void Engine::learn(std::uint64_t key, sql::StatementRef statement) {
    const std::scoped_lock lock(mutex_);
    state_->statistics.learn(key, std::move(statement));
}

void Engine::learn_tags(std::uint64_t id, std::vector<sql::Tag> tags) {
    const std::scoped_lock lock(mutex_);
    if (state_->tags.size() >= kTagSetsMax) {
        state_->tags.clear();
    }
    state_->tags[id] = std::move(tags);
}

std::vector<SlowQuery> Engine::take_slow() {
    const std::scoped_lock lock(mutex_);
    std::vector<SlowQuery> taken;
    std::deque<SlowQuery> waiting;
    for (SlowQuery& query : state_->slow) {
        const StatementStats* stats = state_->statistics.find(query.key);
        const bool known = stats == nullptr || stats->statement;
        if (stats != nullptr) {
            query.statement = stats->statement;
        }
        // A text that has not come a few seconds after the statement's end will not.
        const std::int64_t age = state_->last_us - query.started_us - query.server_us;
        (known || age > 5'000'000 ? taken.emplace_back() : waiting.emplace_back()) =
            std::move(query);
    }
    state_->slow = std::move(waiting);
    return taken;
}

std::vector<StatementQuestion> Engine::unknown_plans(std::int64_t now_us) {
    const std::scoped_lock lock(mutex_);
    std::vector<StatementQuestion> questions;
    std::erase_if(state_->plans,
                  [&](const auto& item) { return state_->statistics.find(item.first) == nullptr; });
    for (const auto& [key, stats] : state_->statistics.all()) {
        if (!is_slow_lookup(stats) || stats.databases.parts().empty()) {
            continue;
        }
        const auto known = state_->plans.find(key);
        const bool old =
            known != state_->plans.end() && now_us - known->second.asked_us >= kPlanAgainUs;
        if ((known != state_->plans.end() && !old) || questions.size() >= kPlansAtOnce ||
            (known == state_->plans.end() && state_->plans.size() >= kPlansMax)) {
            continue;
        }
        state_->plans[key].asked_us = now_us;
        const std::uint64_t database = stats.databases.parts().front().id;
        questions.push_back({key, state_->server_database(database), stats.statement});
    }
    return questions;
}

void Engine::learn_plan(std::uint64_t key, PlanEvidence evidence) {
    const std::scoped_lock lock(mutex_);
    const auto asked = state_->plans.find(key);
    if (asked != state_->plans.end()) {
        asked->second.evidence = std::move(evidence);
    }
}

std::vector<StatementQuestion> Engine::unknown_relations(std::int64_t now_us) {
    const std::scoped_lock lock(mutex_);
    std::vector<StatementQuestion> questions;
    auto& relations = state_->relations;
    std::erase_if(relations, [&](const auto& item) {
        return state_->statistics.find(item.first.first) == nullptr;
    });
    const double server_us = server_us_of_all(*state_);
    for (const auto& [key, stats] : state_->statistics.all()) {
        if (!is_asked_again(stats, server_us)) {
            continue;
        }
        for (const Breakdown::Part& part : stats.databases.parts()) {
            const std::pair wanted(key, state_->server_database(part.id));
            const auto known = relations.find(wanted);
            const bool asked =
                known != relations.end() && now_us - known->second.asked_us < kPlanAgainUs;
            const bool room = known != relations.end() || relations.size() < kPlansMax;
            if (!asked && room && questions.size() < kPlansAtOnce) {
                relations[wanted].asked_us = now_us;
                questions.push_back({key, wanted.second, stats.statement});
            }
        }
    }
    return questions;
}

void Engine::learn_relations(const StatementQuestion& question, ReadRelations relations) {
    const std::scoped_lock lock(mutex_);
    const auto asked = state_->relations.find({question.key, question.database});
    if (asked != state_->relations.end()) {
        asked->second.relations = std::move(relations);
    }
}

std::vector<LiveFinding> Engine::findings() const {
    const std::scoped_lock lock(mutex_);
    FindingList list;
    find_patterns(*state_, list);
    find_costly_statements(*state_, list);
    find_missed_chances(*state_, list);
    find_session_habits(*state_, list);
    std::ranges::sort(list, [](const LiveFinding& a, const LiveFinding& b) {
        if (a.finding.severity != b.finding.severity) {
            return a.finding.severity > b.finding.severity;
        }
        return a.lost_ms_a_day != b.lost_ms_a_day ? a.lost_ms_a_day > b.lost_ms_a_day : a.id < b.id;
    });
    return list;
}

std::vector<StatementDetail> Engine::top(std::size_t max) const {
    const std::scoped_lock lock(mutex_);
    std::vector<const StatementStats*> all;
    for (const auto& [key, stats] : state_->statistics.all()) {
        all.push_back(&stats);
    }
    const std::size_t kept = std::min(max, all.size());
    std::ranges::partial_sort(all, all.begin() + static_cast<std::ptrdiff_t>(kept),
                              [](const StatementStats* a, const StatementStats* b) {
                                  return a->server_us != b->server_us ? a->server_us > b->server_us
                                                                      : a->key < b->key;
                              });
    std::vector<StatementDetail> details;
    for (std::size_t i = 0; i < kept; ++i) {
        details.push_back(state_->detail(*all[i]));
    }
    if (state_->statistics.other().calls > 0) {
        details.push_back(state_->detail(state_->statistics.other()));
    }
    return details;
}

std::vector<StatementDetail> Engine::details(std::span<const std::uint64_t> keys) const {
    const std::scoped_lock lock(mutex_);
    std::vector<StatementDetail> details;
    for (const std::uint64_t key : keys) {
        const StatementStats* stats = state_->statistics.find(key);
        if (stats != nullptr) {
            details.push_back(state_->detail(*stats));
        }
    }
    return details;
}

std::vector<std::uint64_t> Engine::matching(const CallerFilter& filter) const {
    const std::scoped_lock lock(mutex_);
    const auto any = [](const Breakdown& breakdown, const std::string& wanted, const auto& name) {
        return wanted.empty() ||
               std::ranges::any_of(breakdown.parts(), [&](const Breakdown::Part& part) {
                   return name(static_cast<std::uint32_t>(part.id)) == wanted;
               });
    };
    const auto tagged = [&](const Breakdown& breakdown) {
        return filter.tag.empty() ||
               std::ranges::any_of(breakdown.parts(), [&](const Breakdown::Part& part) {
                   const auto known = state_->tags.find(part.id);
                   return known != state_->tags.end() &&
                          std::ranges::any_of(known->second, [&](const sql::Tag& tag) {
                              return tag.value == filter.tag ||
                                     tag.key + "=" + tag.value == filter.tag;
                          });
               });
    };
    std::vector<std::uint64_t> keys;
    for (const auto& [key, stats] : state_->statistics.all()) {
        if (any(stats.databases, filter.database, state_->names.database) &&
            any(stats.users, filter.user, state_->names.user) &&
            any(stats.applications, filter.application, state_->names.application) &&
            any(stats.clients, filter.client, state_->names.client) && tagged(stats.tags)) {
            keys.push_back(key);
        }
    }
    return keys;
}

std::string Engine::tags_text(std::uint64_t tags_id) const {
    const std::scoped_lock lock(mutex_);
    return state_->tags_text(tags_id);
}

}  // namespace howdah::insight::live
