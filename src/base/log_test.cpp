#include "base/log.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/utf8.hpp"

namespace howdah::log {
namespace {

class Log : public testing::Test {
  protected:
    Log() : path_(testing::TempDir() + "howdah-log-" + std::to_string(::getpid())) {}
    ~Log() override {
        EXPECT_TRUE(configure(Options()));
        std::filesystem::remove(path_);
    }
    void start(Format format) {
        Options options;
        options.format = format;
        options.to_stderr = false;
        options.file = path_;
        ASSERT_TRUE(configure(options));
    }
    std::string written() const {
        std::ostringstream text;
        text << std::ifstream(path_).rdbuf();
        return text.str();
    }
    std::string path_;
};

TEST_F(Log, JsonLinesHaveTheSessionItsDatabaseAndUserAsMembers) {
    start(Format::kJson);
    emit(Level::kInfo, {.session = 31, .database = "sh\"op", .user = "a\xff"}, "C-1f: {}\nbye",
         "closing");
    const std::string line = written();
    EXPECT_NE(line.find(R"("level":"LOG",)"), std::string::npos) << line;
    EXPECT_NE(line.find(R"("message":"C-1f: closing\u000abye","session":31,"database":"sh\"op",)"
                        "\"user\":\"a\xef\xbf\xbd\"}\n"),
              std::string::npos)
        << line;
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST_F(Log, WhatIsNotKnownIsLeftOut) {
    start(Format::kJson);
    info("listening");
    EXPECT_NE(written().find("\"message\":\"listening\"}\n"), std::string::npos) << written();
}

TEST_F(Log, TextLinesStayAsPgBouncersToolsReadThem) {
    start(Format::kText);
    emit(Level::kWarning, {.session = 31, .database = "shop"}, "C-1f: shop/app@[::1]:5: gone");
    EXPECT_NE(written().find("] WARNING C-1f: shop/app@[::1]:5: gone\n"), std::string::npos);
}

// Names come from clients: what is in them cannot begin a line, nor a terminal's command.
TEST_F(Log, TextLinesHaveNoControlCharacters) {
    start(Format::kText);
    info(
        "a\nb\rc\td\x1b[2Je\x7f"
        "f\x01g\xc2\x9bh\xe2\x80\xa8i\xe2\x80\xa9j");
    EXPECT_NE(written().find("] LOG a b c d [2Je f g h i j\n"), std::string::npos) << written();
    // Any other text stays: not all names are UTF-8.
    info("{}", "\xc3\xa9 \xe9 \xff \xe2\x82\xac \xc2");
    EXPECT_NE(written().find("] LOG \xc3\xa9 \xe9 \xff \xe2\x82\xac \xc2\n"), std::string::npos);
    EXPECT_EQ(std::ranges::count(written(), '\n'), 2);
}

TEST_F(Log, JsonLinesAreValidWhateverIsInTheNames) {
    start(Format::kJson);
    std::string all;
    for (int byte = 0; byte < 256; ++byte) {
        all.push_back(static_cast<char>(byte));
    }
    emit(Level::kInfo, {.session = 1, .database = all, .user = all}, "{}", all);
    const std::string line = written();
    EXPECT_EQ(
        std::ranges::count_if(line, [](char c) { return static_cast<unsigned char>(c) < 0x20; }),
        1);  // the line's end
    EXPECT_EQ(clean_utf8(line), line);
    info("\x7f\xc2\x9b\u2028");
    EXPECT_NE(written().find(R"("message":"\u007f\u009b\u2028"})"), std::string::npos) << written();
}

}  // namespace
}  // namespace howdah::log
