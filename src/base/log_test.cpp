#include "base/log.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

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

}  // namespace
}  // namespace howdah::log
