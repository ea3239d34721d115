#include "sql/comments.hpp"

#include <gtest/gtest.h>

namespace howdah::sql {
namespace {

using Tags = std::vector<Tag>;

TEST(Comments, SqlcommenterAtTheEnd) {
    EXPECT_EQ(
        comment_tags("SELECT 1 /*action='%2Fparam*d',controller='index',"
                     "traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'*/"),
        (Tags{{"action", "/param*d"},
              {"controller", "index"},
              {"traceparent", "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01"}}));
}

TEST(Comments, SqlcommenterInFrontAndBehindSemicolons) {
    EXPECT_EQ(comment_tags("/*a='1'*/ SELECT '/*b=''2''*/' ; /*c='3'*/ ;"),
              (Tags{{"a", "1"}, {"c", "3"}}));
}

TEST(Comments, EscapedQuotesAndLonePercent) {
    EXPECT_EQ(comment_tags(R"(SELECT 1 /*name='DROP TABLE \'users\'', pct='5%', k%20y='v'*/)"),
              (Tags{{"name", "DROP TABLE 'users'"}, {"pct", "5%"}, {"k y", "v"}}));
}

TEST(Comments, SeveralKeepTheTextsOrderAndTheFirstValue) {
    EXPECT_EQ(comment_tags("/*a='1'*/ /*b='2'*/ SELECT 1 /*c='3'*/ /*a='4'*/"),
              (Tags{{"a", "1"}, {"b", "2"}, {"c", "3"}}));
}

TEST(Comments, Marginalia) {
    EXPECT_EQ(
        comment_tags("SELECT 1 /*application:shop,controller:cart,line:/a.rb:3:in `x y'*/"),
        (Tags{{"application", "shop"}, {"controller", "cart"}, {"line", "/a.rb:3:in `x y'"}}));
    EXPECT_EQ(comment_tags("SELECT 1 /* controller=PostsController,action=index */"),
              (Tags{{"controller", "PostsController"}, {"action", "index"}}));
}

TEST(Comments, ProseAndInnerCommentsAreNoTags) {
    EXPECT_EQ(comment_tags("SELECT 1 /* note: look here */"), Tags{});
    EXPECT_EQ(comment_tags("SELECT 1 /* fetch all, then sort */"), Tags{});
    EXPECT_EQ(comment_tags("SELECT /*a='1'*/ 1"), Tags{});
    EXPECT_EQ(comment_tags("SELECT '*/'"), Tags{});
    EXPECT_EQ(comment_tags("/*a='1'"), Tags{});
    EXPECT_EQ(comment_tags("*/"), Tags{});
    EXPECT_EQ(comment_tags("/*/"), Tags{});
    EXPECT_EQ(comment_tags("SELECT 1 /*a='1*/"), Tags{});
    EXPECT_EQ(comment_tags(""), Tags{});
}

TEST(Comments, Bounds) {
    std::string many = "SELECT 1 /*";
    for (int i = 0; i < 100; ++i) {
        many += "k" + std::to_string(i) + "='v',";
    }
    EXPECT_EQ(comment_tags(many + "z='v'*/").size(), kTagsMax);
    EXPECT_EQ(comment_tags("SELECT 1 /*a='" + std::string(kCommentBytesMax, 'x') + "'*/"), Tags{});
}

TEST(Comments, Hints) {
    EXPECT_EQ(comment_hints("/* howdah: Primary, cache='ttl=300,swr=15' lag=2s */ SELECT 1"),
              (Tags{{"primary", ""}, {"cache", "ttl=300,swr=15"}, {"lag", "2s"}}));
    EXPECT_EQ(comment_hints("SELECT 1 /*howdah:replica*/"), (Tags{{"replica", ""}}));
    EXPECT_EQ(comment_hints("SELECT 1 /*howdah:a='open*/"), (Tags{{"a", "open"}}));
    EXPECT_EQ(comment_hints("SELECT 1 /*howdah:=*/").size(), 0U);
    EXPECT_EQ(comment_hints("SELECT 1 /*application:shop*/"), Tags{});
    EXPECT_EQ(comment_tags("SELECT 1 /*howdah:replica*/"), Tags{});
}

TEST(Comments, StripLeavesEverythingElse) {
    EXPECT_EQ(strip_comments("SELECT/*a*/1,  '/*b*/' -- c\n, $$--d$$ /*e/*f*/*/"),
              "SELECT 1,  '/*b*/'  \n, $$--d$$  ");
    EXPECT_EQ(strip_comments("SELECT 'open /*a*/"), "SELECT 'open /*a*/");
    EXPECT_EQ(strip_comments("SELECT E'a'\n'b\\'/*c*/' /*d*/"), "SELECT E'a'\n'b\\'/*c*/'  ");
}

}  // namespace
}  // namespace howdah::sql
