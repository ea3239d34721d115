#include "insight/verdict.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace howdah::insight {
namespace {

// The seed's formula and cuts: other tools compare scores, so that none of these may move.
TEST(Verdict, ScoreIsBasePlusDepthConditionsAndIssues) {
    Verdict verdict{.operation = Operation::kRead};
    EXPECT_EQ(verdict.score(), 5);
    verdict.operation = Operation::kWrite;
    EXPECT_EQ(verdict.score(), 10);
    verdict.operation = Operation::kRaw;
    EXPECT_EQ(verdict.score(), 15);
    verdict.operation = Operation::kAggregate;
    EXPECT_EQ(verdict.score(), 15);
    verdict.include_depth = 2;
    verdict.where_count = 3;
    verdict.issues = {"one", "two"};
    EXPECT_EQ(verdict.score(), 15 + 2 * 10 + 3 * 5 + 2 * 20);
    EXPECT_EQ(verdict.complexity(), Complexity::kHigh);
}

TEST(Verdict, CutsAreAt30And70And100) {
    EXPECT_EQ(complexity_of(29), Complexity::kLow);
    EXPECT_EQ(complexity_of(30), Complexity::kMedium);
    EXPECT_EQ(complexity_of(69), Complexity::kMedium);
    EXPECT_EQ(complexity_of(70), Complexity::kHigh);
    EXPECT_EQ(complexity_of(99), Complexity::kHigh);
    EXPECT_EQ(complexity_of(100), Complexity::kCritical);
    EXPECT_EQ(complexity_name(Complexity::kCritical), "critical");
}

TEST(Verdict, AnIssueBringsItsRecommendation) {
    Verdict verdict;
    Finding finding;
    finding.rule = "missing-index";
    finding.severity = Severity::kError;
    finding.message = "no index";
    finding.fix = "create index on t (a)";
    verdict.add(finding);
    ASSERT_EQ(verdict.issues.size(), 1U);
    ASSERT_EQ(verdict.recommendations.size(), 1U);
    EXPECT_EQ(verdict.recommendations[0].advice, Advice::kIndex);
    EXPECT_EQ(verdict.recommendations[0].priority, Severity::kError);
    EXPECT_EQ(verdict.recommendations[0].after, "create index on t (a)");
}

TEST(Verdict, AFindingAboutTheFileIsNoIssueOfTheQuery) {
    Verdict verdict;
    Finding finding;
    finding.rule = "unused-suppression";
    verdict.add(finding);
    EXPECT_TRUE(verdict.issues.empty());
}

TEST(Verdict, JsonSumsUp) {
    const Verdict low{.query = "a"};
    const Verdict high{.query = "b", .include_depth = 7};
    const std::vector<Verdict> both{low, high};
    const boost::json::value value = boost::json::parse(render_verdicts_json(both));
    const boost::json::object& summary = value.at("summary").as_object();
    EXPECT_EQ(summary.at("queries").to_number<int>(), 2);
    EXPECT_EQ(summary.at("low").to_number<int>(), 1);
    EXPECT_EQ(summary.at("high").to_number<int>(), 1);
    EXPECT_EQ(summary.at("averageScore").to_number<double>(), 40);
    EXPECT_EQ(value.at("queries").at(0).at("query").as_string(), "b");
}

}  // namespace
}  // namespace howdah::insight
