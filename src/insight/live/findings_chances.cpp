// Missed chances: reads that a cache or a replica could have answered, out of statistics, texts
// and, where the catalog is asked, of what is behind a name.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "insight/live/reading.hpp"
#include "insight/live/state.hpp"

namespace howdah::insight::live {
namespace {

constexpr std::uint64_t kCacheCallsMin = 100;
constexpr double kCacheShare = 0.5;   // of calls with parameters that came before
constexpr double kWriteShare = 0.1;   // writes to its tables, of its calls
constexpr double kWorthShare = 0.01;  // of all server time
constexpr double kReplicaShare = 0.5;
constexpr double kBusyShare = 0.1;  // of one core

double ms(double us) {
    return us / 1e3;
}

double saved_us(const StatementStats& stats) {
    return static_cast<double>(stats.server_us) * static_cast<double>(stats.repeated) /
           static_cast<double>(std::max<std::uint64_t>(1, stats.calls));
}

// Calls of statements that write, by the server's database and by table. What may write anything
// (code that is not known, a text that does not parse) counts for each table, and what was sent to
// a database that was not noted for each database.
class Writes {
  public:
    explicit Writes(const Engine::State& state) {
        for (const auto& [key, stats] : state.statistics.all()) {
            const bool known = static_cast<bool>(stats.statement);
            const std::uint32_t effects = known ? stats.statement->effects : stats.effects;
            const bool anything = (effects & sql::kWrite) != 0 &&
                                  (!known || (effects & (sql::kUnknownCode | sql::kUnparsed)) != 0);
            std::set<std::string> tables;
            for (const sql::Name& table :
                 known ? stats.statement->tables_written : std::vector<sql::Name>()) {
                tables.insert(table.name);
            }
            if (anything) {
                tables = {kAnything};
            }
            for (const Breakdown::Part& part : stats.databases.parts()) {
                add(state.server_database(part.id), tables, part.calls);
            }
            add(kAnywhere, tables, stats.databases.other().calls);
        }
        // Statements that made room: which tables they wrote is not known any more.
        add(kAnywhere, {kAnything}, state.statistics.other().changes);
    }
    [[nodiscard]] std::uint64_t of(const std::string& database, const std::string& table) const {
        std::uint64_t calls = 0;
        for (const std::string& where : {database, std::string(kAnywhere)}) {
            for (const std::string& what : {table, std::string(kAnything)}) {
                const auto found = by_table_.find({where, what});
                calls += found == by_table_.end() ? 0 : found->second;
            }
        }
        return calls;
    }
    [[nodiscard]] std::uint64_t all_of(const std::string& database) const {
        const auto here = by_database_.find(database);
        const auto anywhere = by_database_.find(kAnywhere);
        return (here == by_database_.end() ? 0 : here->second) +
               (anywhere == by_database_.end() ? 0 : anywhere->second);
    }

  private:
    // No names of PostgreSQL's, which have a character at least.
    static constexpr const char* kAnything = "";
    static constexpr const char* kAnywhere = "";

    void add(const std::string& database, const std::set<std::string>& tables,
             std::uint64_t calls) {
        for (const std::string& table : tables) {
            by_table_[{database, table}] += calls;
        }
        by_database_[database] += tables.empty() ? 0 : calls;
    }

    std::map<std::pair<std::string, std::string>, std::uint64_t> by_table_;
    std::map<std::string, std::uint64_t> by_database_;
};

// What may have changed the answers of a read.
struct Written {
    std::uint64_t calls = 0;
    bool by_table = true;  // else of the whole database: what is behind a name is not known
    bool unseen = false;   // a foreign table, say: nobody knows
};

Written written_behind(const Engine::State& state, const StatementStats& stats,
                       const Writes& writes) {
    Written written;
    std::set<std::string> databases;
    for (const Breakdown::Part& part : stats.databases.parts()) {
        databases.insert(state.server_database(part.id));
    }
    written.unseen = stats.databases.other().calls > 0;
    for (const std::string& database : databases) {
        const auto asked = state.relations.find({stats.key, database});
        if (asked == state.relations.end() || !asked->second.relations.known) {
            written.by_table = false;
            written.calls += writes.all_of(database);
            continue;
        }
        const ReadRelations& relations = asked->second.relations;
        written.unseen = written.unseen || relations.changes_unseen;
        for (const std::string& table :
             std::set(relations.tables.begin(), relations.tables.end())) {
            written.calls += writes.of(database, table);
        }
    }
    return written;
}

void cache_chance(const Engine::State& state, const StatementStats& stats, const Writes& writes,
                  FindingList& to) {
    const Written written = written_behind(state, stats, writes);
    if (written.unseen ||
        static_cast<double>(written.calls) > kWriteShare * static_cast<double>(stats.calls)) {
        return;
    }
    LiveFinding live = about_statement(state, stats, Rule::kCacheOpportunity);
    live.lost_ms_a_day = ms(saved_us(stats)) / state.days();
    live.finding.message = fmt::format("is answered anew each time, though mostly asked before: {}",
                                       short_text(*stats.statement));
    live.finding.why = "It only reads, and what it reads is seldom written.";
    live.finding.evidence = fmt::format(
        "{} calls, {:.0f} % with values that one of the last 16 different ones had, {} writes to "
        "{}",
        stats.calls, 100 * static_cast<double>(stats.repeated) / static_cast<double>(stats.calls),
        written.calls,
        written.by_table ? "its tables" : "its database, of whose tables nothing is known");
    live.finding.fix =
        "Keep the answer for a while: in the application, or in a cache in front of the database";
    live.finding.impact =
        fmt::format("{:.1f} s of server time a day less", live.lost_ms_a_day / 1e3);
    live.finding.severity = Severity::kInfo;
    if (!written.by_table) {
        live.finding.confidence = "likely";
    }
    to.push_back(std::move(live));
}

// Reads that any replica could answer, as a share of what the server does.
void replica_chance(const Engine::State& state, FindingList& to) {
    std::map<std::uint64_t, double> reads, sums;
    for (const auto& [key, stats] : state.statistics.all()) {
        const bool read = stats.statement && stats.statement->has(sql::kReadOnly) &&
                          !stats.statement->tables_read.empty() &&
                          stats.in_transaction * 2 <= stats.calls;
        for (const Breakdown::Part& part : stats.databases.parts()) {
            const double us = static_cast<double>(part.us);
            sums[part.id] += us;
            reads[part.id] += read ? us : 0;
        }
    }
    const double observed_us = state.days() * 86'400e6;
    for (const auto& [id, us] : reads) {
        if (us < kReplicaShare * sums[id] || sums[id] < kBusyShare * observed_us) {
            continue;
        }
        LiveFinding live;
        const std::string name = state.names.database(static_cast<std::uint32_t>(id));
        live.finding.rule = rule_name(Rule::kReplicaOpportunity);
        live.finding.severity = Severity::kInfo;
        live.finding.confidence = "likely";
        live.finding.message = fmt::format(
            "{:.0f} % of the statements' time in database {} is reads "
            "that a replica could answer",
            100 * us / sums[id], name);
        live.finding.why = "They only read, and run outside transactions that write.";
        live.finding.evidence = fmt::format("{:.1f} s of {:.1f} s seen", us / 1e6, sums[id] / 1e6);
        live.finding.fix = "Send reads that may be a moment old to a replica";
        live.lost_ms_a_day = ms(us) / state.days();
        live.finding.impact =
            fmt::format("{:.0f} s a day less on the primary", live.lost_ms_a_day / 1e3);
        live.databases = {name};
        live.first_us = state.first_us;
        live.last_us = state.last_us;
        live.count = 1;
        live.id = finding_id(live.finding.rule, {}, name);
        to.push_back(std::move(live));
    }
}

}  // namespace

double server_us_of_all(const Engine::State& state) {
    double us = static_cast<double>(state.statistics.other().server_us);
    for (const auto& [key, stats] : state.statistics.all()) {
        us += static_cast<double>(stats.server_us);
    }
    return us;
}

bool is_asked_again(const StatementStats& stats, double server_us_all) {
    if (!stats.statement) {
        return false;
    }
    const sql::Statement& statement = *stats.statement;
    const double share = static_cast<double>(stats.repeated) /
                         static_cast<double>(std::max<std::uint64_t>(1, stats.calls));
    return statement.has(sql::kReadOnly) && !statement.has(sql::kVolatile) &&
           !statement.clock_literal && !statement.tables_read.empty() &&
           stats.calls >= kCacheCallsMin && share >= kCacheShare && !is_housekeeping(statement) &&
           saved_us(stats) >= kWorthShare * server_us_all &&
           stats.in_transaction * 2 <= stats.calls;
}

void find_missed_chances(const Engine::State& state, FindingList& to) {
    const Writes writes(state);
    const double server_us = server_us_of_all(state);
    for (const auto& [key, stats] : state.statistics.all()) {
        if (is_asked_again(stats, server_us)) {
            cache_chance(state, stats, writes, to);
        }
    }
    replica_chance(state, to);
}

}  // namespace howdah::insight::live
