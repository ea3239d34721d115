#include "pg/connection.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "pg/conninfo.hpp"

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

class Environment : public testing::Test {
  protected:
    Environment() {
        std::string name = (std::filesystem::temp_directory_path() / "howdah-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        for (const char* variable : {"PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD",
                                     "PGDATABASE", "PGSSLMODE", "PGSERVICE", "PGPASSFILE"}) {
            ::unsetenv(variable);
        }
    }
    ~Environment() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(folder_ / name) << text;
        ::chmod((folder_ / name).c_str(), 0600);
        return (folder_ / name).string();
    }
    static std::string whole(const std::string& conninfo) {
        return completed(conninfo).value_or("wrong");
    }

    std::filesystem::path folder_;
};

TEST_F(Environment, CompletesAsPsqlWould) {
    EXPECT_EQ(whole("postgresql://u:p@127.0.0.1:1/db?connect_timeout=3"),
              "user='u' password='p' connect_timeout='3' dbname='db' host='127.0.0.1' port='1'");
    ::setenv("PGHOST", "127.0.0.1", 1);
    ::setenv("PGPORT", "1", 1);
    ::setenv("PGUSER", "ann", 1);
    ::setenv("PGSSLMODE", "disable", 1);
    EXPECT_EQ(whole(""), "user='ann' host='127.0.0.1' port='1' sslmode='disable'");
    EXPECT_EQ(whole("shop"),
              "dbname='shop' user='ann' host='127.0.0.1' port='1' sslmode='disable'");
    EXPECT_EQ(whole("user=bob"), "user='bob' host='127.0.0.1' port='1' sslmode='disable'");
    ::setenv("PGPASSWORD", "it's", 1);
    EXPECT_EQ(whole("host=127.0.0.2 sslmode=require"),
              "host='127.0.0.2' sslmode='require' user='ann' port='1' password='it\\'s'");
}

TEST_F(Environment, ThePasswordFileCounts) {
    const std::string file = write("pass", "127.0.0.1:1:*:ann:from-file\n");
    ::setenv("PGPASSFILE", file.c_str(), 1);
    EXPECT_EQ(whole("host=127.0.0.1 port=1 user=ann"),
              "user='ann' host='127.0.0.1' port='1' password='from-file'");
    EXPECT_EQ(whole("host=127.0.0.1 port=1 user=bob"), "user='bob' host='127.0.0.1' port='1'");
    ::unsetenv("PGPASSFILE");
    EXPECT_EQ(whole("host=127.0.0.1 port=1 user=ann passfile=" + file),
              "user='ann' host='127.0.0.1' port='1' password='from-file'");
}

TEST_F(Environment, TheServiceFileCounts) {
    ::setenv("PGSERVICEFILE",
             write("services", "[shop]\nhost=127.0.0.1\nport=1\nuser=ann\ndbname=db\n").c_str(), 1);
    EXPECT_EQ(whole("service=shop"), "user='ann' dbname='db' host='127.0.0.1' port='1'");
    ::unsetenv("PGSERVICEFILE");
}

TEST_F(Environment, NobodyIsLoggedInByHisNameOnTheMachine) {
    EXPECT_EQ(whole("host=127.0.0.1 port=1"), "host='127.0.0.1' port='1'");
    EXPECT_EQ(completed("postgresql://h/db?what=1").error().code, ErrorCode::kInvalidInput);
}

TEST(Connect, NobodyListens) {
    const auto connection =
        Connection::connect({.conninfo = "host=/nowhere dbname=x password=secret"});
    ASSERT_FALSE(connection);
    EXPECT_EQ(connection.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(connection.error().message.find("secret"), std::string::npos);
}

TEST(Connect, NonsenseIsWrongInputAndItsTextIsNotRepeated) {
    const auto error = [](const std::string& conninfo) {
        return Connection::connect({.conninfo = conninfo}).error();
    };
    EXPECT_EQ(error("postgresql://h/db?what=1").code, ErrorCode::kInvalidInput);
    EXPECT_EQ(error("hots=h dbname=x").message,
              "the connection string is wrong: invalid connection option \"hots\"");
    for (const char* conninfo :
         {"postgres://u:se%cret@h/db", "postgres:/u:secret@h/db?a=b", "postgres://u:secret@[::1/db",
          "host=h password='secret", "postgres://h/db?password=secret=x"}) {
        EXPECT_EQ(error(conninfo).code, ErrorCode::kInvalidInput) << conninfo;
        EXPECT_EQ(error(conninfo).message.find("cret"), std::string::npos)
            << error(conninfo).message;
    }
}

}  // namespace
}  // namespace howdah::pg
