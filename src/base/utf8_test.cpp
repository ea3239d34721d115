#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace howdah {
namespace {

TEST(Utf8, WhatIsGoodStays) {
    const std::string good = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x98\xef\xbf\xbf\xf4\x8f\xbf\xbf";
    EXPECT_EQ(clean_utf8(good), good);
    EXPECT_EQ(clean_utf8(""), "");
}

TEST(Utf8, EachBadByteIsReplaced) {
    const std::string mark = "\xef\xbf\xbd";
    for (const std::string bad : {"\x80", "\xc0", "\xc1", "\xf5", "\xff", "\xc3", "\xe2"}) {
        EXPECT_EQ(clean_utf8(bad + "a"), mark + "a");
    }
    EXPECT_EQ(clean_utf8("\xe0\x80\x80"), mark + mark + mark);             // overlong
    EXPECT_EQ(clean_utf8("\xed\xa0\x80"), mark + mark + mark);             // surrogate
    EXPECT_EQ(clean_utf8("\xf4\x90\x80\x80"), mark + mark + mark + mark);  // above U+10FFFF
}

TEST(Utf8, CutsBetweenCharacters) {
    EXPECT_EQ(clean_utf8("a\xc3\xa9z", 2), "a");
    EXPECT_EQ(clean_utf8("a\xc3\xa9z", 3), "a\xc3\xa9");
    EXPECT_EQ(clean_utf8("\xff\xff", 4), "\xef\xbf\xbd");
}

TEST(Utf8, LineOfAControlCharacter) {
    EXPECT_EQ(control_character_line(""), 0);
    EXPECT_EQ(control_character_line("a\tb\r\n\xc3\xa9"), 0);
    EXPECT_EQ(control_character_line(std::string_view("\0", 1)), 1);
    EXPECT_EQ(control_character_line("\n\n[\x1b"), 3);
    EXPECT_EQ(control_character_line("\n\x7f"), 2);
}

}  // namespace
}  // namespace howdah
