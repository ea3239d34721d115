// Every rule has a file of cases beside it: rules/NAME.cases.
//
//   == title                 one case
//   # tool NAME [VERSION]    whose migrations these are (plain when not said)
//   # history                what follows was migrated before
//   # migration              what follows is judged
//   SQL --!                  this rule reports exactly the lines marked so
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <regex>
#include <sstream>

#include "migrate/lint/lint.hpp"

namespace howdah::migrate::lint {
namespace {

struct Case {
    std::string title;
    Project project;
    std::string history;
    std::string migration;
};

Tool tool_of(std::string_view name) {
    for (const Tool tool : {Tool::kDrizzle, Tool::kPrisma, Tool::kFlyway, Tool::kGolangMigrate,
                            Tool::kGoose, Tool::kDbmate, Tool::kSqitch, Tool::kGraphile}) {
        std::string full(tool_name(tool));
        std::ranges::transform(full, full.begin(), [](unsigned char c) { return std::tolower(c); });
        if (full.starts_with(name)) {
            return tool;
        }
    }
    ADD_FAILURE() << "no tool " << name;
    return Tool::kPlain;
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::vector<Case> cases;
    std::string line;
    bool history = false;
    while (std::getline(file, line)) {
        if (line.starts_with("== ")) {
            cases.push_back(
                {.title = line.substr(3), .project = {}, .history = {}, .migration = {}});
            history = false;
        } else if (line == "# history" || line == "# migration") {
            if (line == "# history") {
                cases.back().migration.clear();
            }
            history = line == "# history";
        } else if (line.starts_with("# tool ")) {
            std::istringstream words(line.substr(7));
            std::string name;
            char dot = '.';
            words >> name >> cases.back().project.tool_major >> dot >>
                cases.back().project.tool_minor;
            cases.back().project.tool = tool_of(name);
        } else {
            (history ? cases.back().history : cases.back().migration) += line + "\n";
        }
    }
    return cases;
}

std::set<std::uint32_t> marked_lines(const std::string& text) {
    std::set<std::uint32_t> lines;
    std::istringstream stream(text);
    std::string line;
    for (std::uint32_t number = 1; std::getline(stream, line); ++number) {
        if (line.find("--!") != std::string::npos && !line.starts_with("--! ")) {
            lines.insert(number);
        }
    }
    return lines;
}

class RuleCases : public ::testing::TestWithParam<const Rule*> {};

TEST_P(RuleCases, ReportsExactlyTheMarkedLines) {
    const Rule& rule = *GetParam();
    std::string name(rule.name);
    std::ranges::replace(name, '-', '_');
    const auto path = std::filesystem::path("src/migrate/rules") / (name + ".cases");
    const std::vector<Case> cases = read_cases(path);
    ASSERT_FALSE(cases.empty()) << path;
    bool flagged = false;
    bool clean = false;
    for (Case each : cases) {
        each.project.files = {{.path = "history", .name = "history", .judged = false},
                              {.path = "migration", .name = "migration"}};
        LintConfig config;
        config.enabled.insert(std::string(rule.name));
        const auto result = judge_project(
            {.project = each.project, .config = config, .read = [&](const MigrationFile& file) {
                 return Result<std::string>(file.path == "history" ? each.history : each.migration);
             }});
        ASSERT_TRUE(result.has_value());
        std::set<std::uint32_t> found;
        for (const Finding& finding : result->findings) {
            if (finding.rule == rule.name) {
                found.insert(finding.line);
            }
            EXPECT_NE(finding.rule, "syntax-error") << each.title << ": " << finding.message;
        }
        const std::set<std::uint32_t> expected = marked_lines(each.migration);
        EXPECT_EQ(found, expected) << rule.name << ": " << each.title;
        flagged = flagged || !expected.empty();
        std::istringstream lines(each.migration);
        clean = clean || std::ranges::count(each.migration, '\n') >
                             static_cast<std::ptrdiff_t>(expected.size());
    }
    EXPECT_TRUE(flagged) << "no case is flagged";
    EXPECT_TRUE(clean) << "no case is clean";
}

std::vector<const Rule*> rules_with_checks() {
    std::vector<const Rule*> rules;
    for (const Rule* rule : all_rules()) {
        if (rule->step != nullptr || rule->transaction != nullptr || rule->file != nullptr) {
            rules.push_back(rule);
        }
    }
    return rules;
}

INSTANTIATE_TEST_SUITE_P(Rules, RuleCases, ::testing::ValuesIn(rules_with_checks()),
                         [](const auto& info) {
                             std::string name(info.param->name);
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

// What is found, without the lines, which an edit moves.
std::multiset<std::string> told(const std::vector<Finding>& findings) {
    std::multiset<std::string> all;
    for (const Finding& finding : findings) {
        all.insert(finding.rule + ": " +
                   std::regex_replace(finding.message, std::regex("line [0-9]+"), "line"));
    }
    return all;
}

// The files that `edits` leave, in their order.
std::vector<std::pair<std::string, std::string>> edited(const std::string& path,
                                                        const std::string& text,
                                                        std::vector<Edit> edits) {
    std::vector<std::pair<std::string, std::string>> files{{path, text}};
    for (const Edit& edit : edits) {
        if (edit.file != path) {
            EXPECT_EQ(edit.end, 0U);
            files.emplace_back(edit.file, edit.text);
        }
    }
    std::erase_if(edits, [&](const Edit& edit) { return edit.file != path; });
    std::ranges::sort(edits, std::greater(), &Edit::begin);
    for (const Edit& edit : edits) {
        files[0].second.replace(edit.begin, edit.end - edit.begin, edit.text);
    }
    return files;
}

LintResult judge_texts(const Case& each, const Rule& rule,
                       const std::vector<std::pair<std::string, std::string>>& files) {
    Project project = each.project;
    std::map<std::string, std::string> texts(files.begin(), files.end());
    texts["history"] = each.history;
    project.files = {{.path = "history", .name = "history", .judged = false}};
    for (const auto& [path, text] : files) {
        project.files.push_back({.path = path, .name = path});
    }
    LintConfig config;
    config.enabled.insert(std::string(rule.name));
    auto result = judge_project(
        {.project = project,
         .config = config,
         .read =
             [&](const MigrationFile& file) { return Result<std::string>(texts.at(file.path)); },
         .keep_actions = false,
         .with_edits = files.size() == 1});
    EXPECT_TRUE(result.has_value());
    return std::move(*result);
}

TEST(Edits, SettleTheirFindingAndBringNoOther) {
    std::map<std::string, int> settled;
    for (const Rule* rule : rules_with_checks()) {
        std::string name(rule->name);
        std::ranges::replace(name, '-', '_');
        for (const Case& each :
             read_cases(std::filesystem::path("src/migrate/rules") / (name + ".cases"))) {
            const std::string path = "V0002__migration.sql";
            const LintResult found = judge_texts(each, *rule, {{path, each.migration}});
            const auto before = told(found.findings);
            for (const Finding& finding : found.findings) {
                if (finding.edits.empty()) {
                    continue;
                }
                const auto files = edited(path, each.migration, finding.edits);
                const auto after = told(judge_texts(each, *rule, files).findings);
                const std::string own = *told({finding}).begin();
                const std::string where =
                    rule->name.data() + (", " + each.title) + ": " + own + "\n" + files[0].second;
                EXPECT_LT(after.count(own), before.count(own)) << where;
                for (const std::string& one : after) {
                    EXPECT_LE(after.count(one), before.count(one)) << one << "\nof " << where;
                }
                ++settled[finding.rule];
            }
        }
    }
    for (const char* name :
         {"create-index-blocks-writes", "drop-index-blocks-queries", "add-check-validates",
          "add-foreign-key-validates", "add-unique-builds-index", "add-primary-key-builds-index",
          "set-not-null-scans", "lock-timeout-missing", "add-column-volatile-default-rewrites",
          "validate-in-same-transaction"}) {
        EXPECT_GT(settled[name], 0) << name;
    }
    for (const auto& [name, times] : settled) {
        std::cout << name << ": " << times << '\n';
    }
}

TEST(Rules, SayWhatWhyAndHow) {
    std::set<std::string_view> names;
    for (const Rule* rule : all_rules()) {
        EXPECT_TRUE(names.insert(rule->name).second) << rule->name;
        EXPECT_FALSE(rule->title.empty()) << rule->name;
        EXPECT_FALSE(rule->why.empty()) << rule->name;
        EXPECT_FALSE(rule->fix.empty()) << rule->name;
        EXPECT_FALSE(rule->flagged.empty()) << rule->name;
        EXPECT_FALSE(rule->clean.empty()) << rule->name;
    }
}

}  // namespace
}  // namespace howdah::migrate::lint
