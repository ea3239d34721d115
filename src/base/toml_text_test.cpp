#include "base/toml_text.hpp"

#include <gtest/gtest.h>

#include "base/toml.hpp"

namespace howdah {
namespace {

TEST(TomlText, StringsAndCommentsMaySayAnything) {
    for (const std::string text :
         {"", "a = 1", "\xef\xbb\xbf# \xc3\xa4\n", "a = '\xc3\xa4' # \xc3\xa4", "\"\xc3\xa4\" = 2",
          "a = \"\\\"\xc3\xa4\"", "a = '\\' # '\xc3\xa4", "a = \"\" # \xc3\xa4",
          "a = '''\n'\xc3\xa4''''' # \xc3\xa4", "a = \"\"\"\n\"\"\xc3\xa4\\\"\"\"\" # \xc3\xa4",
          "a = \"\\\\\" # \xc3\xa4"}) {
        const TomlText read = toml_text(text);
        EXPECT_EQ(read.stray_line, 0) << text;
        EXPECT_EQ(read.safe, text);
        EXPECT_NO_THROW(toml_table(text, "f.toml")) << text;
    }
}

TEST(TomlText, ElsewhereItIsAnErrorInItsLine) {
    const struct {
        const char* text;
        unsigned line;
    } cases[] = {{"\xc3\xa4 = 1", 1},
                 {"a = 1\n[t\xc3\xb6pf]", 2},
                 {"a = \"x\" \xc2\xa0\n", 1},
                 {"a = [\n1,\n\xe2\x82\xac]", 3},
                 {"a = '''\n\n''' \xc3\xa4", 3},
                 {"a = \"\"\"\n\\\xc3\xa4\"\"\"", 2},
                 {"a = \"\" \xc3\xa4", 1},
                 {"a = 1\n \xef\xbb\xbf", 2}};
    for (const auto& [text, line] : cases) {
        try {
            toml_table(text, "f.toml");
            ADD_FAILURE() << text;
        } catch (const toml::parse_error& error) {
            EXPECT_EQ(error.source().begin.line, line) << text;
            EXPECT_NE(std::string(error.description()).find("not ASCII"), std::string::npos);
        }
    }
}

TEST(TomlText, AnEarlierErrorIsToldFirst) {
    try {
        toml_table("a = 1\na = 2\n\xc3\xa4 = 3\n", "f.toml");
        ADD_FAILURE();
    } catch (const toml::parse_error& error) {
        EXPECT_EQ(error.source().begin.line, 2U);
    }
}

TEST(TomlText, AfterALineEndingBackslash) {
    const std::string text =
        "a = \"\"\"x\\\n  \n \xc3\xa4\\\n\xf0\x9f\x90\x98\\  \n\xc2\xa0z\xc3\xa4\"\"\"\nb = 1";
    const TomlText read = toml_text(text);
    EXPECT_EQ(read.stray_line, 0);
    EXPECT_EQ(
        read.safe,
        "a = \"\"\"x\\\n  \n \\U000000E4\\\n\\U0001F418\\  \n\\U000000A0z\xc3\xa4\"\"\"\nb = 1");
    const toml::table table = toml_table(text, "f.toml");
    EXPECT_EQ(table["a"].value<std::string>(), "x\xc3\xa4\xf0\x9f\x90\x98\xc2\xa0z\xc3\xa4");
    EXPECT_EQ(table["b"].value<int>(), 1);
}

TEST(TomlText, WhatHasNoEndIsLeftToTheParser) {
    for (const std::string text :
         {"a = 'x\n\xc3\xa4 = 1", "a = \"x\n\xc3\xa4", "a = \"\"\"\xc3\xa4", "a = \"\"\"\\",
          "a = \"\\", "a = \"\"\"\\\n", "a = '''\xc3"}) {
        EXPECT_EQ(toml_text(text).stray_line, 0) << text;
        EXPECT_EQ(toml_text(text).safe, text);
        EXPECT_THROW(toml_table(text, "f.toml"), toml::parse_error) << text;
    }
}

}  // namespace
}  // namespace howdah
