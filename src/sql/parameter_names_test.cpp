#include "sql/parameter_names.hpp"

#include <gtest/gtest.h>

namespace howdah::sql {
namespace {

// The names with spaces between, then $ bound, ? computed, * listed.
std::string found(std::string_view text, TextRules rules = {}) {
    const ParameterNames names = parameter_names(text, rules);
    std::string all;
    for (const std::string& name : names.names) {
        all += (all.empty() ? "" : " ") + name;
    }
    return all + (names.bound ? "$" : "") + (names.computed ? "?" : "") + (names.listed ? "*" : "");
}

TEST(ParameterNames, Set) {
    EXPECT_EQ(found("set work_mem = 1"), "work_mem");
    EXPECT_EQ(found("SET LOCAL Work_Mem TO '1MB'; SET SESSION a.B = 2"), "work_mem a.b");
    EXPECT_EQ(found("/* c */ set \"My\".\"X\" = 'a.b'"), "my.x");
    EXPECT_EQ(found("set time zone 'UTC'; set names 'x'; set schema 'y'"),
              "timezone client_encoding search_path");
    EXPECT_EQ(found("set role x; set session authorization y; set local session authorization z"),
              "role session_authorization session_authorization");
    EXPECT_EQ(found("set session session authorization z"), "session_authorization");
    EXPECT_EQ(found("set transaction read only; set constraints all deferred"), "");
    EXPECT_EQ(found("set session characteristics as transaction read only"),
              "default_transaction_isolation");
    EXPECT_EQ(found("set u&\"a\\0062\" = 1"), "?");
    EXPECT_EQ(found("reset all; reset a.b; reset time zone; reset session authorization"),
              "all a.b timezone session_authorization");
    EXPECT_EQ(found("set na\xc3\xafve.x = 1"), "na\xc3\xafve.x");
}

TEST(ParameterNames, SetConfig) {
    EXPECT_EQ(found("select set_config('A.b', 'c.d', true)"), "a.b");
    EXPECT_EQ(found("select pg_catalog.\"set_config\"('a.b'::text, $1, false)"), "a.b");
    EXPECT_EQ(found("select set_config($1, $2, false), set_config('x', y, true)"), "x$");
    EXPECT_EQ(found("select set_config('a.' || 'b', 'c', false)"), "?");
    EXPECT_EQ(found("select set_config(lower('A.B'), 'c', false)"), "?");
    EXPECT_EQ(found("select set_config(e'a\\056b', 'c', false)"), "?");
    EXPECT_EQ(found("select set_config('it''s', 'c', false)"), "?");
    EXPECT_EQ(found("select set_config('a'\n'b', 'c', false)"), "?");
    EXPECT_EQ(found("select set_config($$a.b$$, 'c', false)"), "?");
    EXPECT_EQ(found("select u&\"set\\005fconfig\"('a.b', 'c', false)"), "?");
    EXPECT_EQ(found("select set_config('a.b', set_config('c.d', 'x', true), true)"), "a.b c.d");
    EXPECT_EQ(found("select set_config from t; select 'set_config(x)'"), "");
}

TEST(ParameterNames, TheView) {
    EXPECT_EQ(found("update pg_catalog.pg_settings set setting = 'x' where name = 'y'"), "*");
    EXPECT_EQ(found("select * from pg_settings"), "");
}

TEST(ParameterNames, UnreadableTextsAreUnknown) {
    EXPECT_EQ(found("set a.b = 'x\\'", {.standard_conforming_strings = false}), "?");
    EXPECT_EQ(found("set a.b = '\xff'"), "?");
}

TEST(ParameterNames, WhatDecidesTheMeaningOfAText) {
    for (const char* name : {"timezone", "datestyle", "search_path", "role", "client_encoding",
                             "standard_conforming_strings", "all", "no_such_parameter"}) {
        EXPECT_TRUE(decides_meaning(name)) << name;
    }
    for (const char* name :
         {"app.user", "application_name", "statement_timeout", "enable_seqscan", "work_mem"}) {
        EXPECT_FALSE(decides_meaning(name)) << name;
    }
}

}  // namespace
}  // namespace howdah::sql
