// Each thing that looks like a loop and is none, alone and often; and what tells loops apart.

#include <gtest/gtest.h>

#include <functional>

#include "insight/live/traffic_fixture.hpp"

namespace howdah::insight::live {
namespace {

using Mode = Traffic::Mode;
using Request = Traffic::Request;

constexpr std::int64_t kApart = 3'000'000;  // between two requests
const std::string kParents = "select id, name from shops where city = $1 order by id";
const std::string kChildren = "select id, total from orders where shop_id = $1";

Rows rows(std::uint64_t count, std::uint64_t from = 100'000) {
    Rows made;
    for (std::uint64_t i = 0; i < count; ++i) {
        made.push_back({from + 7 * i, 5'000'000 + from + i});
    }
    return made;
}

using Play = std::function<void(Traffic&, Request&)>;

// What is found when it is played six times in each kind of window.
std::vector<LiveFinding> findings_of(const Play& play, Options options = {}) {
    Traffic traffic(7);
    std::int64_t at = 0;
    for (int time = 0; time < 6; ++time) {
        for (const Mode mode : {Mode::kTrace, Mode::kTransaction, Mode::kGroup}) {
            at += kApart;
            Request request = traffic.begin(mode, at, 1);
            play(traffic, request);
            traffic.end(request);
        }
    }
    Engine engine(std::move(options), plain_names());
    traffic.play(engine);
    return engine.findings();
}

std::string rules(const std::vector<LiveFinding>& findings) {
    std::string names;
    for (const LiveFinding& finding : findings) {
        const std::string& rule = finding.finding.rule;
        if (rule == "n-plus-one" || rule == "write-loop" || rule == "sequential-reads" ||
            rule == "duplicate-query") {
            names += (names.empty() ? "" : " ") + rule + "/" + finding.finding.confidence;
        }
    }
    return names;
}

std::string rules_of(const Play& play, Options options = {}) {
    return rules(findings_of(play, std::move(options)));
}

void loop(Traffic& traffic, Request& request) {
    const Rows parents = rows(10);
    traffic.run(request, kParents, {1}, parents);
    for (const Values& parent : parents) {
        traffic.run(request, kChildren, {parent[0]}, rows(3, 900'000));
    }
}

// Each value stands in as many results as the parent ran; which of them the loop walks is looked
// for among all.
TEST(Flow, FindsALoopOverOneOfManyEqualResults) {
    const std::string found = rules_of([](Traffic& traffic, Request& request) {
        const Rows parents = rows(10);
        for (int time = 0; time < 12; ++time) {
            traffic.run(request, kParents, {1}, parents);
        }
        for (const Values& parent : parents) {
            traffic.run(request, kChildren, {parent[0]}, rows(3, 900'000));
        }
    });
    EXPECT_NE(found.find("n-plus-one/"), std::string::npos) << found;
}

TEST(Flow, FindsALoop) {
    const auto found = findings_of(loop);
    ASSERT_EQ(rules(found), "n-plus-one/certain");
    const LiveFinding& live = found.front();
    EXPECT_EQ(live.count, 18U);
    EXPECT_NE(live.finding.message.find("$1 from \"id\""), std::string::npos)
        << live.finding.message;
    EXPECT_NE(live.finding.fix.find("shop_id = any($1)"), std::string::npos) << live.finding.fix;
    EXPECT_GT(live.lost_ms_a_day, 0);
}

// As JDBC does it: BEGIN and the first statement in one pipeline, ready after both.
TEST(Flow, TheStatementBesideBeginBelongsToTheTransaction) {
    const auto found = findings_of([](Traffic& traffic, Request& request) {
        const Rows parents = rows(10);
        if (request.mode == Mode::kTransaction) {
            traffic.before_ready();
        }
        traffic.run(request, kParents, {1}, parents);
        if (request.mode == Mode::kTransaction) {
            traffic.before_ready();
        }
        for (const Values& parent : parents) {
            traffic.run(request, kChildren, {parent[0]}, rows(3, 900'000));
        }
    });
    ASSERT_EQ(rules(found), "n-plus-one/certain");
    EXPECT_EQ(found.front().count, 18U);
}

// Only the parent has a traceparent: what else the transaction does belongs to that trace.
TEST(Flow, AStatementWithoutATraceBelongsToItsTransactions) {
    const auto found = findings_of([](Traffic& traffic, Request& request) {
        const Rows parents = rows(10);
        request.trace = traffic.random().next();
        traffic.run(request, kParents, {1}, parents);
        request.trace = request.mode == Mode::kTransaction ? 0 : request.trace;
        for (const Values& parent : parents) {
            traffic.run(request, kChildren, {parent[0]}, rows(3, 900'000));
        }
    });
    ASSERT_EQ(rules(found), "n-plus-one/certain");
    EXPECT_EQ(found.front().count, 18U);
}

TEST(Flow, ALoopOutOfOrderIsLikely) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  const Rows parents = rows(12);
                  traffic.run(request, kParents, {1}, parents);
                  for (const unsigned i : {5U, 0U, 7U, 2U, 9U, 4U, 11U, 6U, 1U, 8U, 3U, 10U}) {
                      traffic.run(request, kChildren, {parents[i][0]}, rows(1));
                  }
              }),
              "n-plus-one/likely");
}

TEST(Flow, ALoopOverValuesFromElsewhereIsSuspected) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  for (int i = 0; i < 12; ++i) {
                      traffic.run(request, kChildren, {traffic.random().next() | 1}, rows(1), 9000);
                  }
              }),
              "n-plus-one/suspected");
}

TEST(Flow, LevelsAreOneFinding) {
    const auto found = findings_of([](Traffic& traffic, Request& request) {
        const Rows parents = rows(6);
        traffic.run(request, kParents, {1}, parents);
        for (const Values& parent : parents) {
            const Rows children = rows(4, parent[0] * 100);
            traffic.run(request, kChildren, {parent[0]}, children);
            for (const Values& child : children) {
                traffic.run(request, "select sku from lines where order_id = $1", {child[0]},
                            rows(1));
            }
        }
    });
    ASSERT_EQ(rules(found), "n-plus-one/certain");
    EXPECT_NE(found.front().finding.evidence.find("2 levels"), std::string::npos)
        << found.front().finding.evidence;
}

TEST(Flow, TwoWindowsAreNoFinding) {
    Traffic traffic(7);
    for (int time = 0; time < 2; ++time) {
        Request request = traffic.begin(Mode::kTrace, time * kApart, 1);
        loop(traffic, request);
    }
    Engine engine({}, plain_names());
    traffic.play(engine);
    EXPECT_EQ(rules(engine.findings()), "");
}

TEST(Flow, ReadsThatCouldRunTogether) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  if (request.mode == Mode::kTrace) {
                      traffic.run(request, "select count(*) from visits", {}, rows(1, 3), 120'000);
                      traffic.run(request, "select sum(total) from orders", {}, rows(1, 4),
                                  150'000);
                      traffic.run(request, "select max(seen) from users", {}, rows(1, 5), 110'000);
                  }
              }),
              "sequential-reads/certain");
}

TEST(Flow, TheSameAgainInOneRequest) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  for (int i = 0; i < 6 && request.mode != Mode::kGroup; ++i) {
                      traffic.run(request, "select value from settings where name = $1", {77},
                                  rows(1));
                  }
              }),
              "duplicate-query/certain");
}

TEST(Flow, WhoIsIgnoredIsNotLookedAt) {
    Options options;
    options.ignore = {"name6"};  // the traffic's application
    EXPECT_EQ(rules_of(loop, std::move(options)), "");
}

// --- What is no N+1 ---

TEST(NoLoop, AnIncludeAsksOnceWithAList) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  traffic.run(request, kParents, {1}, rows(20));
                  traffic.run(request, "select id from orders where shop_id in ($1, $2, $3)",
                              {100'000, 100'007, 100'014}, rows(40));
              }),
              "");
}

TEST(NoLoop, KeysetPaging) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  std::uint64_t last = 1;
                  for (std::uint64_t page = 0; page < 8; ++page) {
                      const Rows found = rows(25, 100'000 + 1000 * page);
                      traffic.run(request,
                                  "select id, name from shops where id > $1 order by id limit 25",
                                  {last}, found, 9000);
                      last = found.back()[0];
                  }
              }),
              "");
}

TEST(NoLoop, FetchFromACursor) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  traffic.run(request, kParents, {1}, rows(10));
                  for (int i = 0; i < 10; ++i) {
                      traffic.run(request, "fetch 100 from shop_cursor", {}, rows(100), 9000);
                  }
              }),
              "");
}

TEST(NoLoop, Copies) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  traffic.run(request, kParents, {1}, rows(10));
                  for (int i = 0; i < 10; ++i) {
                      traffic.run(request, "copy visits (shop_id, at) from stdin", {}, {}, 9000);
                  }
              }),
              "");
}

TEST(NoLoop, QueueWorkers) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  for (std::uint64_t turn = 0; turn < 3; ++turn) {
                      const Rows jobs = rows(5, 100'000 + 100 * turn);
                      traffic.run(
                          request,
                          "select id, payload from jobs where state = $1 limit 5 for update "
                          "skip locked",
                          {1}, jobs);
                      for (const Values& job : jobs) {
                          traffic.run(request, "update jobs set state = 'done' where id = $1",
                                      {job[0]}, {});
                      }
                  }
              }),
              "");
}

TEST(NoLoop, HealthChecks) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  for (int i = 0; i < 8; ++i) {
                      traffic.run(request, "select 1", {}, rows(1));
                  }
              }),
              "");
}

TEST(NoLoop, CatalogQueriesOfOrms) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  const Rows tables = rows(20);
                  traffic.run(request, "select oid, relname from pg_class where relkind = $1", {1},
                              tables);
                  for (const Values& table : tables) {
                      traffic.run(request, "select attname from pg_attribute where attrelid = $1",
                                  {table[0]}, rows(5));
                  }
              }),
              "");
}

TEST(NoLoop, Migrations) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  if (request.mode != Mode::kGroup) {
                      traffic.run(request, "alter table shops add column x int", {}, {});
                      loop(traffic, request);
                  }
              }),
              "");
}

TEST(NoLoop, AParentOfOneRow) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  const Rows one = rows(1);
                  traffic.run(request, kParents, {1}, one);
                  traffic.run(request, kChildren, {one[0][0]}, rows(30));
              }),
              "");
}

TEST(NoLoop, Retries) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  const Rows parents = rows(10);
                  traffic.run(request, kParents, {1}, parents);
                  for (const Values& parent : parents) {
                      traffic.run(request, kChildren, {parent[0]}, {});
                      traffic.fail_last();
                  }
              }),
              "");
}

TEST(NoLoop, Polling) {
    EXPECT_EQ(rules_of([](Traffic& traffic, Request& request) {
                  for (int i = 0; i < 8 && request.mode == Mode::kGroup; ++i) {
                      traffic.run(request, kChildren, {100'000}, {});
                      request.now += 100'000;
                  }
              }),
              "");
}

}  // namespace
}  // namespace howdah::insight::live
