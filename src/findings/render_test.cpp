#include "findings/render.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace howdah::findings {
namespace {

Finding sample() {
    Finding finding;
    finding.rule = "drop-column";
    finding.severity = Severity::kWarning;
    finding.risk = Risk::kHigh;
    finding.file = "a,b.sql";
    finding.line = 2;
    finding.column = 4;
    finding.source = "\tt\xc3\xa4x DROP";
    finding.caret_length = 3;
    finding.message = "gone: 100%\nreally";
    finding.why = "why";
    finding.fix = "fix";
    finding.impact = "lock";
    return finding;
}

std::string show(std::span<const Finding> findings, Format format) {
    const Report report{
        .title = "T", .command = "c", .findings = findings, .rules = {}, .files = {}};
    return render(report, {.format = format});
}

TEST(Render, TextPointsAtThePlace) {
    const std::vector<Finding> findings{sample()};
    const std::string text = show(findings, Format::kText);
    EXPECT_NE(text.find("a,b.sql:2:4: warning: gone"), std::string::npos);
    EXPECT_NE(text.find("  | \t  ^~~\n"), std::string::npos) << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Render, AnnotationsEscapeWhatWouldEndThem) {
    const std::vector<Finding> findings{sample()};
    EXPECT_EQ(
        show(findings, Format::kGithub),
        "::warning file=a%2Cb.sql,line=2,col=4,title=drop-column::gone: 100%25%0Areally%0Afix\n");
}

TEST(Render, JsonIsTheDocumentedShape) {
    std::vector<Finding> findings{sample()};
    findings[0].message = "bad \xff bytes";
    const auto root = boost::json::parse(show(findings, Format::kJson)).as_object();
    EXPECT_EQ(root.at("schema").as_string(), "howdah.findings/1");
    EXPECT_EQ(root.at("summary").at("high").to_number<int>(), 1);
    const auto& first = root.at("findings").as_array().at(0).as_object();
    for (const char* key : {"rule", "severity", "risk", "file", "line", "column", "message", "why",
                            "evidence", "fix", "impact", "confidence"}) {
        EXPECT_TRUE(first.contains(key)) << key;
    }
    EXPECT_EQ(first.at("message").as_string(), "bad \xef\xbf\xbd bytes");
}

TEST(Render, LinesAreNeverZeroWhereAFormatForbidsIt) {
    std::vector<Finding> findings{sample()};
    findings[0].line = 0;
    const auto gitlab = boost::json::parse(show(findings, Format::kGitlab)).as_array();
    EXPECT_EQ(gitlab.at(0).at("location").at("lines").at("begin").to_number<int>(), 1);
    const auto sarif = boost::json::parse(show(findings, Format::kSarif)).as_object();
    EXPECT_EQ(sarif.at("version").as_string(), "2.1.0");
    const auto& result = sarif.at("runs").as_array().at(0).at("results").as_array().at(0);
    EXPECT_EQ(result.at("locations")
                  .as_array()
                  .at(0)
                  .at("physicalLocation")
                  .at("region")
                  .at("startLine")
                  .to_number<int>(),
              1);
}

TEST(Render, FingerprintsSurviveMovedLinesAndTellRepeatsApart) {
    std::vector<Finding> findings{sample(), sample()};
    const auto before = fingerprints(findings);
    findings[0].line = 90;
    EXPECT_EQ(before, fingerprints(findings));
    EXPECT_NE(before[0], before[1]);
}

TEST(Render, MarkdownReportsByPriority) {
    std::vector<Finding> findings{sample(), sample()};
    findings[1].rule = "other";
    findings[1].risk = Risk::kLow;
    findings[1].severity = Severity::kError;
    const std::string text = show(findings, Format::kMarkdown);
    EXPECT_NE(text.find("| 2 | 1 | 0 | 1 |"), std::string::npos) << text;
    EXPECT_NE(text.find("**[WARNING]** line 2"), std::string::npos);
    EXPECT_NE(text.find("**[ERROR]** line 2"), std::string::npos);
    EXPECT_LT(text.find("**[HIGH]**"), text.find("**[LOW]**"));
}

TEST(Render, NamesOfFormats) {
    Format format = Format::kText;
    EXPECT_TRUE(format_from_name("sarif", format));
    EXPECT_EQ(format, Format::kSarif);
    EXPECT_FALSE(format_from_name("xml", format));
}

}  // namespace
}  // namespace howdah::findings
