// Every file of src/insight/cases holds snippets and what is found in them:
//
//   == title                 one case
//   # file NAME              what follows is that file; the language is the name's
//   # schema NAME            the same, but not judged itself
//   code //! rule rule       exactly these rules are reported on exactly this line
//   code //! rule:info       and it is that severe
//
// The mark is --! in SQL and //! elsewhere; "# x" lines before the first file are comments. A
// snippet without a mark is clean: anything reported for it is a failure.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "insight/project.hpp"

namespace howdah::insight {
namespace {

struct Case {
    std::string title;
    std::vector<InputFile> files;
    std::vector<InputFile> schemas;
    std::set<std::string> expected;               // "file:line rule"
    std::map<std::string, std::string> severity;  // of those that say so
};

std::string place(std::string_view file, std::size_t line, std::string_view rule) {
    return std::string(file) + ":" + std::to_string(line) + " " + std::string(rule);
}

// Adds one line of a file to the case; its mark is taken off.
void add_line(Case& each, InputFile& file, std::string line, std::size_t number) {
    for (const std::string_view mark : {"--!", "//!"}) {
        const std::size_t at = line.find(mark);
        if (at == std::string::npos) {
            continue;
        }
        std::istringstream words(line.substr(at + mark.size()));
        for (std::string word; words >> word;) {
            const std::size_t colon = word.find(':');
            if (colon != std::string::npos) {
                const std::string severity = word.substr(colon + 1);
                word.resize(colon);
                each.severity[place(file.path, number, word)] = severity;
            }
            EXPECT_NE(find_rule(word), nullptr) << each.title << ": no rule " << word;
            each.expected.insert(place(file.path, number, word));
        }
        line.erase(at);
    }
    file.text += line + "\n";
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
    std::ifstream stream(path);
    std::vector<Case> cases;
    InputFile* file = nullptr;
    std::size_t number = 0;
    const std::string ending = path.stem().extension().string();  // "n_plus_one.ts.cases"
    for (std::string line; std::getline(stream, line);) {
        const bool judged = line.starts_with("# file ");
        if (line.starts_with("== ")) {
            cases.push_back({.title = line.substr(3),
                             .files = {},
                             .schemas = {},
                             .expected = {},
                             .severity = {}});
            cases.back().files.push_back({.path = "case" + ending});
            file = &cases.back().files.back();
            number = 0;
        } else if (judged || line.starts_with("# schema ")) {
            auto& list = judged ? cases.back().files : cases.back().schemas;
            if (judged && list.size() == 1 && list.front().text.empty()) {
                list.clear();
            }
            list.push_back({.path = line.substr(judged ? 7 : 9)});
            file = &list.back();
            number = 0;
        } else if (file != nullptr) {
            add_line(cases.back(), *file, line, ++number);
        }
    }
    return cases;
}

std::string severity_name(Severity severity) {
    constexpr const char* kNames[] = {"info", "warning", "error"};
    return kNames[static_cast<std::size_t>(severity)];
}

// What was found, by place, with its severity.
std::map<std::string, std::string> found_in(const Case& each) {
    const ProjectResult result = analyze_files(each.files, schema_of(each.schemas), {.threads = 1});
    std::map<std::string, std::string> found;
    for (const Finding& finding : result.analysis.findings) {
        found.emplace(place(finding.file, finding.line, finding.rule),
                      severity_name(finding.severity));
    }
    return found;
}

std::vector<std::filesystem::path> case_files() {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator("src/insight/cases")) {
        if (entry.path().extension() == ".cases") {
            paths.push_back(entry.path());
        }
    }
    std::ranges::sort(paths);
    return paths;
}

class InsightCases : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(InsightCases, ReportExactlyTheMarkedRules) {
    const std::vector<Case> cases = read_cases(GetParam());
    ASSERT_FALSE(cases.empty());
    for (const Case& each : cases) {
        const std::map<std::string, std::string> found = found_in(each);
        std::string difference;
        for (const std::string& one : each.expected) {
            difference += found.contains(one) ? "" : "  missing: " + one + "\n";
        }
        for (const auto& [one, severity] : found) {
            difference += each.expected.contains(one) ? "" : "  extra:   " + one + "\n";
            const auto wanted = each.severity.find(one);
            if (wanted != each.severity.end() && wanted->second != severity) {
                difference += "  " + one + " is " + severity + "\n";
            }
        }
        EXPECT_EQ(difference, "") << GetParam().filename() << ": " << each.title;
    }
}

INSTANTIATE_TEST_SUITE_P(Files, InsightCases, ::testing::ValuesIn(case_files()),
                         [](const auto& info) {
                             std::string name = info.param.stem().string();
                             std::ranges::replace(name, '.', '_');
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

// The number of snippets that the documents promise, flagged and clean, and every rule flagged.
TEST(InsightCaseFiles, AreManyAndReachEveryRule) {
    std::map<std::string, int> counts;
    std::map<std::string, int> clean;
    std::set<std::string> rules;
    for (const auto& path : case_files()) {
        const std::string kind = path.stem().extension().string();
        for (const Case& each : read_cases(path)) {
            ++counts[kind];
            clean[kind] += each.expected.empty() ? 1 : 0;
            for (const std::string& one : each.expected) {
                rules.insert(one.substr(one.rfind(' ') + 1));
            }
        }
    }
    EXPECT_GE(counts[".sql"], 150);
    EXPECT_GE(clean[".sql"], 75);
    EXPECT_GE(counts[".ts"], 200);
    EXPECT_GE(clean[".ts"], 75);
    EXPECT_GE(counts[".prisma"], 15);
    for (const Rule& rule : all_rules()) {
        EXPECT_TRUE(rules.contains(std::string(rule.name)) || rule.name == "file-skipped")
            << "no case reaches " << rule.name;
    }
}

// docs/analyze.md ends with what --explain all prints.
TEST(Rules, StandInTheDocuments) {
    std::ifstream stream("docs/analyze.md");
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const std::string pages = explain_all();
    ASSERT_GE(text.size(), pages.size());
    EXPECT_EQ(text.substr(text.size() - pages.size()), pages)
        << "docs/analyze.md: put `howdah analyze --explain all` behind its last section";
}

TEST(Rules, ExplainThemselves) {
    std::set<std::string_view> names;
    for (const Rule& rule : all_rules()) {
        EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
        EXPECT_FALSE(rule.title.empty()) << rule.name;
        EXPECT_FALSE(rule.why.empty()) << rule.name;
        EXPECT_FALSE(rule.fix.empty()) << rule.name;
        EXPECT_TRUE(!rule.counts ||
                    (!rule.flagged.empty() && !rule.clean.empty() && !rule.improvement.empty()))
            << rule.name;
    }
}

}  // namespace
}  // namespace howdah::insight
