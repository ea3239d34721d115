#include "migrate/lint/chains.hpp"

#include <gtest/gtest.h>

namespace howdah::migrate::lint {
namespace {

TEST(SqitchPlan, ChangesTagsAndNotes) {
    const SqitchPlan plan = read_sqitch_plan(
        "%syntax-version=1.0.0\n%project=flipr\n\n"
        "appschema 2012-06-14T19:44:51Z Marge N. O'Vera <marge@example.com> # Adds it all.\n"
        "@v1 2012-06-15T00:00:00Z Marge <marge@example.com> # first\n"
        "# a comment\n"
        "users [appschema !old] 2012-06-16T01:02:03Z Homer <h@example.com>\n"
        "bare\n");
    EXPECT_EQ(plan.project, "flipr");
    ASSERT_EQ(plan.changes.size(), 3U);
    EXPECT_EQ(plan.changes[0].name, "appschema");
    EXPECT_EQ(plan.changes[0].time, "2012-06-14T19:44:51Z");
    EXPECT_EQ(plan.changes[0].planner, "Marge N. O'Vera <marge@example.com>");
    EXPECT_EQ(plan.changes[0].line, 4U);
    EXPECT_EQ(plan.changes[1].time, "2012-06-16T01:02:03Z");
    EXPECT_EQ(plan.changes[1].planner, "Homer <h@example.com>");
    EXPECT_EQ(plan.changes[2].time, "");
    EXPECT_FALSE(plan.tagged);
    EXPECT_TRUE(read_sqitch_plan("a 2012-06-14T19:44:51Z M <m@x>\n@v1\n").tagged);
}

TEST(SqitchPlan, AnyBytes) {
    for (const std::string_view text :
         {"[", "a [", "a [b", "a #", "a >", "@", "%", "\n\n", "a [ ]"}) {
        EXPECT_LE(read_sqitch_plan(text).changes.size(), 1U) << text;
    }
}

TEST(Graphile, HeadBodyAndHash) {
    // The hashes are graphile-migrate 1.4.1's own.
    constexpr std::string_view kText =
        "--! Previous: -\n--! Hash: sha1:426e2da36547dfa27841a1418bf200546928df8e\n--! Message: "
        "make t\n\n"
        "create table t (id int primary key);\n";
    const GraphileFile file = read_graphile_file(kText);
    EXPECT_EQ(file.previous, "");
    EXPECT_EQ(file.message, "make t");
    EXPECT_EQ(file.hash_line, 2U);
    EXPECT_EQ(file.body, "create table t (id int primary key);");
    EXPECT_EQ(graphile_hash(file.body, file.previous),
              "sha1:426e2da36547dfa27841a1418bf200546928df8e");
    EXPECT_EQ(graphile_hash("select 1;\n", "sha1:abc"),
              "sha1:aead65df25aab4058bdc011b80a8055b558bc8c0");
}

}  // namespace
}  // namespace howdah::migrate::lint
