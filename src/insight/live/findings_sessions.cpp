// Findings about how connections and transactions are used; and what all findings share.

#include <fmt/format.h>

#include "insight/live/reading.hpp"
#include "insight/live/state.hpp"

namespace howdah::insight::live {
namespace {

constexpr std::uint64_t kLooksMin = 2;

LiveFinding about_session(Rule rule, std::string id_part) {
    LiveFinding live;
    live.finding.rule = rule_name(rule);
    live.finding.severity = Severity::kWarning;
    live.finding.risk = Risk::kMedium;
    live.finding.confidence = "certain";
    live.id = finding_id(live.finding.rule, {}, id_part);
    return live;
}

void open_transactions(const Engine::State& state, FindingList& to) {
    for (const auto& [key, sum] : state.open) {
        const auto& [database, user, application] = key;
        const auto fill = [&](LiveFinding live, std::uint64_t count) {
            live.databases = {database};
            live.users = {user};
            live.applications = {application};
            live.first_us = sum.first_us;
            live.last_us = sum.last_us;
            live.count = count;
            to.push_back(std::move(live));
        };
        const std::string who =
            fmt::format("{}/{}{}", database, user,
                        application.empty() ? "" : fmt::format(" ({})", application));
        if (sum.idle >= kLooksMin) {
            LiveFinding live = about_session(Rule::kIdleInTransaction, who);
            live.finding.message = fmt::format("{} leaves transactions open and does nothing", who);
            live.finding.why =
                "Its locks stay, vacuum cannot clean up behind it, and in a pool it "
                "keeps a server connection.";
            live.finding.evidence =
                fmt::format("idle for up to {:.0f} s, seen {} times",
                            static_cast<double>(sum.idle_us_max) / 1e6, sum.idle);
            live.finding.fix =
                "Commit before anything slow that is not the database's; "
                "idle_transaction_timeout ends those that do not";
            fill(std::move(live), sum.idle);
        }
        if (sum.active >= kLooksMin) {
            LiveFinding live = about_session(Rule::kLongTransaction, who);
            live.finding.message = fmt::format("{} keeps transactions open for long", who);
            live.finding.why = "Vacuum cannot clean up behind it, and its locks stay.";
            live.finding.evidence =
                fmt::format("open for up to {:.0f} s, seen {} times",
                            static_cast<double>(sum.open_us_max) / 1e6, sum.active);
            live.finding.fix = "Work in smaller pieces; transaction_timeout is the limit for all";
            fill(std::move(live), sum.active);
        }
    }
}

void connection_churn(const Engine::State& state, FindingList& to) {
    for (const auto& [group, churn] : state.churn) {
        if (!churn.raised) {
            continue;
        }
        const std::string client = state.names.client(churn.client);
        const std::string application = state.names.application(churn.application);
        const std::string who = fmt::format(
            "{}{}", client, application.empty() ? "" : fmt::format(" ({})", application));
        LiveFinding live = about_session(Rule::kConnectionChurn, who);
        live.finding.message = fmt::format("{} connects anew for every few statements", who);
        live.finding.why = "A login takes several round trips and a password check each time.";
        live.finding.evidence = fmt::format("{} connections in {} periods of 20 s",
                                            churn.connections, churn.bad_periods);
        live.finding.fix =
            "Keep connections: a pool in the application, persistent connections in "
            "its framework";
        live.finding.risk = Risk::kLow;
        live.databases = {state.names.database(churn.database)};
        live.users = {state.names.user(churn.user)};
        live.applications = {application};
        live.clients = {client};
        live.first_us = churn.first_us;
        live.last_us = churn.last_us;
        live.count = churn.bad_periods;
        to.push_back(std::move(live));
    }
}

void too_many_statements(const Engine::State& state, FindingList& to) {
    if (state.statistics.evicted() == 0) {
        return;
    }
    LiveFinding live = about_session(Rule::kTooManyStatements, "");
    live.finding.risk = Risk::kLow;
    live.finding.severity = Severity::kInfo;
    live.finding.message = "there are more different statements than can be told apart";
    live.finding.why =
        "Each is parsed once, and those used least are only counted in sum. Names or "
        "lists that programs put together are the usual cause.";
    live.finding.evidence = fmt::format("{} seen, {} made room, {} kept", state.statistics.seen(),
                                        state.statistics.evicted(), state.statistics.all().size());
    live.finding.fix =
        "Keep texts constant and send values as parameters; statement_shapes_max is "
        "how many are kept";
    live.first_us = state.first_us;
    live.last_us = state.last_us;
    live.count = state.statistics.evicted();
    to.push_back(std::move(live));
}

}  // namespace

void find_session_habits(const Engine::State& state, FindingList& to) {
    open_transactions(state, to);
    connection_churn(state, to);
    too_many_statements(state, to);
}

LiveFinding about_statement(const Engine::State& state, const StatementStats& stats, Rule rule) {
    LiveFinding live;
    live.finding.rule = rule_name(rule);
    live.finding.severity = Severity::kWarning;
    live.finding.risk = Risk::kLow;
    live.finding.confidence = "certain";
    const std::uint64_t keys[] = {stats.key};
    live.id = finding_id(live.finding.rule, keys);
    live.statements = {stats.key};
    live.databases = names_in(stats.databases, state.names.database);
    live.users = names_in(stats.users, state.names.user);
    live.applications = names_in(stats.applications, state.names.application);
    live.clients = names_in(stats.clients, state.names.client);
    for (const Breakdown::Part& part : stats.tags.parts()) {
        const std::string route = state.route_of(part.id);
        if (!route.empty()) {
            live.routes.push_back(route);
        }
    }
    live.first_us = stats.first_us;
    live.last_us = stats.last_us;
    live.count = stats.calls;
    live.lost_ms_a_day = static_cast<double>(stats.server_us) / 1e3 / state.days();
    live.finding.impact =
        fmt::format("it takes {:.1f} s of server time a day", live.lost_ms_a_day / 1e3);
    return live;
}

std::string finding_id(std::string_view rule, std::span<const std::uint64_t> keys,
                       std::string_view more) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    const auto take = [&](std::string_view bytes) {
        for (const char c : bytes) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        }
    };
    take(rule);
    for (const std::uint64_t key : keys) {
        take(fmt::format("/{:016x}", key));
    }
    take(more);
    return fmt::format("{:016x}", hash);
}

std::vector<std::string> names_in(const Breakdown& breakdown,
                                  const std::function<std::string(std::uint32_t)>& name) {
    std::vector<std::string> names;
    for (const Breakdown::Part& part : breakdown.parts()) {
        names.push_back(name(static_cast<std::uint32_t>(part.id)));
    }
    return names;
}

}  // namespace howdah::insight::live
