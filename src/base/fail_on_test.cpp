#include "base/fail_on.hpp"

#include <gtest/gtest.h>

#include <string>

namespace howdah {
namespace {

TEST(FailOn, BySeverityOrByRisk) {
    Finding finding;
    finding.severity = Severity::kWarning;
    finding.risk = Risk::kMedium;
    for (const char* word : {"warning", "info", "medium", "low"}) {
        EXPECT_TRUE(fails(finding, word)) << word;
    }
    for (const char* word : {"error", "high", "never"}) {
        EXPECT_FALSE(fails(finding, word)) << word;
    }
    finding.risk = Risk::kNone;
    EXPECT_FALSE(fails(finding, "low"));
    EXPECT_TRUE(fails(finding, "often")) << "a word that nobody checked hides nothing";
}

TEST(FailOn, TheWordsInItsMessageAreTheWords) {
    std::string words(kFailOnWords);
    words.replace(words.find(" or "), 4, ", ");
    for (std::size_t at = 0; at < words.size();) {
        const std::size_t end = std::min(words.find(", ", at), words.size());
        EXPECT_TRUE(is_fail_on(words.substr(at, end - at))) << words.substr(at, end - at);
        at = end + 2;
    }
    EXPECT_FALSE(is_fail_on("often"));
    EXPECT_FALSE(is_fail_on(""));
}

}  // namespace
}  // namespace howdah
