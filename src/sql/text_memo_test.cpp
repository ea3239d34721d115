// TextMemo against the shape lexer: whatever it recognises, the lexer must find to have the shape
// of what was remembered, with the same literals in the same places.
#include "sql/text_memo.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.hpp"
#include "sql/shape.hpp"
#include "sql/tokens.hpp"

namespace howdah::sql {
namespace {

struct Seen {
    std::string canonical;
    bool foldable = false;
    Literals literals;
};

Seen lex(std::string_view text) {
    static std::vector<char> buffer(8192);
    Seen seen;
    const Shape shape = shape_of(text, buffer, &seen.literals);
    seen.foldable = shape.foldable;
    seen.canonical = shape.canonical;
    return seen;
}

void remember(TextMemo& memo, std::string_view text, std::uint32_t entry) {
    const Seen seen = lex(text);
    ASSERT_TRUE(seen.foldable) << text;
    memo.remember(text, seen.literals, {.entry = entry, .generation = 7, .has_comments = false});
}

std::vector<std::string> values(std::string_view text, const Literals& literals) {
    std::vector<std::string> found;
    for (std::size_t i = 0; i < literals.count; ++i) {
        const Literal& literal = literals.at[i];
        found.emplace_back(text.substr(literal.begin, literal.end - literal.begin));
    }
    return found;
}

TEST(TextMemo, RecognisesOtherValues) {
    TextMemo memo;
    remember(memo, "SELECT abalance FROM accounts WHERE aid = 17 AND name = 'x';", 3);
    Literals literals;
    const std::string text = "SELECT abalance FROM accounts WHERE aid = 4 AND name = 'it''s';";
    const TextMemo::Known* known = memo.find(text, literals);
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->entry, 3U);
    EXPECT_EQ(known->generation, 7U);
    EXPECT_EQ(values(text, literals), (std::vector<std::string>{"4", "'it''s'"}));
}

TEST(TextMemo, KeepsKindsAndPiecesApart) {
    TextMemo memo;
    remember(memo, "SELECT abalance FROM accounts WHERE aid = 17 AND name = 'x'", 1);
    Literals literals;
    for (const std::string_view other : {
             "SELECT abalance FROM accounts WHERE aid = 17 AND name = 'x' ",
             "SELECT abalance FROM accounts WHERE aid = 17 AND name = 'x",
             "SELECT abalance FROM accounts WHERE aid = 17 AND name = 'x''",
             "SELECT abalance FROM accounts WHERE aid = 17 AND name = 5",
             "SELECT abalance FROM accounts WHERE aid = 17 AND name = E'x'",
             "SELECT abalance FROM accounts WHERE aid = 17 AND name = 'now'",
             "SELECT abalance FROM accounts WHERE aid = 17 AND name = 'pg_temp.x'",
             "SELECT abalance FROM accounts WHERE aid = 1.7 AND name = 'x'",
             "SELECT abalance FROM accounts WHERE aid = .7 AND name = 'x'",
             "SELECT abalance FROM accounts WHERE aid = 17e1 AND name = 'x'",
             "SELECT abalance FROM accounts WHERE aid = 17000000000 AND name = 'x'",
             "SELECT abalance FROM accounts WHERE aid = -17 AND name = 'x'",
             "SELECT abalance FROM accounts WHERE aid = 0x17 AND name = 'x'",
             "SELECT abalance FROM accounts WHERE aid = 17a AND name = 'x'",
             "SELECT abalance FROM accounts WHERE aid = a17 AND name = 'x'",
             "SELECT abalance FROM accounts WHERE Aid = 17 AND name = 'x'",
             "SELECT abalance FROM accounts WHERE aid = ",
             "SELECT abalance FROM accounts WHERE aid = 1",
         }) {
        EXPECT_EQ(memo.find(other, literals), nullptr) << other;
    }
}

// "x5.0" is the word x5 and .0; "x.5" is x and .5.
TEST(TextMemo, DoesNotRememberWhatTouches) {
    TextMemo memo;
    Literals literals;
    for (const auto& [first, second] : std::vector<std::pair<std::string, std::string>>{
             {"SELECT aaaaaaaaaaaaaa x.5 FROM t", "SELECT aaaaaaaaaaaaaa x5.0 FROM t"},
             {"SELECT aaaaaaaaaaaaaa, 5'a'", "SELECT aaaaaaaaaaaaaa, 6'b'"},
             {"SELECT aaaaaaaaaaaaaa, E'a'", "SELECT aaaaaaaaaaaaaa, E'b'"},
             {"SELECT aaaaaaaaaaaaaa, $$a$$", "SELECT aaaaaaaaaaaaaa, $$b$$"},
             {"SELECT 5, aaaaaaaaaaaaaa", "SELECT 6, aaaaaaaaaaaaaa"},
             {"SELECT aaaaaaaaaaaaaa, 1, 2, 3, 4, 5, 6, 7, 8, 9",
              "SELECT aaaaaaaaaaaaaa, 1, 2, 3, 4, 5, 6, 7, 8, 'x'"}}) {
        remember(memo, first, 1);
        EXPECT_EQ(memo.find(second, literals), nullptr) << second;
    }
}

TEST(TextMemo, WhatIsOfUseStays) {
    TextMemo memo;
    Literals literals;
    const auto text = [](int column, int value) {
        return "SELECT aaaaaaaaaa AS c" + std::to_string(column) +
               " FROM t WHERE id = " + std::to_string(value);
    };
    for (int column = 0; column < 100; ++column) {
        for (const int hot : {0, 1, 2}) {
            if (memo.find(text(hot, column), literals) == nullptr) {
                remember(memo, text(hot, column), static_cast<std::uint32_t>(hot));
            }
        }
        remember(memo, text(column + 3, 1), 99);
    }
    int found = 0;
    for (const int hot : {0, 1, 2}) {
        found += memo.find(text(hot, 5), literals) != nullptr ? 1 : 0;
    }
    EXPECT_GE(found, 2);
}

// Random texts out of pieces that are apt to be misread, and neighbours of them.
class Texts {
  public:
    explicit Texts(std::uint64_t seed) : prng_(seed) {}

    std::string text() {
        std::string out = "SELECT aaaaaaaaaa";
        for (std::uint64_t i = 0, count = prng_.between(1, 8); i < count; ++i) {
            out += piece();
        }
        return out;
    }
    // Some bytes of `text` changed, taken out, or put in.
    std::string neighbour(std::string text) {
        for (std::uint64_t i = 0, count = prng_.between(1, 3); i < count; ++i) {
            std::size_t at = prng_.below(text.size() - 17) + 17;
            const std::uint64_t what = prng_.below(4);
            if (what < 3) {
                while (at > 17 && !is_literal_byte(text[at])) {  // mostly at literals
                    --at;
                }
            }
            if (prng_.chance(0.4)) {
                text.replace(at, prng_.below(3), piece());
            } else {
                text.replace(at, prng_.below(2), 1, "0123456789'.eE-+$a_ \"/*"[prng_.below(22)]);
            }
            if (text.size() < 20) {
                text += piece();
            }
        }
        return text;
    }

  private:
    static bool is_literal_byte(char c) { return (c >= '0' && c <= '9') || c == '\'' || c == '.'; }
    std::string piece() {
        static const std::vector<std::string> kPieces = {
            " ",     ", ",      " = ",    "1",         "42",    "4294967296", "1.5",   ".5",
            "1e3",   "'a'",     "'b''c'", "''",        "'now'", "E'x'",       "x'1f'", "$1",
            "$$a$$", " -- 1\n", "/*2*/",  "x",         "\"q\"", "(",          ")",     "-",
            "::int", "..",      "1.",     "IN (1, 2)", ";",     "\n"};
        return kPieces[prng_.below(kPieces.size())];
    }
    Prng prng_;
};

TEST(TextMemo, AgreesWithTheShapeLexer) {
    Texts texts(20261126);
    TextMemo memo;
    std::vector<std::string> canonical(1);
    int hits = 0;
    for (int round = 0; round < 60'000 && !HasFailure(); ++round) {
        const std::string text = texts.text();
        const Seen seen = lex(text);
        if (!seen.foldable) {
            continue;
        }
        const auto entry = static_cast<std::uint32_t>(canonical.size());
        canonical.push_back(seen.canonical);
        memo.remember(text, seen.literals, {.entry = entry, .generation = 0});
        for (int i = 0; i < 8; ++i) {
            const std::string other = texts.neighbour(text);
            Literals literals;
            const TextMemo::Known* known = memo.find(other, literals);
            if (known == nullptr) {
                continue;
            }
            ++hits;
            const Seen truth = lex(other);
            EXPECT_TRUE(truth.foldable) << other;
            EXPECT_EQ(truth.canonical, canonical[known->entry]) << other;
            EXPECT_EQ(values(other, literals), values(other, truth.literals)) << other;
        }
    }
    EXPECT_GT(hits, 5'000);
}

TEST(Literals, AreTheLexersTokens) {
    Texts texts(1);
    int seen_with_literals = 0;
    for (int round = 0; round < 20'000 && !::testing::Test::HasFailure(); ++round) {
        const std::string text = texts.text();
        const Seen seen = lex(text);
        if (!seen.foldable) {
            continue;
        }
        std::vector<std::string> tokens;
        Lexer lexer(text);
        for (Token token = lexer.next_code(); token.kind != TokenKind::kEnd;
             token = lexer.next_code()) {
            const bool literal =
                token.kind == TokenKind::kNumber || token.kind == TokenKind::kString;
            if (literal && tokens.size() < Literals::kMax) {
                tokens.emplace_back(token.in(text));
            }
        }
        EXPECT_EQ(values(text, seen.literals), tokens) << text;
        seen_with_literals += tokens.empty() ? 0 : 1;
    }
    EXPECT_GT(seen_with_literals, 3'000);
}

}  // namespace
}  // namespace howdah::sql
