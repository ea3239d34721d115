// Engine's inside, for those files of this folder that make findings of it.
#pragma once

#include <bitset>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "insight/live/engine.hpp"
#include "insight/live/flow.hpp"
#include "insight/live/patterns.hpp"
#include "insight/live/rules.hpp"
#include "insight/live/tap_store.hpp"
#include "insight/live/transactions.hpp"
#include "insight/live/window.hpp"

namespace howdah::insight::live {

// New connections of one group of clients. A pool that fills, at a start or a deployment, is bad
// for one period; who connects anew for each request is bad in the next one too.
struct Churn {
    std::uint32_t database = 0, user = 0, application = 0, client = 0;
    std::bitset<256> sessions;  // new ones of this period, by their number's end
    std::uint64_t statements = 0;
    std::uint64_t bad_periods = 0, connections = 0;
    bool bad_before = false;  // the last period was
    bool raised = false;      // two bad ones in a row
    std::int64_t first_us = 0, last_us = 0;
};

// Transactions of one caller that stayed open.
struct OpenSum {
    std::uint64_t idle = 0, active = 0;  // looks at which one was open for too long
    std::int64_t idle_us_max = 0, open_us_max = 0;
    std::int64_t first_us = 0, last_us = 0;
};

// What is known of a statement's plan.
struct AskedPlan {
    std::int64_t asked_us = 0;
    PlanEvidence evidence;
};

// What is known of the relations that a statement reads.
struct AskedRelations {
    std::int64_t asked_us = 0;
    ReadRelations relations;
};

struct Engine::State {
    State(Options from, Names with);

    // --- engine.cpp ---
    void add(const QueryEvent& event);
    void note_session(const QueryEvent& event);
    void note_slow(const QueryEvent& event);
    void end_churn_period(std::int64_t now_us);
    [[nodiscard]] bool ignored(const QueryEvent& event);
    // Route, controller and action; 0 and "" while the tags are unknown.
    [[nodiscard]] std::uint64_t caller_of(std::uint64_t tags_id);
    [[nodiscard]] std::string tag_value(std::uint64_t tags_id, std::string_view key) const;
    [[nodiscard]] std::string route_of(std::uint64_t tags_id) const;
    [[nodiscard]] std::string tags_text(std::uint64_t tags_id) const;
    // The server's name of a database; several of howdah's may be one.
    [[nodiscard]] std::string server_database(std::uint64_t database_id) const;
    [[nodiscard]] StatementDetail detail(const StatementStats& stats) const;
    [[nodiscard]] double days() const;  // observed; at least a minute's worth

    Options options;
    Names names;
    Statistics statistics;
    TapStore taps;
    Flow flow;
    Patterns patterns;
    Transactions transactions;
    Windows windows;
    std::unordered_map<std::uint64_t, std::vector<sql::Tag>> tags;
    std::unordered_set<std::uint64_t> unknown_tags;
    std::unordered_map<std::uint64_t, Churn> churn;
    std::map<std::tuple<std::string, std::string, std::string>, OpenSum> open;
    std::unordered_map<std::uint64_t, bool> ignored_callers;  // by user and application
    std::deque<SlowQuery> slow;
    std::unordered_map<std::uint64_t, AskedPlan> plans;
    std::map<std::pair<std::uint64_t, std::string>, AskedRelations> relations;  // key, database
    std::uint64_t newest_session = 0;  // when the period began
    std::uint64_t newest_seen = 0;
    std::int64_t period_began_us = 0;
    std::int64_t first_us = 0, last_us = 0;
};

// The findings of each kind, appended. Under the engine's lock.
using FindingList = std::vector<LiveFinding>;
void find_patterns(const Engine::State& state, FindingList& to);
void find_costly_statements(const Engine::State& state, FindingList& to);
void find_missed_chances(const Engine::State& state, FindingList& to);
void find_session_habits(const Engine::State& state, FindingList& to);

// Whether a statement looks for few rows and takes long: what a missing index looks like.
bool is_slow_lookup(const StatementStats& stats);
// Whether a statement only reads, and mostly what it has read before, for a share of all time that
// is worth a word: then it matters what may change its answers.
bool is_asked_again(const StatementStats& stats, double server_us_all);
double server_us_of_all(const Engine::State& state);

// What most findings about one statement have in common: who sent it, when, how often.
LiveFinding about_statement(const Engine::State& state, const StatementStats& stats, Rule rule);
// An id out of the rule and the statements, the same in every process.
std::string finding_id(std::string_view rule, std::span<const std::uint64_t> keys,
                       std::string_view more = {});
std::vector<std::string> names_in(const Breakdown& breakdown,
                                  const std::function<std::string(std::uint32_t)>& name);

}  // namespace howdah::insight::live
