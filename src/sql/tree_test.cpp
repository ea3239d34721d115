#include "sql/tree.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace howdah::sql {
namespace {

std::vector<std::string> pieces(std::string_view text) {
    std::vector<std::string> result;
    for (const Piece& piece : split(text)) {
        result.emplace_back(text.substr(piece.begin, piece.end - piece.begin));
    }
    return result;
}

std::string repeated(std::string_view head, std::string_view item, std::size_t count) {
    std::string text(head);
    for (std::size_t i = 0; i < count; ++i) {
        text += item;
    }
    return text;
}

TEST(Split, KeepsQuotesCommentsAndBodiesTogether) {
    EXPECT_EQ(pieces("select ';'; -- a;b\n select 2 /* ; /* ; */ ; */;"),
              (std::vector<std::string>{"select ';'", "select 2"}));
    EXPECT_EQ(pieces("do $x$ begin; end $x$; select $$;$$, E'\\';', \"a;b\", U&';'"),
              (std::vector<std::string>{"do $x$ begin; end $x$",
                                        "select $$;$$, E'\\';', \"a;b\", U&';'"}));
}

TEST(Split, KnowsRulesAndSqlBodies) {
    EXPECT_EQ(
        pieces("create rule r as on insert to t do also (select 1; select 2); select 3").size(),
        2U);
    EXPECT_EQ(
        pieces("create function f() returns int begin atomic select case when true then 1 end;"
               " select 2; end; select 3")
            .size(),
        2U);
    EXPECT_EQ(pieces("begin; select (1; end;").size(), 3U);
}

TEST(Split, EmptyTextsHaveNoStatement) {
    EXPECT_TRUE(pieces("").empty());
    EXPECT_TRUE(pieces(" ;; -- nothing\n;/* */").empty());
}

TEST(Tree, ShowsStatementsAndPlaces) {
    auto tree = Tree::parse("select 1; create table a.b (c int)");
    ASSERT_TRUE(tree.has_value());
    ASSERT_EQ(tree->statements().size(), 2U);
    const auto& create = *tree->statements()[1]->stmt;
    ASSERT_EQ(create.node_case, PG_QUERY__NODE__NODE_CREATE_STMT);
    EXPECT_EQ(qualified_name(*create.create_stmt->relation), "a.b");
    EXPECT_EQ(tree->statements()[1]->stmt_location, 9);
}

TEST(Tree, ErrorsCountBytesNotCharacters) {
    const std::string text = "select '\xc3\xa4\xc3\xb6\xc3\xbc' frum frum t";
    auto tree = Tree::parse(text);
    ASSERT_FALSE(tree.has_value());
    EXPECT_EQ(tree.error().offset, text.rfind("frum"));
    EXPECT_NE(tree.error().message.find("syntax error"), std::string::npos);
}

TEST(Tree, RefusesNul) {
    auto tree = Tree::parse(std::string_view("select 1\0; drop table t", 22));
    ASSERT_FALSE(tree.has_value());
    EXPECT_EQ(tree.error().offset, 8U);
}

TEST(Tree, RefusesWhatWouldOverrunTheStack) {
    struct Shape {
        std::string_view head, item;
    };
    for (const Shape& shape :
         {Shape{"select 1", "+1"}, Shape{"select ", "(select "},
          Shape{"select 1", " union select 1"}, Shape{"select 1", "::int"},
          Shape{"select ", "NOT "}, Shape{"select ", "- "},
          Shape{"select 1 from a", " cross join b"}, Shape{"select array", "["},
          Shape{"select ", "case when a then "}, Shape{"select ", "f("},
          Shape{"select 1", " is null"}, Shape{"select ", "(case when a then 1 else "},
          Shape{"select 1", " collate x"}}) {
        for (std::size_t count = 100; count <= 100000; count = count * 3 / 2) {
            const std::string text = repeated(shape.head, shape.item, count);
            (void)Tree::parse(text);
            std::string closed = text + " 1";
            closed +=
                repeated("", shape.item.find('(') != std::string_view::npos ? ")" : "", count);
            (void)Tree::parse(closed);
        }
        EXPECT_FALSE(Tree::parse(repeated(shape.head, shape.item, 100000)).has_value())
            << shape.item;
    }
}

TEST(Tree, LongFlatStatementsAreNoNesting) {
    EXPECT_TRUE(Tree::parse(repeated("insert into t values (0, 'a')", ", (1, 'b')", 20000)));
    EXPECT_TRUE(Tree::parse(repeated("select 1 from t where a = 0", " or a = 1", 20000)));
    EXPECT_TRUE(Tree::parse(repeated("select * from t where a in (0", ", 1", 20000) + ")"));
}

TEST(Tree, EachThreadParses) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([] {
            for (int n = 0; n < 500; ++n) {
                ASSERT_TRUE(Tree::parse("alter table t add column c int default 1").has_value());
                ASSERT_FALSE(Tree::parse("alter tabel t").has_value());
            }
        });
    }
}

TEST(Script, OneBadStatementCostsOnlyItself) {
    const std::string text =
        "create table a (b int);\ncreate tabel x (y int);\ndrop table (a;\n"
        "drop table a;";
    const auto script = parse_script(text);
    ASSERT_EQ(script.size(), 4U);
    EXPECT_TRUE(script[0].tree.has_value());
    EXPECT_FALSE(script[1].tree.has_value());
    EXPECT_EQ(script[1].begin + script[1].tree.error().offset, text.find("tabel"));
    EXPECT_FALSE(script[2].tree.has_value());
    ASSERT_TRUE(script[3].tree.has_value());
    EXPECT_EQ(script[3].in(text), "drop table a");
}

TEST(Script, AnOpenQuoteEndsAtTheNextStatement) {
    const auto open = parse_script("select 'a;\ndrop table a;\ndrop table b;");
    ASSERT_EQ(open.size(), 3U);
    EXPECT_FALSE(open[0].tree.has_value());
    EXPECT_TRUE(open[1].tree.has_value());
    const auto swapped = parse_script(
        "insert into t values ('a);\ninsert into t values ('b');\n"
        "drop table c;\n");
    ASSERT_EQ(swapped.size(), 3U);
    EXPECT_FALSE(swapped[0].tree.has_value());
    EXPECT_TRUE(swapped[1].tree.has_value());
    EXPECT_TRUE(swapped[2].tree.has_value());
}

TEST(Plpgsql, BodiesAsJson) {
    const auto json = parse_plpgsql(
        "create function f() returns void language plpgsql as $$ begin perform g(); end $$");
    ASSERT_TRUE(json.has_value());
    EXPECT_NE(json->find("PLpgSQL_stmt_perform"), std::string::npos);
    EXPECT_FALSE(
        parse_plpgsql("create function f() returns void language plpgsql as $$ beginn $$"));
}

}  // namespace
}  // namespace howdah::sql
