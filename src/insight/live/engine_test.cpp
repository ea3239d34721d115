#include "insight/live/engine.hpp"

#include <gtest/gtest.h>

#include "insight/live/reading.hpp"
#include "insight/live/tap_store.hpp"
#include "insight/live/traffic_fixture.hpp"

namespace howdah::insight::live {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000'000;
constexpr std::int64_t kSecond = 1'000'000;

QueryEvent event(std::uint64_t key, std::uint64_t session, std::int64_t at) {
    QueryEvent made;
    made.fingerprint = key;
    made.session_id = session;
    made.started_us = at;
    made.server_us = 100;
    made.rows = 1;
    return made;
}

std::size_t count(const Engine& engine, std::string_view rule) {
    std::size_t found = 0;
    for (const LiveFinding& finding : engine.findings()) {
        found += finding.finding.rule == rule ? 1U : 0U;
    }
    return found;
}

// What a cache answered: its time is a part of its own, in sums and percentiles, of the callers'
// time and of what makes a statement slow, and no part of the server's.
TEST(Engine, TheTimeOfACacheIsAPartOfItsOwn) {
    Options options;
    options.entries_max = 2;
    options.slow_us = 5000;
    Engine engine(options, plain_names());
    QueryEvent cached = event(7, 1, kNow);
    cached.server_us = 0;
    cached.cache_us = 40;
    QueryEvent slow = cached;
    slow.cache_us = 6000;
    const QueryEvent events[] = {cached, slow, event(7, 1, kNow + 10)};
    engine.observe(events);

    const std::uint64_t keys[] = {7};
    const std::vector<StatementDetail> details = engine.details(keys);
    ASSERT_EQ(details.size(), 1U);
    EXPECT_EQ(details[0].cache_us, 6040U);
    EXPECT_EQ(details[0].server_us, 100U);
    EXPECT_GE(details[0].cache.p50, 40U);
    EXPECT_LT(details[0].cache.p50, 45U);
    EXPECT_EQ(details[0].cache.max, 6000U);
    ASSERT_EQ(details[0].databases.size(), 1U);
    EXPECT_DOUBLE_EQ(details[0].databases[0].ms, 6.14);

    for (std::uint64_t key = 8; key < 11; ++key) {  // makes room: sums go to "(other)"
        const QueryEvent other[] = {event(key, 1, kNow + 20), event(key, 1, kNow + 30),
                                    event(key, 1, kNow + 40), event(key, 1, kNow + 50)};
        engine.observe(other);
    }
    std::uint64_t sum = 0;
    for (const StatementDetail& detail : engine.top(100)) {
        sum += detail.cache_us;
    }
    EXPECT_EQ(sum, 6040U);
    EXPECT_TRUE(engine.details(keys).empty());

    engine.learn(7, sql::analyze("select 1"));
    const std::vector<SlowQuery> logged = engine.take_slow();
    ASSERT_EQ(logged.size(), 1U);
    EXPECT_EQ(logged[0].cache_us, 6000U);
}

TEST(Engine, ConnectionsForAFewStatementsEachAreChurn) {
    Engine engine({}, plain_names());
    std::uint64_t session = 1;
    for (std::int64_t second = 0; second < 100; ++second) {
        engine.tick(kNow + second * kSecond);
        for (int i = 0; i < 3; ++i) {
            const QueryEvent one = event(7, ++session, kNow + second * kSecond);
            engine.observe({&one, 1});
        }
    }
    EXPECT_EQ(count(engine, "connection-churn"), 1U);
}

TEST(Engine, ConnectionsThatStayAreNoChurn) {
    Engine engine({}, plain_names());
    for (std::int64_t second = 0; second < 100; ++second) {
        engine.tick(kNow + second * kSecond);
        for (std::uint64_t session = 1; session < 60; ++session) {
            const QueryEvent one = event(7, session, kNow + second * kSecond);
            engine.observe({&one, 1});
        }
    }
    EXPECT_EQ(count(engine, "connection-churn"), 0U);
}

// The first period of all counts: who comes after the start has connected anew.
TEST(Engine, ChurnIsSeenAfterTwoPeriods) {
    Engine engine({}, plain_names());
    std::uint64_t session = 0;
    for (std::int64_t second = 0; second <= 40; ++second) {
        EXPECT_EQ(count(engine, "connection-churn"), 0U) << second;
        engine.tick(kNow + second * kSecond);
        for (int i = 0; i < 3; ++i) {
            const QueryEvent one = event(7, ++session, kNow + second * kSecond);
            engine.observe({&one, 1});
        }
    }
    EXPECT_EQ(count(engine, "connection-churn"), 1U);
}

// Each deployment fills a pool with connections that have sent little by the end of the period.
TEST(Engine, PoolsThatFillAtEachDeploymentAreNoChurn) {
    Engine engine({}, plain_names());
    std::uint64_t newest = 0;
    for (std::int64_t second = 0; second < 1000; ++second) {
        if (second % 200 == 0) {
            newest += 30;
        }
        engine.tick(kNow + second * kSecond);
        const QueryEvent one =
            event(7, newest - static_cast<std::uint64_t>(second % 30), kNow + second * kSecond);
        engine.observe({&one, 1});
    }
    EXPECT_EQ(count(engine, "connection-churn"), 0U);
}

TEST(Engine, TransactionsThatStayOpenAreSeenTwiceFirst) {
    Engine engine({}, plain_names());
    const OpenTransaction open[] = {
        {"shop", "app", "web", "10.0.0.1", 70 * kSecond, 20 * kSecond},
        {"shop", "app", "quick", "10.0.0.1", kSecond, kSecond},
    };
    engine.observe_transactions(open, kNow);
    EXPECT_TRUE(engine.findings().empty());
    engine.observe_transactions(open, kNow + 5 * kSecond);
    EXPECT_EQ(count(engine, "idle-in-transaction"), 1U);
    EXPECT_EQ(count(engine, "long-transaction"), 1U);
    EXPECT_EQ(engine.findings().size(), 2U);
}

TEST(Engine, HowLongATransactionMayStayOpenIsAnOption) {
    const auto findings_with = [](std::int64_t idle_us, std::int64_t long_us) {
        Options options;
        options.idle_transaction_us = idle_us;
        options.long_transaction_us = long_us;
        Engine engine(std::move(options), plain_names());
        const OpenTransaction open[] = {
            {"shop", "app", "web", "10.0.0.1", 7 * kSecond, 2 * kSecond}};
        for (int look = 0; look < 2; ++look) {
            engine.observe_transactions(open, kNow + look * 5 * kSecond);
        }
        return std::pair(count(engine, "idle-in-transaction"), count(engine, "long-transaction"));
    };
    using Counts = std::pair<std::size_t, std::size_t>;
    EXPECT_EQ(findings_with(2 * kSecond, 7 * kSecond), Counts(1, 1));
    EXPECT_EQ(findings_with(3 * kSecond, 7 * kSecond), Counts(0, 1));
    EXPECT_EQ(findings_with(2 * kSecond, 8 * kSecond), Counts(1, 0));
    EXPECT_EQ(findings_with(0, 0), Counts(0, 0));
}

TEST(Engine, SumsStayRightWhenStatementsMakeRoom) {
    Options options;
    options.entries_max = 16;
    Engine engine(std::move(options), plain_names());
    for (std::uint64_t i = 1; i <= 1000; ++i) {
        const QueryEvent one = event(i % 3 == 0 ? 1 : i, 1, kNow + static_cast<std::int64_t>(i));
        engine.observe({&one, 1});
    }
    std::uint64_t calls = 0;
    std::uint64_t other = 0;
    for (const StatementDetail& detail : engine.top(100)) {
        calls += detail.calls;
        other += detail.key == 0 ? detail.calls : 0;
    }
    EXPECT_EQ(calls, 1000U);
    EXPECT_GT(other, 500U);
    const std::uint64_t used_most[] = {1};
    EXPECT_GE(engine.details(used_most).at(0).calls, 300U);
    EXPECT_EQ(count(engine, "too-many-statements"), 1U);
}

// However many there are, those who send most are named, and all parts together are all calls.
TEST(Engine, CallersWhoSendMuchAreNamed) {
    Engine engine({}, plain_names());
    for (std::uint32_t i = 0; i < 3000; ++i) {
        QueryEvent one = event(7, 1, kNow + i);
        one.client_id = i < 50 ? i + 1000 : i % 3 == 0 ? 5 : 2000 + i;
        one.application_id = i % 4;
        one.user_id = i % 2;
        engine.observe({&one, 1});
    }
    const std::uint64_t keys[] = {7};
    const StatementDetail detail = engine.details(keys).at(0);
    std::uint64_t sum = 0;
    std::uint64_t busiest = 0;
    for (const NamedPart& part : detail.clients) {
        sum += part.calls;
        busiest = part.name == "name5" ? part.calls : busiest;
    }
    EXPECT_EQ(sum, 3000U);
    EXPECT_GE(busiest, 980U);
    EXPECT_LE(detail.clients.size(), 9U);
    EXPECT_EQ(detail.applications.size(), 4U);
    EXPECT_EQ(detail.users.size(), 2U);
    CallerFilter filter;
    filter.client = "name5";
    EXPECT_EQ(engine.matching(filter).size(), 1U);
    filter.user = "name9";
    EXPECT_TRUE(engine.matching(filter).empty());
}

TEST(Engine, ErrorsByTheirSqlstate) {
    Engine engine({}, plain_names());
    for (int i = 0; i < 6; ++i) {
        QueryEvent one = event(7, 1, kNow + i);
        if (i % 2 == 0) {
            one.sqlstate = {'2', '3', '5', '0', i == 0 ? '3' : '5'};
        }
        engine.observe({&one, 1});
    }
    const std::uint64_t keys[] = {7};
    const StatementDetail detail = engine.details(keys).at(0);
    EXPECT_EQ(detail.errors, 3U);
    const std::vector<std::pair<std::string, std::uint64_t>> expected = {{"23503", 1},
                                                                         {"23505", 2}};
    EXPECT_EQ(detail.sqlstates, expected);
}

// Texts come later than the events: a loop that an ORM makes over the catalog would be said until
// its text tells what it is.
TEST(Engine, ALoopIsSaidWhenItsTextIsKnown) {
    Engine engine({}, plain_names());
    const auto update = sql::analyze("update leads set score = $1 where id = $2");
    std::int64_t at = kNow;
    for (std::uint64_t transaction = 1; transaction <= 3; ++transaction) {
        for (std::uint64_t i = 0; i < 8; ++i) {
            QueryEvent one = event(update->key(), 1, at += 1000);
            one.kind = static_cast<std::uint8_t>(update->kind);
            one.effects = update->effects;
            one.protocol = QueryProtocol::kExtended;
            one.params_hash = i;
            one.transaction_id = transaction;
            one.transaction_status = 'T';
            engine.observe({&one, 1});
        }
    }
    engine.close_windows();
    EXPECT_EQ(count(engine, "write-loop"), 0U);
    engine.learn(update->key(), update);
    EXPECT_EQ(count(engine, "write-loop"), 1U);
}

// Of parameters: eight samples, and of each what kind of value it was and how large.
TEST(Engine, SamplesSayWhatKindOfValue) {
    Engine engine({}, plain_names());
    for (std::uint64_t i = 1; i <= 100; ++i) {
        const std::uint64_t classes = bind_class(BindClass::kInteger, 10) |
                                      std::uint64_t{bind_class(BindClass::kText, 3)} << 8U |
                                      std::uint64_t{bind_class(BindClass::kNull, 0)} << 16U;
        const std::uint64_t record[] = {7,  i, TapRecord::shape_word(3, 0, 0, 0), classes, 11,
                                        22, 0};
        engine.take_tap(record);
        QueryEvent one = event(7, 1, kNow + static_cast<std::int64_t>(i));
        one.tap_id = i;
        engine.observe({&one, 1});
    }
    const std::uint64_t keys[] = {7};
    EXPECT_EQ(engine.details(keys).at(0).samples,
              std::vector<std::string>(8, "int(10 bits), text(<8), null"));
}

TEST(Engine, SlowStatementsWaitForTheirText) {
    Engine engine({}, plain_names());
    const auto statement = sql::analyze("select name from users where id = 5");
    QueryEvent slow = event(statement->key(), 1, kNow);
    slow.server_us = 2'000'000;
    slow.kind = static_cast<std::uint8_t>(statement->kind);
    slow.effects = statement->effects;
    engine.observe({&slow, 1});
    EXPECT_TRUE(engine.take_slow().empty());
    EXPECT_EQ(engine.unknown_statements(), std::vector<std::uint64_t>{statement->key()});
    engine.learn(statement->key(), statement);
    const std::vector<SlowQuery> taken = engine.take_slow();
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_EQ(taken[0].statement->normalized, "select name from users where id = $1");
    EXPECT_TRUE(taken[0].may_explain);
    EXPECT_TRUE(engine.take_slow().empty());
}

TEST(SparseHistogram, MergesToTheSamePercentiles) {
    Prng random(3);
    Histogram all;
    SparseHistogram left, right;
    for (int i = 0; i < 10'000; ++i) {
        const auto us = static_cast<std::uint32_t>(random.below(5'000'000));
        all.record(us);
        (i % 2 == 0 ? left : right).record(us);
    }
    left.merge(right);
    EXPECT_EQ(left.count(), all.count());
    for (const double share : {0.5, 0.95, 0.99, 1.0}) {
        EXPECT_EQ(left.percentile(share), all.percentile(share));
    }
}

TEST(TapStore, GivesBackWhatIsNotTooOld) {
    TapStore store;
    std::vector<std::uint64_t> record(100, 9);
    record[0] = record.size();
    record[2] = TapRecord::shape_word(4, 4, 23, 23);
    for (std::uint64_t id = 1; id <= 100'000; ++id) {
        record[1] = id;
        store.put(record);
        const auto found = store.find(id);
        ASSERT_TRUE(found);
        ASSERT_EQ(found->cells.size(), 92U);
    }
    EXPECT_TRUE(store.find(99'000));
    EXPECT_FALSE(store.find(80'000));  // overwritten
    EXPECT_FALSE(store.find(0));
}

TEST(Reading, NamesOfColumns) {
    const auto parent =
        sql::analyze("select distinct o.id, o.owner_id as owner, count(*) as n from orders o");
    EXPECT_EQ(output_name(*parent, 0), "id");
    EXPECT_EQ(output_name(*parent, 1), "owner");
    EXPECT_EQ(output_name(*parent, 2), "n");
    EXPECT_EQ(output_name(*sql::analyze("select * from orders"), 2), "column 3");
    const auto child = sql::analyze("select x from lines where \"order_id\" = $2 and kind in ($1)");
    EXPECT_EQ(compared_column(*child, 1), "order_id");
    EXPECT_EQ(compared_column(*child, 0), "kind");
    EXPECT_EQ(compared_column(*child, 5), "");
    EXPECT_EQ(offset_slot(*sql::analyze("select x from lines limit $1 offset $2")), 1U);
}

}  // namespace
}  // namespace howdah::insight::live
