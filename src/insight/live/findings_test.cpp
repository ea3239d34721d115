// Findings about single statements and whole databases: each made on purpose, and its neighbour
// that is none. Loops are in flow_test.cpp, sessions in engine_test.cpp.

#include <gtest/gtest.h>

#include <optional>

#include "insight/live/traffic_fixture.hpp"

namespace howdah::insight::live {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000'000;
constexpr std::int64_t kSecond = 1'000'000;

class FindingsTest : public testing::Test {
  protected:
    // What each call is like.
    struct Call {
        std::uint64_t rows = 1;
        std::uint64_t bytes_out = 100;
        std::uint32_t server_us = 300;
        std::uint64_t texts = 1;       // different ones
        std::uint64_t parameters = 1;  // different ones
        bool simple = false;
        char status = 'I';
        std::uint32_t database = 2;
    };

    sql::StatementRef send(const std::string& text, std::uint64_t calls, Call call) {
        sql::StatementRef statement = sql::analyze(text);
        for (std::uint64_t i = 0; i < calls; ++i) {
            QueryEvent event;
            event.fingerprint = statement->key();
            event.effects = statement->effects;
            event.kind = static_cast<std::uint8_t>(statement->kind);
            event.text_id = 0x9e3779b97f4a7c15ULL * (1 + i % call.texts);
            event.params_hash = 0x9e3779b97f4a7c15ULL * (1 + i % call.parameters);
            event.protocol = call.simple ? QueryProtocol::kSimple : QueryProtocol::kExtended;
            event.started_us = kNow + static_cast<std::int64_t>(i) * kSecond / 2;
            event.session_id = 1;
            event.transaction_id = ++transactions_;
            event.transaction_status = call.status;
            event.database_id = call.database;
            event.rows = call.rows;
            event.bytes_out = call.bytes_out;
            event.server_us = call.server_us;
            engine_.observe({&event, 1});
        }
        engine_.learn(statement->key(), statement);
        return statement;
    }
    // The catalog's answer to what the engine asks; plain tables where none are given.
    void tell_relations(std::vector<std::string> tables = {}) {
        asked_ = engine_.unknown_relations(kNow);
        for (const StatementQuestion& question : asked_) {
            ReadRelations relations{.known = true, .tables = tables};
            for (const sql::Name& table : question.statement->tables_read) {
                relations.tables.push_back(table.name);
            }
            engine_.learn_relations(question, relations);
        }
    }
    void learn_relations(const ReadRelations& relations) {
        ASSERT_EQ(asked_.size(), 1U);
        engine_.learn_relations(asked_.front(), relations);
    }
    // BEGIN, `read`, COMMIT; with `apart` the read comes behind COMMIT, by itself.
    void send_transactions(int count, const std::string& read, bool apart) {
        std::int64_t at = kNow;
        const auto one = [&](const std::string& text, char status) {
            sql::StatementRef statement = sql::analyze(text);
            QueryEvent event;
            event.fingerprint = statement->key();
            event.effects = statement->effects;
            event.kind = static_cast<std::uint8_t>(statement->kind);
            event.protocol = QueryProtocol::kExtended;
            event.started_us = at;
            event.session_id = 1;
            event.transaction_id = transactions_;
            event.transaction_status = status;
            event.database_id = 2;
            event.server_us = statement->tables_read.empty() ? 100 : 400'000;
            engine_.observe({&event, 1});
            engine_.learn(statement->key(), statement);
            at += kSecond / 6;
        };
        for (int i = 0; i < count; ++i) {
            ++transactions_;
            one("begin", 'I');
            one(apart ? "select 1" : read, 'I');
            one("commit", 'T');
            ++transactions_;
            one(apart ? read : "select 1", 'I');
        }
    }
    // The finding of that rule about statements of that table.
    std::optional<LiveFinding> find(std::string_view rule, std::string_view table = "") {
        for (LiveFinding& live : engine_.findings()) {
            if (live.finding.rule == rule &&
                live.finding.message.find(table) != std::string::npos) {
                return std::move(live);
            }
        }
        return std::nullopt;
    }
    // Three ordinary look-ups: what is usual here.
    void send_usual() {
        for (const char* table : {"users", "shops", "towns"}) {
            send(std::string("select name from ") + table + " where id = $1", 20, {});
        }
    }

    Engine engine_{{}, plain_names()};
    std::vector<StatementQuestion> asked_;
    std::uint64_t transactions_ = 0;
};

TEST_F(FindingsTest, ManyRowsWithoutLimit) {
    send("select id from events order by id", 5, {.rows = 2000});
    send("select id from limited order by id limit $1", 5, {.rows = 2000});
    send("select id from short_ones order by id", 5, {.rows = 900});
    send("select id from seldom order by id", 4, {.rows = 2000});
    EXPECT_TRUE(find("unbounded-result", "events"));
    for (const char* fine : {"limited", "short_ones", "seldom"}) {
        EXPECT_FALSE(find("unbounded-result", fine)) << fine;
    }
}

TEST_F(FindingsTest, EveryColumnOfWideRows) {
    send("select * from documents where id = $1", 20, {.rows = 10, .bytes_out = 200'000});
    send("select d.* from letters d where id = $1", 20, {.rows = 10, .bytes_out = 200'000});
    send("select * from narrow where id = $1", 20, {.rows = 10, .bytes_out = 1000});
    send("select id, body from chosen where id = $1", 20, {.rows = 10, .bytes_out = 200'000});
    send("select count(*) from counted", 20, {.rows = 10, .bytes_out = 200'000});
    EXPECT_TRUE(find("select-star-wide", "documents"));
    EXPECT_TRUE(find("select-star-wide", "letters"));
    for (const char* fine : {"narrow", "chosen", "counted"}) {
        EXPECT_FALSE(find("select-star-wide", fine)) << fine;
    }
}

TEST_F(FindingsTest, TextsThatNeverComeTwice) {
    send("select name from inlined where id = 5", 200, {.texts = 200, .simple = true});
    send("select name from prepared where id = $1", 200, {.texts = 1});
    send("select name from few where id = 5", 60, {.texts = 60, .simple = true});
    EXPECT_TRUE(find("inlined-literals", "inlined"));
    EXPECT_FALSE(find("inlined-literals", "prepared"));
    EXPECT_FALSE(find("inlined-literals", "few"));
}

TEST_F(FindingsTest, ListsOfEveryLength) {
    send("select name from lists where id in ($1, $2, $3)", 40, {.texts = 40});
    send("select name from arrays where id = any($1)", 40, {.texts = 1});
    const auto found = find("variable-in-list", "lists");
    ASSERT_TRUE(found);
    EXPECT_NE(found->finding.fix.find("any($1)"), std::string::npos);
    EXPECT_FALSE(find("variable-in-list", "arrays"));
}

TEST_F(FindingsTest, AnswersThatWereGivenBefore) {
    send("select name from settings where id = $1", 400, {.parameters = 4});
    send("select name from all_different where id = $1", 400, {.parameters = 400});
    send("select name from written where id = $1", 400, {.parameters = 4});
    send("update written set name = $1 where id = $2", 100, {});
    send("select now(), name from volatile_ones where random() < $1", 400, {.parameters = 4});
    tell_relations();
    const auto found = find("cache-opportunity", "settings");
    ASSERT_TRUE(found);
    EXPECT_GT(found->lost_ms_a_day, 0);
    EXPECT_EQ(found->finding.confidence, "certain");
    EXPECT_NE(found->finding.evidence.find("0 writes to its tables"), std::string::npos);
    EXPECT_NE(found->finding.impact.find("a day less"), std::string::npos);
    for (const char* fine : {"all_different", "written", "volatile_ones"}) {
        EXPECT_FALSE(find("cache-opportunity", fine)) << fine;
    }
}

// The name that is read may be a view's, which no statement writes.
TEST_F(FindingsTest, AViewIsWrittenWhereItsTablesAre) {
    send("select name from people where id = $1", 400, {.parameters = 4});
    send("update users set name = $1 where id = $2", 100, {});
    EXPECT_FALSE(find("cache-opportunity", "people"));  // nobody said what it is
    tell_relations({"people", "users"});
    EXPECT_FALSE(find("cache-opportunity", "people"));
    learn_relations({.known = true, .tables = {"people", "roles"}});
    EXPECT_TRUE(find("cache-opportunity", "people"));
    learn_relations({.known = true, .changes_unseen = true, .tables = {"people", "roles"}});
    EXPECT_FALSE(find("cache-opportunity", "people"));
    learn_relations({.known = false, .tables = {"people"}});
    EXPECT_FALSE(find("cache-opportunity", "people"));
}

TEST_F(FindingsTest, WhereNothingIsWrittenNamesNeedNotBeKnown) {
    send("select name from people where id = $1", 400, {.parameters = 4});
    send("update users set name = $1 where id = $2", 30, {});
    const auto found = find("cache-opportunity", "people");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->finding.confidence, "likely");
    EXPECT_NE(found->finding.evidence.find("30 writes to its database"), std::string::npos);
}

TEST_F(FindingsTest, TablesOfOneNameInTwoDatabasesAreTwo) {
    send("select name from settings where id = $1", 400, {.parameters = 4});
    send("update settings set name = $1 where id = $2", 100, {.database = 3});
    tell_relations();
    EXPECT_TRUE(find("cache-opportunity", "settings"));
}

// howdah's name2 and name3 are one database of the server's: a name for readers, say.
TEST_F(FindingsTest, TwoNamesOfOneDatabaseAreOne) {
    Options options;
    options.server_databases = {{"name3", "name2"}};
    engine_.configure(options);
    send("select name from settings where id = $1", 400, {.parameters = 4});
    send("update settings set name = $1 where id = $2", 100, {.database = 3});
    tell_relations();
    EXPECT_FALSE(find("cache-opportunity", "settings"));
}

TEST_F(FindingsTest, WhatMayWriteAnythingWritesEachTable) {
    send("select name from settings where id = $1", 400, {.parameters = 4});
    tell_relations();
    EXPECT_TRUE(find("cache-opportunity", "settings"));
    send("call do_something($1)", 100, {.database = 3});
    EXPECT_TRUE(find("cache-opportunity", "settings"));
    send("call do_something($1)", 100, {});
    EXPECT_FALSE(find("cache-opportunity", "settings"));
}

// Once in ten minutes, for each database where it runs.
TEST_F(FindingsTest, RelationsAreAskedForWhereTheyDecide) {
    send("select name from settings where id = $1", 400, {.parameters = 4});
    send("select name from settings where id = $1", 400, {.parameters = 4, .database = 3});
    send("select name from all_different where id = $1", 400, {.parameters = 400});
    EXPECT_EQ(engine_.unknown_relations(kNow).size(), 2U);
    EXPECT_TRUE(engine_.unknown_relations(kNow + 500 * kSecond).empty());
    EXPECT_EQ(engine_.unknown_relations(kNow + 601 * kSecond).size(), 2U);
}

// Whatever the values' hashes have in common.
TEST(StatementStats, TheLastSixteenDifferentParametersAreKnown) {
    const auto repeated = [](std::uint64_t different) {
        StatementStats stats;
        for (std::uint64_t i = 0; i < 170; ++i) {
            QueryEvent event;
            event.protocol = QueryProtocol::kExtended;
            event.params_hash = 16 * (1 + i % different);
            stats.add(event, nullptr, false);
        }
        return stats.repeated;
    };
    EXPECT_EQ(repeated(3), 167U);
    EXPECT_EQ(repeated(16), 154U);
    EXPECT_EQ(repeated(17), 0U);
}

TEST_F(FindingsTest, ReadsForAReplica) {
    // Database 2 reads most of its time, 3 writes; both are busy.
    send("select name from reports where id = $1", 200, {.server_us = 400'000});
    send("update accounts set name = $1 where id = $2", 200, {.server_us = 400'000, .database = 3});
    const auto found = find("replica-opportunity", "name2");
    ASSERT_TRUE(found);
    EXPECT_GT(found->lost_ms_a_day, 0);
    EXPECT_FALSE(find("replica-opportunity", "name3"));
}

// As JDBC does it with autocommit off: BEGIN and the first statement in one pipeline, ready after
// both, so that neither event says that a transaction is open. COMMIT comes alone.
TEST_F(FindingsTest, WhatStandsBesideBeginIsInTheTransaction) {
    send_transactions(200, "select name from accounts where id = $1", false);
    EXPECT_FALSE(find("replica-opportunity"));
    EXPECT_FALSE(find("cache-opportunity", "accounts"));
}

TEST_F(FindingsTest, WhatStandsBehindCommitIsNot) {
    send_transactions(200, "select name from accounts where id = $1", true);
    EXPECT_TRUE(find("replica-opportunity", "name2"));
    EXPECT_TRUE(find("cache-opportunity", "accounts"));
}

TEST_F(FindingsTest, ReadsOfAnIdleServerNeedNoReplica) {
    send("select name from reports where id = $1", 200, {.server_us = 400});
    EXPECT_FALSE(find("replica-opportunity"));
}

TEST_F(FindingsTest, ASlowLookUpIsSuspectedWhereNobodyAskedForItsPlan) {
    send_usual();
    send("select id from visits where person_id = $1", 20, {.server_us = 9000});
    send("select id from sleepers where pg_sleep($1) is null", 20, {.server_us = 9000});
    const auto found = find("missing-index", "visits");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->finding.confidence, "suspected");
    EXPECT_TRUE(found->finding.fix.starts_with("Look at its plan")) << found->finding.fix;
    EXPECT_FALSE(find("missing-index", "users"));
    EXPECT_FALSE(find("missing-index", "sleepers"));
}

TEST_F(FindingsTest, ThePlanDecides) {
    const auto slow = send("select id from visits where person_id = $1", 20, {.server_us = 9000});
    // Too few others to know what is usual: nothing is said, but the plan is wanted.
    EXPECT_FALSE(find("missing-index"));
    const std::vector<StatementQuestion> questions = engine_.unknown_plans(kNow);
    ASSERT_EQ(questions.size(), 1U);
    EXPECT_EQ(questions[0].key, slow->key());
    EXPECT_EQ(questions[0].database, "name2");
    EXPECT_TRUE(engine_.unknown_plans(kNow + 60 * kSecond).empty());

    PlanEvidence evidence;
    evidence.known = true;
    evidence.plan = "Seq Scan on visits (rows 3, cost 9), Filter: (person_id = $1)";
    evidence.table = "visits";
    evidence.column = "person_id";
    evidence.rows_read = 200'000;
    evidence.rows_out = 3;
    evidence.missing = true;
    engine_.learn_plan(slow->key(), evidence);
    const auto found = find("missing-index", "visits");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->finding.confidence, "likely");
    EXPECT_EQ(found->finding.fix, "create index concurrently on visits (person_id)");
    EXPECT_NE(found->finding.evidence.find("reads 200000 rows of visits to keep 3: Seq Scan"),
              std::string::npos)
        << found->finding.evidence;

    evidence.partial_index = true;
    engine_.learn_plan(slow->key(), evidence);
    EXPECT_EQ(find("missing-index", "visits")->finding.confidence, "suspected");
}

TEST_F(FindingsTest, APlanWithAnIndexEndsTheSuspicion) {
    send_usual();
    const auto slow = send("select id from visits where person_id = $1", 20, {.server_us = 9000});
    ASSERT_TRUE(find("missing-index", "visits"));
    ASSERT_EQ(engine_.unknown_plans(kNow).size(), 1U);
    PlanEvidence evidence;
    evidence.known = true;
    engine_.learn_plan(slow->key(), evidence);
    EXPECT_FALSE(find("missing-index", "visits"));
    // Indexes come and go: after a while it is looked at again.
    EXPECT_EQ(engine_.unknown_plans(kNow + 601 * kSecond).size(), 1U);
}

TEST_F(FindingsTest, AnAnswerNobodyAskedForIsNotKept) {
    PlanEvidence evidence;
    evidence.known = true;
    evidence.missing = true;
    engine_.learn_plan(4711, evidence);
    EXPECT_FALSE(find("missing-index"));
}

}  // namespace
}  // namespace howdah::insight::live
