#include "sql/names.hpp"

#include <gtest/gtest.h>

namespace howdah::sql {
namespace {

TEST(NameInSql, IsQuotedWhereItMustBe) {
    for (const char* plain :
         {"users", "user_id", "_x", "a1", "name", "value", "date", "left_side"}) {
        EXPECT_EQ(name_in_sql(plain), plain);
    }
    EXPECT_EQ(name_in_sql("userId"), "\"userId\"");
    EXPECT_EQ(name_in_sql("Invoice"), "\"Invoice\"");
    EXPECT_EQ(name_in_sql("1st"), "\"1st\"");
    EXPECT_EQ(name_in_sql("two words"), "\"two words\"");
    EXPECT_EQ(name_in_sql("say \"x\""), "\"say \"\"x\"\"\"");
    EXPECT_EQ(name_in_sql("x; drop table y"), "\"x; drop table y\"");
    EXPECT_EQ(name_in_sql(""), "\"\"");
    for (const char* kept : {"order", "user", "group", "table", "left", "current_date", "select"}) {
        EXPECT_EQ(name_in_sql(kept), "\"" + std::string(kept) + "\"");
    }
}

TEST(NameInSql, PartsAreQuotedByThemselves) {
    EXPECT_EQ(qualified_name_in_sql("sales.order"), "sales.\"order\"");
    EXPECT_EQ(qualified_name_in_sql("Sales.items"), "\"Sales\".items");
    EXPECT_EQ(qualified_name_in_sql("items"), "items");
}

}  // namespace
}  // namespace howdah::sql
