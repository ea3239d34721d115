// Runs src/sql/cases/*.txt: by the cache, by the text itself, and by a cache that has seen the same
// shape with other literals.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "sql/facts.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::sql {
namespace {

struct Case {
    std::string place;  // file:line
    std::string text;
    std::string effects;
    std::string read;
    std::string write;
    std::string call;
    std::string deferred;
    bool has_read = false;
    bool has_write = false;
    bool has_call = false;
    bool has_deferred = false;
};

std::string sorted_words(const std::string& line) {
    std::istringstream words(line);
    std::vector<std::string> sorted;
    for (std::string next; words >> next;) {
        sorted.push_back(next);
    }
    std::ranges::sort(sorted);
    std::string joined;
    for (const std::string& word : sorted) {
        joined += (joined.empty() ? "" : " ") + word;
    }
    return joined;
}

std::string names(const std::vector<Name>& list) {
    std::string joined;
    for (const Name& name : list) {
        joined += (joined.empty() ? "" : " ") +
                  (name.schema.empty() ? name.name : name.schema + "." + name.name);
    }
    return sorted_words(joined);
}

// Takes `prefix` off the line; false where it is another line.
bool take(const std::string& line, const std::string& prefix, std::string& rest) {
    if (!line.starts_with(prefix)) {
        return false;
    }
    rest = sorted_words(line.substr(prefix.size()));
    return true;
}

void take_line(Case& current, const std::string& line) {
    if (take(line, "=> ", current.effects)) {
        return;
    }
    if (!current.effects.empty()) {
        const bool known =
            (take(line, "read:", current.read) && (current.has_read = true)) ||
            (take(line, "write:", current.write) && (current.has_write = true)) ||
            (take(line, "call:", current.call) && (current.has_call = true)) ||
            (take(line, "deferred:", current.deferred) && (current.has_deferred = true));
        EXPECT_TRUE(known) << current.place << ": " << line;
        return;
    }
    if (current.text.empty() && line.starts_with('#')) {
        return;
    }
    current.text += (current.text.empty() ? "" : "\n") + line;
}

std::vector<Case> read_cases() {
    std::vector<Case> cases;
    for (const auto& entry : std::filesystem::directory_iterator("src/sql/cases")) {
        std::ifstream file(entry.path());
        Case current;
        int number = 0;
        for (std::string line; std::getline(file, line);) {
            ++number;
            if (current.place.empty()) {
                current.place = entry.path().filename().string() + ":" + std::to_string(number);
            }
            if (line == "---") {
                cases.push_back(std::move(current));
                current = {};
            } else {
                take_line(current, line);
            }
        }
        cases.push_back(std::move(current));
    }
    return cases;
}

void expect_facts(const Case& expected, const Statement& statement, const char* way) {
    const std::string where = expected.place + " (" + way + "): " + expected.text;
    std::string effects = sorted_words(effect_names(statement.effects));
    EXPECT_EQ(effects.empty() ? "none" : effects, expected.effects) << where;
    if (expected.has_read) {
        EXPECT_EQ(names(statement.tables_read), expected.read) << where;
    }
    if (expected.has_write) {
        EXPECT_EQ(names(statement.tables_written), expected.write) << where;
    }
    if (expected.has_call) {
        EXPECT_EQ(names(statement.functions), expected.call) << where;
    }
    EXPECT_EQ(sorted_words(effect_names(statement.deferred_effects)),
              expected.has_deferred ? expected.deferred : "")
        << where;
}

TEST(Effects, CasesHold) {
    const std::vector<Case> cases = read_cases();
    ASSERT_GT(cases.size(), 150U);
    StatementCache cache(10'000, 10 << 20, 1);
    for (const Case& expected : cases) {
        ASSERT_FALSE(expected.effects.empty()) << expected.place << ": " << expected.text;
        expect_facts(expected, *cache.analyze(expected.text), "first time");
        expect_facts(expected, *cache.analyze(expected.text), "from the cache");
        expect_facts(expected, *cache.analyze(expected.text + " -- other text"), "as a shape");
        if (const auto direct = parse_facts(expected.text)) {
            expect_facts(expected, *direct->statement, "parsed as it stands");
        }
    }
}

}  // namespace
}  // namespace howdah::sql
