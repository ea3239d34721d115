#include "server/parameters.hpp"

#include <gtest/gtest.h>

namespace howdah::server {
namespace {

ParameterSet set(std::vector<std::pair<std::string, std::string>> values) {
    ParameterInterner interner;
    return *interner.intern(std::move(values));
}

TEST(Transition, ValuesAndResets) {
    EXPECT_EQ(transition_sql(set({{"a.b", "x"}, {"work_mem", "1"}}), set({{"WORK_MEM", "2"}})),
              "RESET \"a\".\"b\";SELECT pg_catalog.set_config('work_mem','2',false)");
    EXPECT_EQ(transition_sql(set({{"work_mem", "1"}}), set({{"work_mem", "1"}})), "");
    EXPECT_EQ(transition_sql(set({}), set({{"a", "it's \\"}})),
              "SELECT pg_catalog.set_config('a',E'it''s \\\\',false)");
}

TEST(Transition, TheRoleIsSetBehindTheSessionAuthorizationWhichTakesItAway) {
    const auto both = set({{"role", "r"}, {"session_authorization", "s"}});
    const auto role = set({{"role", "r"}});
    const auto other = set({{"role", "r"}, {"session_authorization", "t"}});
    EXPECT_EQ(transition_sql(set({}), both),
              "SELECT pg_catalog.set_config('session_authorization','s',false),"
              "pg_catalog.set_config('role','r',false)");
    EXPECT_EQ(transition_sql(both, role),
              "RESET \"session_authorization\";RESET \"role\";"
              "SELECT pg_catalog.set_config('role','r',false)");
    EXPECT_EQ(transition_sql(both, other),
              "RESET \"session_authorization\";RESET \"role\";"
              "SELECT pg_catalog.set_config('session_authorization','t',false),"
              "pg_catalog.set_config('role','r',false)");
    EXPECT_EQ(transition_sql(both, set({})), "RESET \"session_authorization\";RESET \"role\";");
    EXPECT_EQ(transition_sql(role, set({{"role", "q"}, {"a", "1"}})),
              "RESET \"role\";SELECT pg_catalog.set_config('a','1',false),"
              "pg_catalog.set_config('role','q',false)");
    EXPECT_EQ(reset_and_set_sql(both),
              "RESET session_authorization;RESET role;RESET ALL;"
              "SELECT pg_catalog.set_config('session_authorization','s',false),"
              "pg_catalog.set_config('role','r',false)");
}

TEST(Transition, WhatTheAdministratorSetsComesBackBehindAReset) {
    EXPECT_EQ(transition_sql(set({{"a", "1"}}), set({{"b", "2"}}), "set a = 3 -- x"),
              "RESET \"a\";set a = 3 -- x\n;SELECT pg_catalog.set_config('b','2',false)");
    EXPECT_EQ(transition_sql(set({}), set({{"b", "2"}}), "set a = 3"),
              "SELECT pg_catalog.set_config('b','2',false)");
    EXPECT_EQ(reset_and_set_sql(set({}), "set a = 3"),
              "RESET session_authorization;RESET role;RESET ALL;set a = 3\n;");
}

TEST(Transition, BeyondAsciiNoByteDependsOnTheEncodingInForce) {
    EXPECT_EQ(transition_sql(set({}), set({{"a.b", "\xe9"}, {"client_encoding", "LATIN1"}})),
              "SELECT pg_catalog.set_config('a.b',pg_catalog.convert_from("
              "pg_catalog.decode('e9','hex'),'LATIN1'),false),"
              "pg_catalog.set_config('client_encoding','LATIN1',false)");
    EXPECT_EQ(transition_sql(set({{"\xc3\xa9.x", "1"}}), set({})),
              "SELECT pg_catalog.set_config(pg_catalog.convert_from("
              "pg_catalog.decode('c3a92e78','hex'),pg_catalog.pg_client_encoding()),NULL,false)");
}

TEST(ParameterInterner, NamesAreSortedLoweredAndOnce) {
    ParameterInterner interner;
    const ParameterSetPtr one =
        interner.intern({{"b", "1"}, {"A", "first"}, {"B", "2"}, {"a", "last"}, {"c", "3"}});
    using Values = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(one->values, (Values{{"a", "last"}, {"b", "2"}, {"c", "3"}}));
    EXPECT_EQ(interner.intern({{"C", "3"}, {"a", "last"}, {"b", "2"}}), one) << "the same object";
    EXPECT_EQ(interner.intern({}), interner.empty());
}

TEST(ParameterSet, FindsANameInAnyCase) {
    const ParameterSet found =
        set({{"DateStyle", "ISO"}, {"timezone", "UTC"}, {"a.b", "1"}, {"\xc3\xa9.x", "2"}});
    EXPECT_EQ(*found.find("datestyle"), "ISO");
    EXPECT_EQ(*found.find("DATESTYLE"), "ISO");
    EXPECT_EQ(*found.find("TimeZone"), "UTC");
    EXPECT_EQ(*found.find("A.B"), "1");
    EXPECT_EQ(*found.find("\xc3\xa9.X"), "2") << "bytes beyond ASCII sort behind it";
    EXPECT_EQ(found.find("time"), nullptr);
    EXPECT_EQ(found.find("timezone2"), nullptr);
    EXPECT_EQ(found.find(""), nullptr);
    EXPECT_EQ(found.find("zz"), nullptr);
}

}  // namespace
}  // namespace howdah::server
