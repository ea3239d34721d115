#include "insight/dump.hpp"

#include <gtest/gtest.h>

#include "insight/live.hpp"

namespace howdah::insight {
namespace {

TEST(StatementsDump, CsvWithQuotesAndNewlines) {
    const auto found = read_statements_dump(
        "userid,query,calls,total_exec_time\n"
        "10,\"select \"\"id\"\"\nfrom t where a = $1\",3,1.5\n"
        "10,delete from t,2,8\n");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].sql, "select \"id\"\nfrom t where a = $1");
    EXPECT_EQ(found[0].line, 2U);
    EXPECT_EQ(found[0].calls, 3);
    EXPECT_EQ(found[1].line, 4U);
    EXPECT_EQ(found[1].total_ms, 8);
}

TEST(StatementsDump, OlderServersNameTheTimeOtherwise) {
    const auto found = read_statements_dump("query,calls,total_time\nselect 1,4,2.5\n");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].total_ms, 2.5);
}

TEST(StatementsDump, AnArrayAndLinesOfJson) {
    for (const char* text :
         {R"([{"query":"select 1","calls":"4","total_exec_time":2}])",
          "{\"query\":\"select 1\",\"calls\":4,\"total_exec_time\":2}\nnoise\n"}) {
        const auto found = read_statements_dump(text);
        ASSERT_EQ(found.size(), 1U) << text;
        EXPECT_EQ(found[0].calls, 4);
        EXPECT_EQ(found[0].total_ms, 2);
    }
}

TEST(StatementsDump, ARunningHowdahsAnswer) {
    const auto found = read_statements_dump(
        R"({"schema":"howdah.queries/1","queries":[
            {"text":"select id from t where a = $1","text_cut":false,"calls":9,"server_ms":4.5},
            {"text":"select id from t where b","text_cut":true,"calls":9,"server_ms":4.5}]})");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].sql, "select id from t where a = $1");
    EXPECT_EQ(found[0].total_ms, 4.5);
}

TEST(StatementsDump, TheSameStatementIsAddedUp) {
    const auto found =
        read_statements_dump("query,calls,total_exec_time\nselect 1,1,1\nselect 2,10,5\n");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].calls, 11);
    EXPECT_EQ(found[0].total_ms, 6);
}

TEST(StatementsDump, NoiseHoldsNothing) {
    for (const char* text :
         {"", "\n", "a,b\n1,2\n", "{", "[", "[1,2]", "\"", "query", "{\"queries\":1}"}) {
        EXPECT_TRUE(read_statements_dump(text).empty()) << text;
    }
}

TEST(ServerLog, StatementsOverSeveralLines) {
    const auto found = read_log(
        "x LOG:  statement: select a\n\tfrom t\n\twhere b = 1\n"
        "x ERROR:  syntax error\n"
        "x LOG:  duration: 12.250 ms  execute <unnamed>: delete from t\n"
        "x LOG:  duration: 1.000 ms  bind <unnamed>: delete from t\n");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].sql, "select a\nfrom t\nwhere b = 1");
    EXPECT_EQ(found[1].sql, "delete from t");
    EXPECT_EQ(found[1].line, 5U);
    EXPECT_EQ(found[1].total_ms, 12.25);
    EXPECT_EQ(found[1].calls, 1);
}

TEST(ServerLog, CsvHasTheMessageInItsFourteenthColumn) {
    const auto found = read_log(
        "t,u,d,1,h,s,1,tag,st,v,0,LOG,00000,\"duration: 3 ms  statement: select 1,2\",,,,,,,,,a\n");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].sql, "select 1,2");
    EXPECT_EQ(found[0].total_ms, 3);
}

// LiveStats
TEST(LiveStats, FindsByShapeWhatAnOrmSends) {
    const std::vector<DumpStatement> statements = {
        {.sql = R"(SELECT "public"."orders"."id" FROM "public"."orders" )"
                R"(WHERE "public"."orders"."email" = $1 LIMIT $2)",
         .calls = 20,
         .total_ms = 50},
        {.sql = "select count(*) from orders where email = $1", .calls = 4, .total_ms = 4}};
    const LiveStats live(statements, 2);
    const auto found = live.of_shape(shape_key("select", "orders", {"email"}));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->calls_a_day, 10);
    EXPECT_EQ(found->milliseconds_a_day, 25);
    EXPECT_EQ(found->mean_ms, 2.5);
    EXPECT_EQ(live.of_shape(shape_key("aggregate", "orders", {"email"}))->calls_a_day, 2);
    EXPECT_FALSE(live.of_shape(shape_key("select", "orders", {"id"})));
    EXPECT_FALSE(live.of_fingerprint(1));
}

TEST(LiveStats, ColumnsOfAShapeHaveNoOrder) {
    EXPECT_EQ(shape_key("select", "public.t", {"b", "a", "b"}),
              shape_key("select", "t", {"a", "b"}));
}

}  // namespace
}  // namespace howdah::insight
