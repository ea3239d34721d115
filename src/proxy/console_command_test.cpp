#include "proxy/console_command.hpp"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

// "name|argument|value", or "! message".
std::string parsed(std::string_view text) {
    const auto command = parse_console_command(text);
    return command ? command->name + "|" + command->argument + "|" + command->value
                   : "! " + command.error().message;
}

TEST(ConsoleCommand, OneWordOrTwo) {
    EXPECT_EQ(parsed("SHOW pools;"), "show|pools|");
    EXPECT_EQ(parsed("  show\n\tPOOLS ; "), "show|POOLS|");
    EXPECT_EQ(parsed("PAUSE"), "pause||");
    EXPECT_EQ(parsed("pause \"my \"\"db\"\"\""), "pause|my \"db\"|");
    EXPECT_EQ(parsed("KILL_CLIENT 4711"), "kill_client|4711|");
}

TEST(ConsoleCommand, NothingIsAnEmptyQuery) {
    EXPECT_EQ(parsed(""), "||");
    EXPECT_EQ(parsed(" ; "), "||");
}

TEST(ConsoleCommand, SetTakesWordsAndStrings) {
    EXPECT_EQ(parsed("SET Pool_Mode = transaction"), "set|pool_mode|transaction");
    EXPECT_EQ(parsed("set query_timeout=3;"), "set|query_timeout|3");
    EXPECT_EQ(parsed("set a to 'it''s; here'"), "set|a|it's; here");
    EXPECT_EQ(parsed("set a = ''"), "set|a|");
    EXPECT_EQ(parsed("set a = \"b c\""), "set|a|b c");
}

TEST(ConsoleCommand, EverythingElseIsInvalid) {
    EXPECT_EQ(parsed("show pools clients"),
              "! invalid command 'show pools clients', use SHOW HELP;");
    EXPECT_TRUE(parsed("select 1 + 1").starts_with("! invalid command"));
    EXPECT_TRUE(parsed("show 'pools'").starts_with("! invalid command"));
    EXPECT_TRUE(parsed("set a").starts_with("! invalid command"));
    EXPECT_TRUE(parsed("set a = b c").starts_with("! invalid command"));
    EXPECT_TRUE(parsed("pause \"half").starts_with("! invalid command"));
    EXPECT_TRUE(parsed("show pools; show clients").starts_with("! invalid command"));
    EXPECT_EQ(parsed("pause " + std::string(64, 'x')), "! bad arguments");
}

}  // namespace
}  // namespace howdah::proxy
