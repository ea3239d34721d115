#include "insight/live/plan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace howdah::insight::live {
namespace {

using Names = std::vector<std::string>;

// As the server quotes it in JSON.
std::string scan(std::string_view filter) {
    std::string escaped;
    for (const char c : filter) {
        escaped += c == '\n' ? "\\n" : c == '"' ? "\\\"" : std::string(1, c);
    }
    return fmt::format(
        R"([{{"Plan": {{"Node Type": "Limit", "Plan Rows": 1, "Total Cost": 9.5, "Plans": [
            {{"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "leads",
              "Plan Rows": 3, "Total Cost": 4711.25, "Filter": "{}"}}]}}}}])",
        escaped);
}

Names columns(std::string_view filter) {
    const Plan plan = read_plan(scan(filter));
    return plan.full_scans.size() == 1 ? plan.full_scans[0].columns : Names{"no scan"};
}

TEST(Plan, AFullScanWithItsConditionsColumns) {
    const Plan plan = read_plan(scan("(leads.contact_id = $1)"));
    ASSERT_EQ(plan.full_scans.size(), 1U);
    EXPECT_EQ(plan.full_scans[0].table, "leads");
    EXPECT_EQ(plan.full_scans[0].rows_out, 3);
    EXPECT_FALSE(plan.uses_index);
    EXPECT_EQ(plan.text,
              "Limit (rows 1, cost 10) > Seq Scan on leads (rows 3, cost 4711), Filter: "
              "(leads.contact_id = $1)");
}

TEST(Plan, ColumnsThatAreComparedWithParameters) {
    EXPECT_EQ(columns("(contact_id = $1)"), Names{"contact_id"});
    EXPECT_EQ(columns("((leads.a = $1) AND ((leads.b)::text = ($2)::text))"), (Names{"a", "b"}));
    EXPECT_EQ(columns("((leads.\"mixed\"\"Case\")::character varying = $1)"), Names{"mixed\"Case"});
    EXPECT_EQ(columns("(leads.id = ANY ($1))"), Names{"id"});
    EXPECT_EQ(columns("(lower(leads.email) = $1)"), Names{});
    EXPECT_EQ(columns("((lower(leads.email))::text = $1)"), Names{});
    EXPECT_EQ(columns("((leads.a + leads.b) = $1)"), Names{});
    EXPECT_EQ(columns("((leads.a = $1) OR (leads.b = $2))"), Names{});
    EXPECT_EQ(columns("(leads.a = leads.b)"), Names{});
    EXPECT_EQ(columns("(leads.a > $1)"), Names{});
    EXPECT_EQ(columns("= $1"), Names{});
    EXPECT_EQ(columns(")) = $1"), Names{});
}

TEST(Plan, IndexesAreSeen) {
    const Plan plan = read_plan(
        R"json([{"Plan": {"Node Type": "Index Scan", "Index Name": "leads_pkey", "Plan Rows": 1,
            "Relation Name": "leads", "Total Cost": 8.3, "Index Cond": "(id = $1)"}}])json");
    EXPECT_TRUE(plan.uses_index);
    EXPECT_TRUE(plan.full_scans.empty());
    EXPECT_EQ(plan.text,
              "Index Scan using leads_pkey on leads (rows 1, cost 8), Index Cond: (id = $1)");
}

// A view's literal may have a line break in it; nothing of what stands behind it may be read as
// SQL.
TEST(Plan, NoLiteralWhateverItsLines) {
    const Plan plan = read_plan(scan("((leads.a = 'one\nSECRET'::text) AND (leads.b = 5))"));
    EXPECT_EQ(plan.text.find("SECRET"), std::string::npos) << plan.text;
    EXPECT_EQ(plan.text.find('5'), std::string::npos) << plan.text;
    EXPECT_EQ(plan.text.find('\n'), std::string::npos) << plan.text;
}

TEST(Plan, WhatIsNoPlan) {
    for (const char* text : {"", "[]", "[1]", "{\"Plan\": {}}", "[{\"Plan\": 1}]", "[{",
                             R"([{"Plan": {"Node Type": 5}}])"}) {
        const Plan plan = read_plan(text);
        EXPECT_EQ(plan.text, "") << text;
        EXPECT_TRUE(plan.full_scans.empty()) << text;
    }
}

}  // namespace
}  // namespace howdah::insight::live
