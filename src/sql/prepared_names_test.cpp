#include "sql/prepared_names.hpp"

#include <gtest/gtest.h>

namespace howdah::sql {
namespace {

// "kind written>name" of each, the body of a PREPARE in brackets.
std::string found(std::string_view text, TextRules rules = {}) {
    std::string all;
    for (const PreparedNameUse& use : prepared_names(text, rules)) {
        const char* kinds[] = {"P", "E", "D", "A"};
        all += all.empty() ? "" : " ";
        all += kinds[static_cast<std::size_t>(use.kind)];
        all += ":" + std::string(text.substr(use.begin, use.end - use.begin)) + ">" + use.name;
        if (use.body_end > use.body_begin) {
            all +=
                "[" + std::string(text.substr(use.body_begin, use.body_end - use.body_begin)) + "]";
        }
    }
    return all;
}

TEST(PreparedNames, WhereTheyStand) {
    EXPECT_EQ(found("PREPARE p AS SELECT 1;"), "P:p>p[SELECT 1]");
    EXPECT_EQ(found("prepare P1 (int, numeric(10,2)) as select $1 -- x"), "P:P1>p1[select $1]");
    EXPECT_EQ(found("PREPARE \"A \"\"b\" AS SELECT 1"), "P:\"A \"\"b\">A \"b[SELECT 1]");
    EXPECT_EQ(found("EXECUTE p(1, 'x')"), "E:p>p");
    EXPECT_EQ(found("/* c */ EXECUTE/**/p"), "E:p>p");
    EXPECT_EQ(found("DEALLOCATE p"), "D:p>p");
    EXPECT_EQ(found("DEALLOCATE PREPARE P"), "D:P>p");
    EXPECT_EQ(found("DEALLOCATE prepare"), "D:prepare>prepare");
    EXPECT_EQ(found("DEALLOCATE \"all\""), "D:\"all\">all");
    EXPECT_EQ(found("EXPLAIN EXECUTE p"), "E:p>p");
    EXPECT_EQ(found("EXPLAIN ANALYZE VERBOSE EXECUTE p"), "E:p>p");
    EXPECT_EQ(found("EXPLAIN (ANALYZE, FORMAT json) EXECUTE p (1)"), "E:p>p");
    EXPECT_EQ(found("CREATE TEMP TABLE t (a, b) AS EXECUTE p(1) WITH NO DATA"), "E:p>p");
    EXPECT_EQ(found("CREATE TABLE IF NOT EXISTS s.t AS EXECUTE p"), "E:p>p");
    EXPECT_EQ(found("EXPLAIN CREATE UNLOGGED TABLE t AS EXECUTE p"), "E:p>p");
    EXPECT_EQ(found("BEGIN; PREPARE a AS SELECT ';'; EXECUTE a; DEALLOCATE a; COMMIT"),
              "P:a>a[SELECT ';'] E:a>a D:a>a");
}

TEST(PreparedNames, WhatIsNone) {
    EXPECT_EQ(found("PREPARE TRANSACTION 'x'"), "");
    EXPECT_EQ(found("DEALLOCATE ALL"), "A:>");
    EXPECT_EQ(found("DEALLOCATE PREPARE ALL"), "A:>");
    EXPECT_EQ(found("GRANT EXECUTE ON FUNCTION f TO p"), "");
    EXPECT_EQ(found("CREATE TRIGGER t AFTER INSERT ON u EXECUTE FUNCTION f()"), "");
    EXPECT_EQ(found("SELECT 'EXECUTE p'; SELECT execute FROM t"), "");
    EXPECT_EQ(found("DO $$ EXECUTE p $$"), "");
    EXPECT_EQ(found("CREATE TABLE t AS SELECT 1"), "");
    EXPECT_EQ(found("EXECUTE"), "");
    EXPECT_EQ(found("EXECUTE 'x'"), "");
    EXPECT_EQ(found("EXPLAIN (EXECUTE p"), "");
    EXPECT_EQ(found("EXECUTE \"open"), "");
    EXPECT_EQ(found(""), "");
}

TEST(PreparedNames, UnicodeEscapesEndTheList) {
    EXPECT_EQ(found("EXECUTE a; EXECUTE U&\"d!0061t\" UESCAPE '!'; EXECUTE b"), "E:a>a");
}

TEST(PreparedNames, UnreadableTextHasNone) {
    EXPECT_EQ(found("EXECUTE a; SELECT '\\'", {.standard_conforming_strings = false}), "");
    EXPECT_EQ(found("EXECUTE \"\xff\""), "");
}

TEST(PreparedNames, AreCutAsPostgresCutsThem) {
    const std::string name(70, 'a');
    EXPECT_EQ(prepared_names("EXECUTE " + name)[0].name, std::string(63, 'a'));
    // The 63rd byte would cut a character in half.
    const std::string wide = std::string(62, 'a') + "\xc3\xa4";
    EXPECT_EQ(prepared_names("EXECUTE \"" + wide + "\"")[0].name, std::string(62, 'a'));
}

}  // namespace
}  // namespace howdah::sql
