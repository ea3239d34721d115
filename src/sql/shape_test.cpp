#include "sql/shape.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sql/hash.hpp"

namespace howdah::sql {
namespace {

// The shape, or "-" where the text stands for itself.
std::string shape(std::string_view text) {
    static std::vector<char> buffer(64 * 1024);
    const Shape found = shape_of(text, buffer);
    return found.foldable ? std::string(found.canonical) : "-";
}

TEST(Shape, FoldsLiteralsCaseSpaceAndComments) {
    EXPECT_EQ(shape("SELECT * FROM t -- x\n WHERE a=17 AND b = $$it's$$"),
              "select * from t where a = 1 and b = 'x' ");
    EXPECT_EQ(shape("select\t1/*a/*b*/c*/,'x''y'"), "select 1 , 'x' ");
    EXPECT_EQ(shape("SELECT E'a\\'b\\\\', B'01', x'ff', N'n', .5, 1e10, 1.5E-3, 7."),
              "select 'x' , b'1' , x'1' , n'x' , 1.5 , 1.5 , 1.5 , 1.5 ");
    EXPECT_EQ(shape("SELECT $1, \"Quoted \"\"Name\"\"\", Name"),
              "select $1 , \"Quoted \"\"Name\"\"\" , name ");
    EXPECT_EQ(shape("BEGIN ; ;"), "begin ");
    EXPECT_EQ(shape(" ; "), "");
    EXPECT_EQ(shape(""), "");
}

TEST(Shape, IntegersByWhetherTheyFit) {
    EXPECT_EQ(shape("SELECT 2147483647, 2147483648, 0000000001, 99999999999"),
              "select 1 , 9999999999 , 1 , 9999999999 ");
}

TEST(Shape, OperatorsStayApart) {
    EXPECT_EQ(shape("SELECT a+-1, a + - 1, a<>b, a*/*c*/b, a--c"),
              "select a +- 1 , a + - 1 , a <> b , a * b , a ");
    EXPECT_EQ(shape("SELECT a::int, b[1:2], c := 1, 1..2"),
              "select a :: int , b [ 1 : 1 ] , c := 1 , 1 .. 1 ");
    EXPECT_EQ(shape("SELECT t.a, t.*, t.\"B\""), "select t . a , t . * , t . \"B\" ");
}

TEST(Shape, ListsAndRowsShrink) {
    EXPECT_EQ(shape("SELECT 1 WHERE a IN (1, 2,3)"), "select 1 where a in ( 1 ) ");
    EXPECT_EQ(shape("SELECT 1 WHERE a IN ('a','b')"), "select 1 where a in ( 'x' ) ");
    EXPECT_EQ(shape("SELECT 1 WHERE a IN (1, 'b')"), "select 1 where a in ( 1 , 'x' ) ");
    EXPECT_EQ(shape("SELECT 1 WHERE a IN (1, 1 + 2)"), "select 1 where a in ( 1 , 1 + 1 ) ");
    EXPECT_EQ(shape("SELECT 1 WHERE a IN ($1, $2)"), "select 1 where a in ( $1 , $2 ) ");
    EXPECT_EQ(shape("SELECT f(1, 2)"), "select f ( 1 , 1 ) ");
    EXPECT_EQ(shape("INSERT INTO t VALUES (1,'a'), (2,'b'),(3,'c') RETURNING a"),
              "insert into t values ( 1 , 'x' ) returning a ");
    EXPECT_EQ(shape("INSERT INTO t VALUES (1,f(2)), (2,f(3)), (3,NULL), (4,NULL)"),
              "insert into t values ( 1 , f ( 1 ) ) , ( 1 , null ) ");
    EXPECT_EQ(shape("SELECT * FROM (VALUES (1), (2)) a, (VALUES (1), (3)) b"),
              "select * from ( values ( 1 ) ) a , ( values ( 1 ) ) b ");
    EXPECT_EQ(shape("INSERT INTO t VALUES ((1)), ((2))"), "insert into t values ( ( 1 ) ) ");
    EXPECT_EQ(shape("INSERT INTO t VALUES (1), (2"), "insert into t values ( 1 ) , ( 1 ");
}

TEST(Shape, LiteralsThatDecideStay) {
    EXPECT_EQ(shape("SET a = 'PG_TEMP, b'"), "set a = 'PG_TEMP, b' ");
    EXPECT_EQ(shape("SELECT $a$x pg_temp y$a$"), "select $a$x pg_temp y$a$ ");
    EXPECT_EQ(shape("SELECT N'pg_temp'"), "select N'pg_temp' ");
    EXPECT_EQ(shape("SELECT 'pg_tem', '_____________', 'pgxtemp', 'pg_'"),
              "select 'x' , 'x' , 'x' , 'x' ");
    EXPECT_EQ(shape("SELECT ' Now ', 'today 10:00', '[2020-01-01,now)', 'nowhere', 'snow'"),
              "select ' Now ' , 'today 10:00' , '[2020-01-01,now)' , 'x' , 'x' ");
    EXPECT_EQ(shape("SELECT 1 IN ('now', 'now', 'a', 'b')"),
              "select 1 in ( 'now' , 'now' , 'x' , 'x' ) ");
}

TEST(Shape, WhatIsNotCertainStandsForItself) {
    EXPECT_EQ(shape("SELECT 'a'\n'b'"), "-");  // continues under the first one's rules
    EXPECT_EQ(shape("SELECT E'a'\n'b\\''"), "-");
    EXPECT_EQ(shape("SELECT E'\\x70'"), "-");  // an escape that spells a letter
    EXPECT_EQ(shape("SELECT E'\\p'"), "-");
    EXPECT_EQ(shape("SELECT U&'\\0041'"), "-");
    EXPECT_EQ(shape("SELECT u&\"a\""), "-");
    EXPECT_EQ(shape("SELECT 1a"), "-");  // "1 AS a" before PostgreSQL 15
    EXPECT_EQ(shape("SELECT 1e'\\'"), "-");
    EXPECT_EQ(shape("SELECT 0x1f"), "-");
    EXPECT_EQ(shape("SELECT 1_000"), "-");
    EXPECT_EQ(shape("SELECT $1a"), "-");
    EXPECT_EQ(shape("SELECT b'1''0'"), "-");
    EXPECT_EQ(shape("SELECT 'open"), "-");
    EXPECT_EQ(shape("SELECT \"open"), "-");
    EXPECT_EQ(shape("SELECT $a$open$b$"), "-");
    EXPECT_EQ(shape("SELECT /* open /* */"), "-");
    EXPECT_EQ(shape("SELECT \\d"), "-");
    EXPECT_EQ(shape(std::string_view("SELECT 1\0, 2", 12)), "-");
}

TEST(Shape, SaysWhetherThereWereComments) {
    std::vector<char> buffer(1024);
    EXPECT_FALSE(shape_of("SELECT '/*', '--'", buffer).has_comments);
    EXPECT_TRUE(shape_of("SELECT 1 /**/", buffer).has_comments);
    EXPECT_TRUE(shape_of("SELECT 1 --", buffer).has_comments);
}

// Whatever the room, nothing is written behind it, and what fits is what there is with more room.
TEST(Shape, NeverWritesBeyondTheBuffer) {
    const std::string_view text =
        "SELECT a, \"b\", 1.5, 'pg_temp', $a$now$a$, $1 FROM averyveryveryverylongname "
        "WHERE x IN (1,2,3) AND y = 'a' -- c";
    const std::string whole = shape(text);
    for (std::size_t room = 0; room < whole.size() + 64; ++room) {
        std::vector<char> buffer(room + 1, '#');
        const Shape found = shape_of(text, std::span(buffer).first(room));
        EXPECT_EQ(buffer.back(), '#');
        if (found.foldable) {
            EXPECT_EQ(found.canonical, whole);
        }
    }
}

TEST(TextHash, DiffersByTextLengthAndDomain) {
    const TextHasher hasher(7);
    std::vector<TextHash> seen;
    std::string text;
    for (int i = 0; i < 100; ++i) {
        seen.push_back(hasher.hash(text, 1));
        seen.push_back(hasher.hash(text, 2));
        text += '\0';
    }
    for (std::size_t i = 0; i < seen.size(); ++i) {
        for (std::size_t j = i + 1; j < seen.size(); ++j) {
            EXPECT_FALSE(seen[i] == seen[j]) << i << " " << j;
        }
    }
    EXPECT_EQ(hasher.hash("abc", 1), TextHasher(7).hash("abc", 1));
    EXPECT_FALSE(hasher.hash("abc", 1) == TextHasher(8).hash("abc", 1));
    EXPECT_FALSE(TextHasher(0).hash("abc", 1) == TextHasher(0).hash("abc", 1));
}

// The lanes are the polynomials that the header promises: sum of chunks times powers, modulo p.
TEST(TextHash, IsThePolynomial) {
    constexpr std::uint64_t kPrime = (1ULL << 61U) - 1;
    // With one chunk c, domain d and length n: ((d x^2 + c x) x^2 + n), whatever x is. Two texts of
    // equal length differ by (c - c') x^3 alone, so equal differences of chunks give equal
    // differences of hashes.
    const TextHasher hasher(99);
    const auto difference = [&](const char* a, const char* b) {
        const std::uint64_t left = hasher.hash(a, 1).first;
        const std::uint64_t right = hasher.hash(b, 1).first;
        return (left + kPrime - right) % kPrime;
    };
    EXPECT_EQ(difference("b", "a"), difference("z", "y"));
    EXPECT_NE(difference("b", "a"), difference("z", "x"));
}

TEST(TextHash, OneBitAnywhereChangesBothLanes) {
    const TextHasher hasher(3);
    std::string text(200, 'a');
    const TextHash before = hasher.hash(text, 1);
    for (char& c : text) {
        c = static_cast<char>(c ^ 1);
        const TextHash after = hasher.hash(text, 1);
        EXPECT_NE(after.first, before.first);
        EXPECT_NE(after.second, before.second);
        c = static_cast<char>(c ^ 1);
    }
}

}  // namespace
}  // namespace howdah::sql
