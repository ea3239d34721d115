#include "sql/statement_cache.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "base/prng.hpp"
#include "sql/builtins.hpp"

namespace howdah::sql {
namespace {

TEST(StatementCache, SameTextThenSameShapeThenNothingParsed) {
    StatementCache cache(100, 1 << 20, 1);
    const Statement* first = cache.analyze("SELECT a FROM t WHERE id = 1");
    EXPECT_EQ(cache.counters().parses, 1U);
    EXPECT_EQ(cache.analyze("SELECT a FROM t WHERE id = 1"), first);
    EXPECT_EQ(cache.counters().text_hits, 1U);
    EXPECT_EQ(cache.analyze("select a\n from t where id=22 -- x"), first);
    EXPECT_EQ(cache.counters().shape_hits, 1U);
    EXPECT_EQ(cache.counters().parses, 1U);
    EXPECT_EQ(first->effects, kReadOnly);
    EXPECT_EQ(first->kind, StatementKind::kSelect);
    EXPECT_EQ(first->statement_count, 1U);
    EXPECT_EQ(first->normalized, "select a from t where id = $1");
    EXPECT_EQ(first->tables_read, (std::vector<Name>{{"", "t"}}));
    EXPECT_NE(first->fingerprint, 0U);
}

// The memo is asked before the table of texts as long as it is what answers.
TEST(StatementCache, TheSameAnswerWhicheverIsAskedFirst) {
    const std::string before = "SELECT alpha FROM t WHERE id = ";
    StatementCache cache(100, 1 << 20, 1);
    const auto first = cache.lookup(before + "1");
    cache.lookup(before + "2");
    const auto by_memo = cache.lookup(before + "3");
    ASSERT_NE(by_memo.literals, nullptr);
    EXPECT_EQ(cache.counters().shape_hits, 2U);
    EXPECT_EQ(cache.lookup("BEGIN").statement->kind, StatementKind::kTransaction);
    EXPECT_EQ(cache.lookup("BEGIN").statement->kind, StatementKind::kTransaction);
    const auto again = cache.lookup(before + "1");  // in the table too, but the memo is asked
    EXPECT_EQ(cache.counters().shape_hits, 3U);
    EXPECT_EQ(again.statement, first.statement);
    EXPECT_EQ(again.text_id, first.text_id);
    ASSERT_NE(again.literals, nullptr);
    EXPECT_EQ(again.literals->at[0].begin, before.size());

    const std::string unreadable = before + "4" + std::string(1, '\0');
    EXPECT_TRUE(cache.analyze(unreadable)->has(kUnparsed));
    EXPECT_EQ(cache.counters().refused, 1U);
    const std::string other = "UPDATE t SET alpha = beta";  // no literal: the table's
    const Statement* update = cache.analyze(other);
    EXPECT_EQ(cache.analyze(other), update);
    EXPECT_EQ(update->effects, kWrite);
    cache.lookup(before + "1");  // the table is asked first again
    EXPECT_EQ(cache.counters().shape_hits, 3U);
}

TEST(StatementCache, TextIdAndComments) {
    StatementCache cache(100, 1 << 20, 1);
    const auto plain = cache.lookup("SELECT 1");
    const auto tagged = cache.lookup("SELECT 1 /*a='b'*/");
    EXPECT_EQ(plain.statement, tagged.statement);
    EXPECT_NE(plain.text_id, tagged.text_id);
    EXPECT_FALSE(plain.has_comments);
    EXPECT_TRUE(tagged.has_comments);
    EXPECT_EQ(cache.lookup("SELECT 1").text_id, plain.text_id);
    EXPECT_TRUE(cache.lookup("SELECT 1 /*a='b'*/").has_comments);
}

TEST(StatementCache, OtherFactsOfAStatement) {
    StatementCache cache(100, 1 << 20, 1);
    EXPECT_EQ(cache.analyze("SELECT $2, $1")->params_max, 2U);
    EXPECT_EQ(cache.analyze("SELECT $99999")->params_max, 65535U);
    EXPECT_FALSE(cache.analyze("SELECT a = $1")->has_list);
    EXPECT_TRUE(cache.analyze("SELECT a = ANY($1)")->has_list);
    EXPECT_TRUE(cache.analyze("SELECT a IN (1,2)")->has_list);
    EXPECT_TRUE(cache.analyze("SELECT 'now'::timestamp")->clock_literal);
    EXPECT_FALSE(cache.analyze("SELECT '2020-01-01'::timestamp")->clock_literal);
    EXPECT_TRUE(cache.analyze("SELECT ' TODAY'::timestamp")->clock_literal);
    EXPECT_EQ(cache.analyze("SELECT 1; SELECT 2; SELECT 3")->statement_count, 3U);
    EXPECT_EQ(cache.analyze("/**/")->kind, StatementKind::kEmpty);
    EXPECT_EQ(cache.analyze("SELEC")->kind, StatementKind::kUnparsed);
    EXPECT_NE(cache.analyze("SELEC")->fingerprint, 0U);
}

TEST(StatementCache, BulkInsertIsOneRow) {
    StatementCache cache(100, 1 << 20, 1);
    std::string text = "INSERT INTO t VALUES (0, 'a')";
    const Statement* one = cache.analyze(text);
    while (text.size() < 900'000) {
        text += ", (" + std::to_string(text.size()) + ", 'some text')";
    }
    EXPECT_EQ(cache.analyze(text), one);
    EXPECT_EQ(one->effects, kWrite);
    EXPECT_EQ(cache.counters().parses, 1U);
    // A shape of its own that is too long to parse.
    EXPECT_TRUE(cache.analyze(text + " RETURNING " + std::string(70'000, 'a'))->has(kUnparsed));
}

// A text whose literals do not parse must not speak for others of its shape.
TEST(StatementCache, FailureStaysWithItsText) {
    StatementCache cache(100, 1 << 20, 1);
    EXPECT_TRUE(cache.analyze("SELECT 1::float(99)")->has(kReadOnly));
    EXPECT_EQ(cache.analyze("EXPLAIN (ANALYZE 'off') DELETE FROM t")->effects, kEffectNone);
    EXPECT_EQ(cache.analyze("EXPLAIN (ANALYZE 'on') DELETE FROM t")->effects, kWrite);
    EXPECT_EQ(cache.analyze("EXPLAIN (ANALYZE 'off') DELETE FROM t -- x")->effects, kEffectNone);
    const auto parses = cache.counters().parses;
    EXPECT_EQ(cache.analyze("EXPLAIN (ANALYZE 'on') DELETE FROM t")->effects, kWrite);
    EXPECT_EQ(cache.counters().parses, parses);
}

TEST(StatementCache, RefusesWhatItCannotRead) {
    StatementCache cache(100, 1 << 20, 1);
    constexpr std::uint32_t kRefused = kUnparsed | kUnknownCode | kWrite;
    EXPECT_EQ(cache.analyze("SELECT '\xff'")->effects, kRefused);
    EXPECT_EQ(cache.analyze(std::string_view("SELECT 1\0", 9))->effects, kRefused);
    EXPECT_EQ(cache.analyze("SELECT '" + std::string(2'000'000, 'x') + "'")->effects, kRefused);
    constexpr TextRules kBackslashes{.standard_conforming_strings = false};
    EXPECT_EQ(cache.analyze("SELECT '\\'", kBackslashes)->effects, kRefused);
    EXPECT_EQ(cache.counters().refused, 4U);
    EXPECT_EQ(cache.counters().parses, 0U);
    // The same bytes under other rules are another text.
    EXPECT_EQ(cache.analyze("SELECT '\\'")->effects, kReadOnly);
    EXPECT_EQ(cache.analyze("SELECT '\\'", kBackslashes)->effects, kRefused);
    EXPECT_EQ(cache.analyze("SELECT '\xff'", {.encoding = Encoding::kOneByte})->effects, kReadOnly);
    EXPECT_EQ(cache.analyze("SELECT '\xc3\xa4'", {.encoding = Encoding::kUnsafe})->effects,
              kRefused);
}

TEST(StatementCache, DeepNestingIsUnparsedNotACrash) {
    StatementCache cache(100, 1 << 20, 1);
    for (const char* level : {"(", "1+", "- ", "NOT ", "ARRAY[", "CASE WHEN ", "a.b(", "SELECT("}) {
        std::string text = "SELECT ";
        while (text.size() < 60'000) {
            text += level;
        }
        EXPECT_TRUE(cache.analyze(text + "1")->has(kUnparsed)) << level;
    }
    // The literal goes on behind the line break, so the parentheses are not in it.
    EXPECT_TRUE(
        cache.analyze("SELECT E'a'\n'\\'', " + std::string(60'000, '(') + "'")->has(kUnparsed));
}

// The deepest texts that are still parsed, on a stack like a loop thread's: walking them and taking
// their fingerprint must not overrun it.
TEST(StatementCache, AsDeepAsIsParsed) {
    constexpr std::pair<const char*, const char*> kLevels[] = {{"(", ")"},
                                                               {"1 + ", ""},
                                                               {"NOT ", ""},
                                                               {"ARRAY[", "]"},
                                                               {"CASE WHEN true THEN ", " END"},
                                                               {"f(", ")"},
                                                               {"(SELECT ", ")"},
                                                               {"- ", ""},
                                                               {"a || f(1, ", ")"}};
    std::thread loop([&] {
        for (const auto& [open, close] : kLevels) {
            std::size_t deepest = 0;
            for (std::size_t step = 1 << 14; step > 0; step /= 2) {
                std::string text = "SELECT ";
                const std::size_t levels = deepest + step;
                for (std::size_t i = 0; i < levels; ++i) {
                    text += open;
                }
                text += "1";
                for (std::size_t i = 0; i < levels; ++i) {
                    text += close;
                }
                deepest = analyze(text)->has(kUnparsed) ? deepest : levels;
            }
            EXPECT_GT(deepest, 100U) << open;
        }
    });
    loop.join();
}

// Only the code tells one DO from another; nothing learned about one may count for the other.
TEST(StatementCache, DoBlocksAreNeverTakenForEachOther) {
    StatementCache cache(100, 1 << 20, 1);
    const StatementRef clean(cache.analyze("DO $$ BEGIN PERFORM 1; END $$"));
    const StatementRef dirty(cache.analyze("DO $$ BEGIN SET a.b = 'c'; END $$"));
    EXPECT_NE(clean->fingerprint, dirty->fingerprint);
    EXPECT_EQ(cache.analyze("DO $$ BEGIN PERFORM 1; END $$"), clean.get());
    EXPECT_EQ(cache.counters().parses, 2U);
}

TEST(StatementCache, KeepsItsLimits) {
    constexpr std::size_t kEntries = 50;
    constexpr std::size_t kBytes = 20'000;
    StatementCache cache(kEntries, kBytes, 1);
    for (int i = 0; i < 1000; ++i) {
        const std::string text = "SELECT a" + std::to_string(i) + " FROM t";
        EXPECT_EQ(cache.analyze(text)->normalized, "select a" + std::to_string(i) + " from t");
        EXPECT_LE(cache.counters().entries, kEntries);
        EXPECT_LE(cache.counters().bytes, kBytes);
    }
    EXPECT_EQ(cache.counters().parses, 1000U);
    EXPECT_EQ(cache.counters().evictions, 1000U - cache.counters().entries);
    EXPECT_GT(cache.counters().entries, 10U);
}

TEST(StatementCache, WhatIsUsedStays) {
    StatementCache cache(10, 1 << 20, 1);
    for (int i = 0; i < 200; ++i) {
        cache.analyze("SELECT hot FROM t WHERE a = " + std::to_string(i));
        cache.analyze("SELECT a" + std::to_string(i));
    }
    EXPECT_EQ(cache.counters().parses, 201U);
}

TEST(StatementCache, AStatementTooLargeIsStillAnswered) {
    StatementCache cache(10, 600, 1);
    const std::string text = "SELECT " + std::string(500, 'a');
    EXPECT_EQ(cache.analyze(text)->normalized.size(), text.size());
    EXPECT_EQ(cache.counters().entries, 0U);
    EXPECT_TRUE(cache.analyze("SELECT 1")->has(kReadOnly));
}

TEST(StatementCache, AReferenceOutlivesCacheAndThread) {
    StatementRef kept;
    {
        StatementCache cache(1, 1 << 20, 1);
        kept = StatementRef(cache.analyze("SELECT a FROM t"));
        cache.analyze("SELECT b FROM t");
    }
    std::thread other([copy = kept] { EXPECT_EQ(copy->normalized, "select a from t"); });
    other.join();
    EXPECT_EQ(kept->normalized, "select a from t");
}

// A small model: whatever is evicted and found again, the facts are those of the text.
TEST(StatementCache, RandomUseGivesTheFactsOfTheText) {
    StatementCache cache(16, 8'000, 5);
    Prng prng(11);
    for (int i = 0; i < 20'000; ++i) {
        const std::string column = "c" + std::to_string(prng.below(40));
        const bool write = prng.chance(0.5);
        const std::string literal = std::to_string(prng.below(1000));
        const std::string text = write ? "DELETE FROM " + column + " WHERE x = " + literal
                                       : "SELECT " + column + " WHERE x = " + literal;
        const Statement* statement = cache.analyze(text);
        ASSERT_EQ(statement->effects, write ? kWrite : kReadOnly) << text;
        ASSERT_EQ(statement->normalized.find(column + " "), write ? 12U : 7U) << text;
    }
    EXPECT_GT(cache.counters().text_hits, 0U);
    EXPECT_GT(cache.counters().shape_hits, 0U);
    EXPECT_GT(cache.counters().evictions, 100U);
}

TEST(Builtins, VolatilityAsPostgresKnowsIt) {
    EXPECT_EQ(builtin_volatility("lower"), Volatility::kImmutable);
    EXPECT_EQ(builtin_volatility("now"), Volatility::kStable);
    EXPECT_EQ(builtin_volatility("random"), Volatility::kVolatile);
    EXPECT_EQ(builtin_volatility("uuidv7"), Volatility::kVolatile);
    EXPECT_EQ(builtin_volatility("abbrev"), Volatility::kImmutable);  // first of its table
    EXPECT_EQ(builtin_volatility("zzz"), Volatility::kUnknown);
    EXPECT_EQ(builtin_volatility(""), Volatility::kUnknown);
    EXPECT_EQ(builtin_volatility("lower upper"), Volatility::kUnknown);
    EXPECT_EQ(builtin_volatility("LOWER"), Volatility::kUnknown);
}

}  // namespace
}  // namespace howdah::sql
