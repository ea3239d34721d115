#include "sql/redact.hpp"

#include <gtest/gtest.h>

#include "sql/statement_cache.hpp"

namespace howdah::sql {
namespace {

TEST(Redact, EveryKindOfLiteralWhereverItStands) {
    EXPECT_EQ(redact("SELECT 'secret', E'se\\'cret', 42, 1.5e3, B'1', x'ff', $$secret$$, $a$s$a$"),
              "SELECT ?, ?, ?, ?, ?, ?, ?, ?");
    EXPECT_EQ(redact("ALTER ROLE alice PASSWORD 'secret'"), "ALTER ROLE alice PASSWORD ?");
    EXPECT_EQ(redact("SELECT $1, a1, \"b2\" /* secret */ -- secret"), "SELECT $1, a1, \"b2\"    ");
    EXPECT_EQ(redact("SELECT 1 /* a /* secret */ b */, 2"), "SELECT ?  , ?");
}

TEST(Redact, FromTheFirstDoubtOnEverything) {
    EXPECT_EQ(redact("SELECT 1, 'secret"), "SELECT ?, ?");
    EXPECT_EQ(redact("SELECT \"a\", \"secret"), "SELECT \"a\", ?");
    EXPECT_EQ(redact("SELECT $x$ secret"), "SELECT ?");
    EXPECT_EQ(redact("SELECT E'a'\n'b\\' secret'"), "SELECT ?");
    EXPECT_EQ(redact("SELECT E'a' 'b\\' secret'"), "SELECT ? ?");
    EXPECT_EQ(redact("SELECT 1 /* secret"), "SELECT ?  ");
    EXPECT_EQ(redact("SELECT 1secret, secret"), "SELECT ??");
}

TEST(Redact, UnreadableTextsVanish) {
    constexpr TextRules kBackslashes{.standard_conforming_strings = false};
    EXPECT_EQ(redact("SELECT 'a\\' secret'", kBackslashes), "<redacted>");
    EXPECT_EQ(redact("SELECT 'a'", kBackslashes), "SELECT ?");
    EXPECT_EQ(redact("SELECT '\xff'"), "<redacted>");
    EXPECT_EQ(redact("SELECT '\xff'", {.encoding = Encoding::kOneByte}), "SELECT ?");
    EXPECT_EQ(redact("SELECT '\xc3\xa4'", {.encoding = Encoding::kUnsafe}), "<redacted>");
    EXPECT_EQ(redact(std::string_view("SELECT 1\0", 9)), "<redacted>");
}

TEST(Redact, NormalizeIsOneLineWithNumberedParameters) {
    EXPECT_EQ(normalize("SELECT  *\nFROM T WHERE a=$2 AND b = 'x' /* c */ AND c IN (1,2)"),
              "select * from t where a = $2 and b = $3 and c in ($4, $5)");
    EXPECT_EQ(normalize("insert into T(a) values(now(), 'A'::text, x.\"Y\", a[1])"),
              "insert into t(a) values (now(), $1::text, x.\"Y\", a[$2])");
}

TEST(Redact, WordsGluedToAParameterAreALiteral) {
    EXPECT_EQ(redact("SELECT $1secret, secret"), "SELECT $1?");
}

TEST(Redact, ATextThatIsNoSqlEndsWithItsFirstString) {
    EXPECT_EQ(normalize_unparsed("insert into T values ('it's secret', 'it's secret', 5)"),
              "insert into t values ($1");
    EXPECT_EQ(normalize_unparsed("values (7, 'rock ' secret', '')"), "values ($1, $2");
    EXPECT_EQ(normalize_unparsed("selec $2 where a = 5"), "selec $2 where a = $3");
    // The shape as much as the text: both may be what does not parse.
    for (const char* text : {"insert into t values ('it's secret', 'it's secret')",
                             "insert into t values ('it's secret')", "selec E'a\\' secret'"}) {
        const StatementRef statement = analyze(text);
        EXPECT_TRUE(statement->has(kUnparsed)) << text;
        EXPECT_EQ(statement->normalized.find("secret"), std::string::npos) << statement->normalized;
    }
}

TEST(Redact, MalformedUtf8) {
    const TextRules rules;
    for (const std::string_view bad :
         {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\xff"}) {
        EXPECT_FALSE(is_readable(bad, rules)) << bad;
    }
    for (const std::string_view good : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xed\x9f\xbf",
                                        "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(is_readable(good, rules)) << good;
    }
}

}  // namespace
}  // namespace howdah::sql
