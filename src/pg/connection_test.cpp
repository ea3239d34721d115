#include "pg/connection.hpp"

#include <gtest/gtest.h>

namespace howdah::pg {
namespace {

TEST(Quoting, NamesAndLiterals) {
    EXPECT_EQ(quoted_name("a\"b"), "\"a\"\"b\"");
    EXPECT_EQ(quoted_literal("it's"), "'it''s'");
    EXPECT_EQ(quoted_literal("a\\b"), "E'a\\\\b'");
}

TEST(Conninfo, PasswordsAreTakenOut) {
    EXPECT_EQ(without_password("postgresql://u:secret@h/db"), "postgresql://u:***@h/db");
    EXPECT_EQ(without_password("postgresql://u@h/db?password=secret&x=1"),
              "postgresql://u@h/db?password=***&x=1");
    EXPECT_EQ(without_password("host=h password = 'se cret' user=u"),
              "host=h password = *** user=u");
    EXPECT_EQ(without_password("host=h"), "host=h");
}

TEST(Conninfo, AsEnvironment) {
    const auto variables = as_environment("postgresql://u:p%40ss@h:5433/db?sslmode=require");
    ASSERT_TRUE(variables);
    const std::vector<std::pair<std::string, std::string>> expected{
        {"PGUSER", "u"}, {"PGPASSWORD", "p@ss"}, {"PGDATABASE", "db"},
        {"PGHOST", "h"}, {"PGPORT", "5433"},     {"PGSSLMODE", "require"}};
    for (const auto& each : expected) {
        EXPECT_NE(std::find(variables->begin(), variables->end(), each), variables->end())
            << each.first;
    }
    EXPECT_EQ(as_environment("shop")->front().second, "shop");
    EXPECT_FALSE(as_environment("host='open"));
}

TEST(Connect, NobodyListens) {
    const auto connection =
        Connection::connect({.conninfo = "host=/nowhere dbname=x password=secret"});
    ASSERT_FALSE(connection);
    EXPECT_EQ(connection.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(connection.error().message.find("secret"), std::string::npos);
}

TEST(Connect, NonsenseIsRefused) {
    EXPECT_FALSE(Connection::connect({.conninfo = "postgresql://h/db?what=1"}));
}

}  // namespace
}  // namespace howdah::pg
