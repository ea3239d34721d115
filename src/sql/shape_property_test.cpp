// Random statements, each written twice with other literals, white space, comments and case: the
// facts that the cache gives for the second one, by the first one's shape, are those of parsing it
// as it stands.
#include <gtest/gtest.h>
#include <pg_query.h>

#include <string>
#include <vector>

#include "base/prng.hpp"
#include "sql/facts.hpp"
#include "sql/shape.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::sql {
namespace {

// Draws texts from a small grammar. Two generators with one structure seed write the same statement
// but for what `surface` draws: literals' values, spaces, comments, case.
class TextGenerator {
  public:
    TextGenerator(std::uint64_t structure, std::uint64_t surface)
        : structure_(structure), surface_(surface) {}

    std::string text() {
        out_.clear();
        const std::uint64_t statements = structure_.chance(0.15) ? 2 : 1;
        for (std::uint64_t i = 0; i < statements; ++i) {
            if (i > 0) {
                word(";");
            }
            statement();
        }
        return out_;
    }

  private:
    const char* pick(const std::vector<const char*>& from) {
        return from[structure_.below(from.size())];
    }

    void space() {
        static const std::vector<const char*> kSpaces = {
            " ", " ", " ", "\n", "\t", "  ", " /* c 'x */ ", " -- it's\n", " /* a /* b */ c */ "};
        out_ += kSpaces[surface_.below(kSpaces.size())];
    }

    void word(std::string token) {
        space();
        if (token.find_first_of("\"'") == std::string::npos && surface_.chance(0.3)) {
            for (char& c : token) {
                c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
            }
        }
        out_ += token;
    }

    void words(const std::vector<const char*>& tokens) {
        for (const char* token : tokens) {
            word(token);
        }
    }

    void string() {
        static const std::vector<const char*> kStrings = {
            "'a'",    "''",           "'it''s'", "E'x\\'y'", "$$a$$",        "$t$'$$'$t$",
            "'/*'",   "'--'",         "'a;b'",   "E'\\\\'",  "'pg_tables'",  "'\\'",
            "'know'", "'{\"a\": 1}'", "'%x%'",   "'1 day'",  "'2020-01-01'", "'\u00e4\u20ac'"};
        space();
        out_ += kStrings[surface_.below(kStrings.size())];
    }

    void number() {
        static const std::vector<const char*> kIntegers = {"0", "7", "42", "2147483647", "0012"};
        space();
        out_ += kIntegers[surface_.below(kIntegers.size())];
    }

    void decimal() {
        static const std::vector<const char*> kDecimals = {"1.5", ".5", "3.", "1e10", "2.5E-3"};
        space();
        out_ += kDecimals[surface_.below(kDecimals.size())];
    }

    void literal() {
        switch (structure_.below(8)) {
            case 0:
                return decimal();
            case 1:
                return word("null");
            case 2:
                return word("$1");
            case 3:
                // Texts that decide: part of the structure.
                return word(pick({"'now'", "'pg_temp.x'", "'x pg_temp'", "'today'"}));
            case 4:
            case 5:
                return number();
            default:
                return string();
        }
    }

    void list() {
        word("in");
        word("(");
        const bool strings = structure_.chance(0.5);
        // How many there are is no part of the shape.
        for (std::uint64_t i = 0, count = surface_.between(1, 4); i < count; ++i) {
            if (i > 0) {
                word(",");
            }
            strings ? string() : number();
        }
        word(")");
    }

    void call() {
        word(pick({"lower", "now", "random", "nextval", "currval", "my_func", "app.func",
                   "pg_advisory_lock", "pg_catalog.length", "set_config", "pg_notify"}));
        word("(");
        for (std::uint64_t i = 0, count = structure_.below(4); i < count; ++i) {
            if (i > 0) {
                word(",");
            }
            structure_.chance(0.2) ? word("true") : expression();
        }
        word(")");
    }

    void expression() {
        if (++depth_ > 4) {
            literal();
            --depth_;
            return;
        }
        switch (structure_.below(9)) {
            case 0:
                word(pick({"a", "t.b", "\"Q\"", "u.\"C d\""}));
                break;
            case 1:
                call();
                break;
            case 2:
                expression();
                word(pick({"+", "-", "||", "<>", "<=", "and", "or", "operator(app.+)", "->>"}));
                expression();
                break;
            case 3:
                word("(");
                expression();
                word(")");
                break;
            case 4:
                word("a");
                list();
                break;
            case 5:
                literal();
                words({"::", pick({"int", "text", "regclass", "app.kind", "numeric(10,2)"})});
                break;
            case 6:
                words({"(", "select"});
                expression();
                words({"from", pick({"v", "pg_temp.w", "app.x"}), ")"});
                break;
            default:
                literal();
                break;
        }
        --depth_;
    }

    void select() {
        if (structure_.chance(0.2)) {
            words({"with", "t", "as", "("});
            structure_.chance(0.5) ? words({"select", "1"})
                                   : words({"delete", "from", "y", "returning", "1"});
            word(")");
        }
        word("select");
        expression();
        words({"from", pick({"t", "app.t", "pg_settings", "f(1)"})});
        if (structure_.chance(0.6)) {
            word("where");
            expression();
        }
        if (structure_.chance(0.3)) {
            word("limit");
            number();
        }
        if (structure_.chance(0.15)) {
            words({"for", "update"});
        }
    }

    void insert() {
        words({"insert", "into", pick({"t", "app.t", "pg_temp.t"}), "values"});
        const std::uint64_t rows = surface_.between(1, 3);
        for (std::uint64_t row = 0; row < rows; ++row) {
            if (row > 0) {
                word(",");
            }
            word("(");
            number();
            word(",");
            string();
            word(")");
        }
        if (structure_.chance(0.3)) {
            word("returning");
            expression();
        }
    }

    void utility() {
        static const std::vector<std::vector<const char*>> kTexts = {
            {"begin"},
            {"commit"},
            {"set", "search_path", "=", "app"},
            {"discard", "all"},
            {"listen", "x"},
            {"deallocate", "all"},
            {"create", "temp", "table", "x", "(", "a", "int", ")"},
            {"drop", "table", "x"},
            {"declare", "c", "cursor", "with", "hold", "for", "select", "1"},
            {"copy", "t", "from", "stdin"},
            {"show", "all"},
            {"do", "$$ begin end $$"}};
        words(kTexts[structure_.below(kTexts.size())]);
    }

    void statement() {
        switch (structure_.below(8)) {
            case 0:
                return insert();
            case 1:
                words({"update", "t", "set", "a", "="});
                expression();
                return;
            case 2:
                return utility();
            case 3:
                words({"set", "local", "a.b", "="});
                return structure_.chance(0.5) ? string() : number();
            case 4:
                words({"explain", pick({"", "analyze", "(analyze off)", "(analyze)"})});
                return select();
            default:
                return select();
        }
    }

    Prng structure_;
    Prng surface_;
    std::string out_;
    int depth_ = 0;
};

void expect_same(const Statement& cached, const Statement& direct, const std::string& text) {
    EXPECT_EQ(effect_names(cached.effects), effect_names(direct.effects)) << text;
    EXPECT_EQ(cached.kind, direct.kind) << text;
    EXPECT_EQ(cached.statement_count, direct.statement_count) << text;
    EXPECT_EQ(cached.tables_read, direct.tables_read) << text;
    EXPECT_EQ(cached.tables_written, direct.tables_written) << text;
    EXPECT_EQ(cached.functions, direct.functions) << text;
    EXPECT_EQ(cached.clock_literal, direct.clock_literal) << text;
    EXPECT_EQ(cached.has_list, direct.has_list) << text;
    EXPECT_EQ(cached.params_max, direct.params_max) << text;
    EXPECT_EQ(cached.fingerprint, direct.fingerprint) << text;
}

TEST(ShapeProperty, FactsByShapeAreFactsOfTheText) {
    Prng seeds(20261122);
    StatementCache cache(2000, 4 << 20, 1);
    int parsed = 0;
    constexpr int kRounds = 6000;
    for (int round = 0; round < kRounds && !::testing::Test::HasFailure(); ++round) {
        const std::uint64_t structure = seeds.next();
        const std::string first = TextGenerator(structure, seeds.next()).text();
        const std::string second = TextGenerator(structure, seeds.next()).text();
        cache.analyze(first);
        const auto parses = cache.counters().parses;
        const Statement* cached = cache.analyze(second);
        const auto direct = parse_facts(second);
        if (!direct) {
            EXPECT_TRUE(cached->has(kUnparsed)) << second;
            continue;
        }
        ++parsed;
        expect_same(*cached, *direct->statement, second);
        EXPECT_TRUE(direct->literals_decide || cache.counters().parses == parses) << "two shapes:\n"
                                                                                  << first << "\n"
                                                                                  << second;
    }
    EXPECT_GT(parsed, kRounds * 9 / 10);
    EXPECT_GT(cache.counters().shape_hits, 5000U);
}

}  // namespace
}  // namespace howdah::sql
