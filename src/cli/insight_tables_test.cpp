#include "cli/insight_tables.hpp"

#include <gtest/gtest.h>

namespace howdah::cli {
namespace {

TEST(Wrapped, BreaksAtBlanks) {
    EXPECT_EQ(wrapped("select a from t where b = $1", 12), "select a\nfrom t where\nb = $1");
    EXPECT_EQ(wrapped("short", 12), "short");
    EXPECT_EQ(wrapped("", 12), "");
    EXPECT_EQ(wrapped("exactly ten", 11), "exactly ten");
}

TEST(Wrapped, WhatHasNoBlankIsCut) {
    EXPECT_EQ(wrapped("abcdefghij", 4), "abcd\nefgh\nij");
    EXPECT_EQ(wrapped("ab cdefghij", 4), "ab\ncdef\nghij");
}

TEST(Wrapped, LinesThatAreThereStay) {
    EXPECT_EQ(wrapped("one two\nthree", 5), "one\ntwo\nthree");
}

TEST(Wrapped, CountsCharacters) {
    const std::string three = "\xc3\xa4\xc3\xb6\xc3\xbc";
    EXPECT_EQ(wrapped(three + " " + three, 4), three + "\n" + three);
    EXPECT_EQ(wrapped(three + three, 3), three + "\n" + three);
}

TEST(InsightTables, EachHasItsColumns) {
    for (const auto& [what, column] :
         {std::pair("queries", "query"), std::pair("queries_full", "query"),
          std::pair("findings", "finding"), std::pair("findings_full", "last_seen")}) {
        EXPECT_EQ(empty_table(what).columns.back().first, column) << what;
    }
}

}  // namespace
}  // namespace howdah::cli
