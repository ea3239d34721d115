// How well loops are found in traffic whose loops are known: precision and recall by class.
//
// Every class is planted with statements of its own, several times each, in three kinds of windows,
// among everything else: requests overlap, and those of one application share its connections.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "insight/live/traffic_fixture.hpp"

namespace howdah::insight::live {
namespace {

using Mode = Traffic::Mode;
using Request = Traffic::Request;

struct Planted {
    std::string kind;                // the class
    std::string rule;                // what must be found; "": nothing
    std::vector<std::string> texts;  // the class's statements
    std::string parent, child;
};

class Orchard {
  public:
    explicit Orchard(std::uint64_t seed) : traffic_(seed) {}

    using Play = void (Orchard::*)(Request&, const Planted&);
    // `copies` sets of statements of a class, each played `times` times in each kind of window.
    void plant(const std::string& kind, const std::string& rule, Play play) {
        for (int copy = 0; copy < kCopies; ++copy) {
            Planted planted{kind, rule, {}, "", ""};
            // Letters: libpg_query takes names that differ in two digits or more for one.
            const std::string name = fmt::format("{}_{}", kind, static_cast<char>('a' + copy));
            planted.parent = fmt::format(
                "select id, name, rank from {}_parents where shop = $1 "
                "order by rank",
                name);
            planted.child = fmt::format(
                "select id, owner_id, body from {}_children where "
                "parent_id = $1",
                name);
            planted.texts = {name};
            const Mode mode = static_cast<Mode>(copy % 3);
            for (int time = 0; time < kTimes; ++time) {
                const auto at = static_cast<std::int64_t>(traffic_.random().below(kLengthUs));
                Request request = traffic_.begin(
                    mode, at, 1 + static_cast<std::uint32_t>(traffic_.random().below(4)));
                (this->*play)(request, planted);
                traffic_.end(request);
            }
            planted_.push_back(std::move(planted));
        }
    }

    // --- The classes ---
    void loop(Request& request, const Planted& planted) {
        const Rows parents = list(request, planted.parent, 8 + below(20));
        for (const Values& row : parents) {
            traffic_.run(request, planted.child, {row[0]}, rows(below(4), 3));
        }
    }
    void parallel_loop(Request& request, const Planted& planted) {
        const Rows parents = list(request, planted.parent, 8 + below(20));
        std::vector<Values> binds;
        std::vector<Rows> answers;
        for (const Values& row : parents) {
            binds.push_back({row[0]});
            answers.push_back(rows(below(4), 3));
        }
        traffic_.run_parallel(request, planted.child, binds, answers);
    }
    void loop_that_stops(Request& request, const Planted& planted) {
        const Rows parents = list(request, planted.parent, 50);
        for (std::size_t i = 0; i < 12; ++i) {
            traffic_.run(request, planted.child, {parents[i][0]}, rows(1, 3));
        }
    }
    // A foreign key: the same few owners, asked for again and again.
    void loop_over_owners(Request& request, const Planted& planted) {
        Rows parents = rows(20, 3);
        for (std::size_t i = 0; i < parents.size(); ++i) {
            parents[i][1] = 900'000 + i % 7;
        }
        traffic_.run(request, planted.parent, {1}, parents);
        for (const Values& row : parents) {
            traffic_.run(request, planted.child, {row[1]}, rows(1, 3));
        }
    }
    void two_levels(Request& request, const Planted& planted) {
        const std::string grandchild = planted.child + " and level = 2";
        const Rows parents = list(request, planted.parent, 6 + below(6));
        for (const Values& row : parents) {
            const Rows children = rows(3, 3);
            traffic_.run(request, planted.child, {row[0]}, children);
            for (const Values& child : children) {
                traffic_.run(request, grandchild, {child[0]}, rows(1, 3));
            }
        }
    }
    void chain_of_single_rows(Request& request, const Planted& planted) {
        const std::string grandchild = planted.child + " and level = 2";
        const Rows parents = list(request, planted.parent, 8 + below(6));
        for (const Values& row : parents) {
            const Rows one = rows(1, 3);
            traffic_.run(request, planted.child, {row[0]}, one);
            traffic_.run(request, grandchild, {one[0][1]}, rows(1, 3));
        }
    }
    void write_loop(Request& request, const Planted& planted) {
        const std::string insert =
            fmt::format("insert into {}_lines (shop, item) values ($1, $2)", planted.texts[0]);
        request.pinned = true;  // outside a transaction: a script on its one connection
        for (int i = 0; i < 15; ++i) {
            traffic_.run(request, insert, {7, value()}, {});
        }
    }
    void batch(Request& request, const Planted& planted) {
        list(request, planted.parent, 20);
        traffic_.run(request,
                     fmt::format("select id from {}_children where parent_id in ($1, $2, $3)",
                                 planted.texts[0]),
                     {value(), value(), value()}, rows(40, 3));
    }
    void keyset_paging(Request& request, const Planted& planted) {
        const std::string page = fmt::format(
            "select id, name from {}_parents where id > $1 order by id limit 25", planted.texts[0]);
        std::uint64_t last = 1;
        for (int i = 0; i < 8; ++i) {
            const Rows rows_of_page = rows(25, 2);
            traffic_.run(request, page, {last}, rows_of_page);
            last = rows_of_page.back()[0];
        }
    }
    void queue_worker(Request& request, const Planted& planted) {
        const std::string claim = fmt::format(
            "select id, payload from {}_jobs where state = $1 order by id limit 5 for "
            "update skip locked",
            planted.texts[0]);
        const std::string done =
            fmt::format("update {}_jobs set state = 'done' where id = $1", planted.texts[0]);
        for (int i = 0; i < 3; ++i) {
            const Rows jobs = rows(5, 2);
            traffic_.run(request, claim, {1}, jobs);
            for (const Values& job : jobs) {
                traffic_.run(request, done, {job[0]}, {});
            }
        }
    }
    void polling(Request& request, const Planted& planted) {
        for (int i = 0; i < 10; ++i) {
            traffic_.run(request, planted.child, {42}, {});
            request.now += 80'000;
        }
    }
    void retries(Request& request, const Planted& planted) {
        const std::uint64_t id = value();
        for (int i = 0; i < 6; ++i) {
            traffic_.run(request, planted.child, {id}, {});
            traffic_.fail_last();
        }
        traffic_.run(request, planted.child, {id}, rows(1, 3));
    }
    void cursor(Request& request, const Planted& planted) {
        list(request, planted.parent, 10);
        for (int i = 0; i < 10; ++i) {
            traffic_.run(request, "fetch 100 from " + planted.texts[0], {}, rows(100, 3));
        }
    }
    void health_checks(Request& request, const Planted&) {
        for (int i = 0; i < 8; ++i) {
            traffic_.run(request, "select 1", {}, rows(1, 1));
        }
    }
    void catalog_queries(Request& request, const Planted&) {
        const Rows tables =
            list(request, "select oid, relname from pg_class where relkind = $1", 20);
        for (const Values& row : tables) {
            traffic_.run(request, "select attname from pg_attribute where attrelid = $1", {row[0]},
                         rows(6, 1));
        }
    }
    // A list, and one of its rows looked at.
    void list_and_detail(Request& request, const Planted& planted) {
        const Rows parents = list(request, planted.parent, 20);
        request.now += 30'000;
        traffic_.run(request, planted.child, {parents[below(20)][0]}, rows(1, 3));
    }
    // The parent has one row: reading what belongs to it is no loop.
    void one_parent(Request& request, const Planted& planted) {
        const Rows one = list(request, planted.parent, 1);
        traffic_.run(request, planted.child, {one[0][0]}, rows(12, 3));
    }
    // Every request looks its session up, then the session's user.
    void session_and_user(Request& request, const Planted& planted) {
        const Rows session = rows(1, 2);
        traffic_.run(request, planted.parent, {value()}, session);
        traffic_.run(request, planted.child, {session[0][1]}, rows(1, 3));
    }
    // Rows of a popular list, asked for one at a time and in no order, by different requests.
    void random_lookups(Request& request, const Planted& planted) {
        Rows parents;
        for (std::uint64_t i = 1; i <= 20; ++i) {
            parents.push_back({i, 50 + i});
        }
        if (below(4) == 0) {
            traffic_.run(request, planted.parent, {1}, parents);
        }
        traffic_.run(request, planted.child, {1 + below(20)}, rows(1, 3));
    }
    void offset_paging(Request& request, const Planted& planted) {
        const std::string page = fmt::format(
            "select id, name from {}_parents order by id limit 25 offset $1", planted.texts[0]);
        for (std::uint64_t i = 0; i < 8; ++i) {
            traffic_.run(request, page, {25 * (i + 1)}, rows(25, 2));
        }
    }
    void migration(Request& request, const Planted& planted) {
        traffic_.run(request,
                     fmt::format("alter table {}_parents add column x int", planted.texts[0]), {},
                     {});
        loop(request, planted);
    }

    Traffic& traffic() { return traffic_; }
    const std::vector<Planted>& planted() const { return planted_; }

    static constexpr int kCopies = 12;
    static constexpr int kTimes = 6;
    static constexpr std::uint64_t kLengthUs = 60'000'000;

  private:
    std::uint64_t below(std::uint64_t bound) { return traffic_.random().below(bound); }
    // Half of all keys are small numbers, which meet by chance.
    std::uint64_t value() {
        return traffic_.random().chance(0.5) ? 1 + below(3000) : traffic_.random().next() | 1;
    }
    Rows rows(std::uint64_t count, std::size_t columns) {
        Rows made;
        const bool small = traffic_.random().chance(0.5);
        std::uint64_t next = 1 + below(5000);
        for (std::uint64_t i = 0; i < count; ++i) {
            Values row;
            next += 1 + below(3);
            for (std::size_t column = 0; column < columns; ++column) {
                row.push_back(column == 0 ? (small ? next : traffic_.random().next() | 1)
                                          : value());
            }
            made.push_back(std::move(row));
        }
        return made;
    }
    Rows list(Request& request, const std::string& text, std::uint64_t count) {
        Rows made = rows(count, 3);
        traffic_.run(request, text, {7}, made);
        return made;
    }

    Traffic traffic_;
    std::vector<Planted> planted_;
};

struct Score {
    int planted = 0, found = 0, certain = 0, likely = 0, suspected = 0, wrong = 0,
        wrong_certain = 0;
};

void plant_everything(Orchard& orchard) {
    orchard.plant("loop", "n-plus-one", &Orchard::loop);
    orchard.plant("parallel", "n-plus-one", &Orchard::parallel_loop);
    orchard.plant("stops", "n-plus-one", &Orchard::loop_that_stops);
    orchard.plant("owners", "n-plus-one", &Orchard::loop_over_owners);
    orchard.plant("levels", "n-plus-one", &Orchard::two_levels);
    orchard.plant("chain", "n-plus-one", &Orchard::chain_of_single_rows);
    orchard.plant("writes", "write-loop", &Orchard::write_loop);
    orchard.plant("batch", "", &Orchard::batch);
    orchard.plant("keyset", "", &Orchard::keyset_paging);
    orchard.plant("queue", "", &Orchard::queue_worker);
    orchard.plant("polling", "", &Orchard::polling);
    orchard.plant("retries", "", &Orchard::retries);
    orchard.plant("cursor", "", &Orchard::cursor);
    orchard.plant("health", "", &Orchard::health_checks);
    orchard.plant("catalog", "", &Orchard::catalog_queries);
    orchard.plant("detail", "", &Orchard::list_and_detail);
    orchard.plant("single", "", &Orchard::one_parent);
    orchard.plant("session", "", &Orchard::session_and_user);
    orchard.plant("offset", "", &Orchard::offset_paging);
    orchard.plant("migration", "", &Orchard::migration);
    for (int i = 0; i < 5; ++i) {
        orchard.plant("lookups", "", &Orchard::random_lookups);
    }
}

bool is_loop(const LiveFinding& finding) {
    return finding.finding.rule == "n-plus-one" || finding.finding.rule == "write-loop";
}

// A finding is right when a planted loop of its rule has its statements.
std::map<std::string, Score> score(Orchard& orchard, const std::vector<LiveFinding>& findings) {
    std::map<std::string, Score> scores;
    std::map<std::uint64_t, const Planted*> owner;
    for (const Planted& planted : orchard.planted()) {
        ++scores[planted.kind].planted;
        const std::string& name = planted.texts[0];
        for (const std::string& text :
             {planted.child, planted.child + " and level = 2",
              fmt::format("insert into {}_lines (shop, item) values ($1, $2)", name)}) {
            owner[orchard.traffic().key_of(text)] = &planted;
        }
    }
    std::set<const Planted*> found;
    for (const LiveFinding& finding : findings) {
        if (!is_loop(finding)) {
            continue;
        }
        const bool certain = finding.finding.confidence == "certain";
        const auto whose = owner.find(finding.statements.back());
        const Planted* planted = whose == owner.end() ? nullptr : whose->second;
        const bool right = planted != nullptr && planted->rule == finding.finding.rule;
        Score& at = scores[planted == nullptr ? "(other)" : planted->kind];
        if (right) {
            at.certain += certain ? 1 : 0;
            at.likely += finding.finding.confidence == "likely" ? 1 : 0;
            at.suspected += finding.finding.confidence == "suspected" ? 1 : 0;
            at.found += found.insert(planted).second ? 1 : 0;
        } else {
            ++at.wrong;
            at.wrong_certain += certain ? 1 : 0;
            fmt::print("wrong: {} ({}): {}\n", finding.finding.rule, finding.finding.confidence,
                       finding.finding.message);
        }
    }
    for (const Planted& planted : orchard.planted()) {
        if (!planted.rule.empty() && !found.contains(&planted)) {
            fmt::print("missed: {}\n", planted.texts[0]);
        }
    }
    return scores;
}

TEST(Detection, PrecisionAndRecallOverPlantedTraffic) {
    int planted = 0, found = 0, right = 0, wrong = 0, certain = 0, wrong_certain = 0;
    std::map<std::string, Score> sums;
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        Orchard orchard(seed);
        plant_everything(orchard);
        Engine engine({}, plain_names());
        orchard.traffic().play(engine);
        for (const auto& [kind, one] : score(orchard, engine.findings())) {
            Score& sum = sums[kind];
            sum.planted += one.planted;
            sum.found += one.found;
            sum.certain += one.certain;
            sum.likely += one.likely;
            sum.suspected += one.suspected;
            sum.wrong += one.wrong;
            sum.wrong_certain += one.wrong_certain;
        }
    }
    fmt::print("{:12} {:>8} {:>6} {:>8} {:>7} {:>10} {:>6}\n", "class", "planted", "found",
               "certain", "likely", "suspected", "wrong");
    const std::set<std::string> loops{"loop",   "parallel", "stops", "owners",
                                      "levels", "chain",    "writes"};
    for (const auto& [kind, sum] : sums) {
        fmt::print("{:12} {:8} {:6} {:8} {:7} {:10} {:6}\n", kind, sum.planted, sum.found,
                   sum.certain, sum.likely, sum.suspected, sum.wrong);
        planted += loops.contains(kind) ? sum.planted : 0;
        found += sum.found;
        right += sum.certain + sum.likely + sum.suspected;
        certain += sum.certain;
        wrong += sum.wrong;
        wrong_certain += sum.wrong_certain;
        if (loops.contains(kind)) {
            EXPECT_GE(sum.found, 0.8 * sum.planted) << kind;
        }
    }
    const double precision = static_cast<double>(right) / (right + wrong);
    const double precision_certain = static_cast<double>(certain) / (certain + wrong_certain);
    const double recall = static_cast<double>(found) / planted;
    fmt::print("precision {:.3f}, of certain ones {:.3f}, recall {:.3f}\n", precision,
               precision_certain, recall);
    EXPECT_GE(precision, 0.95);
    EXPECT_GE(precision_certain, 0.99);
    EXPECT_GE(recall, 0.9);
}

}  // namespace
}  // namespace howdah::insight::live
