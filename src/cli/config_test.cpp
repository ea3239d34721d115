#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/commands.hpp"

namespace howdah::cli {
namespace {

struct Ran {
    int status = 0;
    std::string out;
    std::string err;
};

Ran run(std::vector<std::string> words) {
    words.insert(words.begin(), "config");
    std::vector<char*> argv;
    for (auto& word : words) {
        argv.push_back(word.data());
    }
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Ran ran;
    ran.status = run_config(static_cast<int>(argv.size()), argv.data());
    ran.out = testing::internal::GetCapturedStdout();
    ran.err = testing::internal::GetCapturedStderr();
    return ran;
}

class ConfigCommand : public testing::Test {
  protected:
    ConfigCommand() {
        std::string name = (std::filesystem::temp_directory_path() / "howdah-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~ConfigCommand() override { std::filesystem::remove_all(folder_); }

    std::string file(const std::string& name, const std::string& text) const {
        std::ofstream(folder_ / name) << text;
        return (folder_ / name).string();
    }

    std::filesystem::path folder_;
};

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST_F(ConfigCommand, CheckNamesFileLineKeyAndTheNearestKey) {
    const std::string path = file("p.ini", "[databases]\n* = host=x\n[pgbouncer]\npool_mdoe = x\n");
    const Ran ran = run({"check", path});
    EXPECT_EQ(ran.status, 1);
    EXPECT_EQ(ran.out, path +
                           ":4: error: unknown parameter: pgbouncer/pool_mdoe; "
                           "did you mean \"pool_mode\"?\n");

    const auto report = boost::json::parse(run({"check", path, "--format", "json"}).out);
    EXPECT_EQ(report.at("schema"), "howdah.findings/1");
    EXPECT_EQ(report.at("summary").at("errors"), 1);
    EXPECT_EQ(report.at("findings").at(0).at("line"), 4);
    EXPECT_EQ(report.at("findings").at(0).at("fix"), "write \"pool_mode\"");
}

TEST_F(ConfigCommand, CheckOfAGoodFile) {
    const Ran ran = run({"check", file("h.toml", "[databases.shop]\nhost = 'x'\n")});
    EXPECT_EQ(ran.status, 0);
    EXPECT_TRUE(has(ran.out, "h.toml: good")) << ran.out;
}

TEST_F(ConfigCommand, CheckReadsEveryCommandsTables) {
    const std::string path = file("h.toml",
                                  "[databases.shop]\nhost = 'x'\n"
                                  "[lint]\npaht = 'a'\nrequire_reason = 'yes'\n"
                                  "disable = ['drop-colum']\n"
                                  "[migrate]\non_block = 'waits'\n"
                                  "[deploy]\nwatch_seconds = -1\ngaet = 'high'\n");
    const Ran ran = run({"check", path});
    EXPECT_EQ(ran.status, 1);
    for (const char* line :
         {":4: error: [lint] has no key paht; did you mean \"path\"?",
          ":5: error: require_reason is true or false",
          ":6: error: there is no rule drop-colum; did you mean \"drop-column\"?",
          ":8: error: [migrate] on_block is one of \"wait\", \"fail\", \"cancel\"",
          ":10: error: [deploy] watch_seconds is a whole number, 0 or more",
          ":11: error: [deploy] has no key 'gaet'; did you mean \"gate\"?"}) {
        EXPECT_TRUE(has(ran.out, path + line)) << line << " is not in\n" << ran.out;
    }
    const auto report = boost::json::parse(run({"check", path, "--format", "json"}).out);
    EXPECT_EQ(report.at("summary").at("errors"), 6);
    std::vector<std::int64_t> lines;
    for (const auto& finding : report.at("findings").as_array()) {
        if (finding.at("severity") == "error") {
            lines.push_back(finding.at("line").as_int64());
        }
    }
    EXPECT_EQ(lines, (std::vector<std::int64_t>{4, 5, 6, 8, 10, 11}));
}

TEST_F(ConfigCommand, CheckOfAFileWithoutAProxy) {
    const std::string path = file("h.toml", "[lint]\nfail_on = 'error'\n");
    const Ran ran = run({"check", path});
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.out, path + ": good\n");
    EXPECT_EQ(run({"check", file("b.toml", "[proxy\n")}).out.find("syntax error"),
              run({"check", file("b.toml", "[proxy\n")}).out.rfind("syntax error"));
}

TEST_F(ConfigCommand, ShowTellsWhereAValueCameFromAndNoPassword) {
    const std::string path = file("h.toml",
                                  "[proxy]\nloops = 3\n[databases.shop]\nhost = 'x'\n"
                                  "password = 'hunter2'\n");
    const Ran ran = run({"show", "--config", path, "--set", "pool_mode=session", "--changed"});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_TRUE(has(ran.out, "# " + path + ":2")) << ran.out;
    EXPECT_TRUE(has(ran.out, "# command line")) << ran.out;
    EXPECT_TRUE(has(ran.out, "databases.shop.password")) << ran.out;
    EXPECT_FALSE(has(ran.out, "hunter2"));
    EXPECT_FALSE(has(ran.out, "# default"));

    const Ran json = run({"show", path, "--format", "json"});
    const auto report = boost::json::parse(json.out);
    EXPECT_EQ(report.at("schema"), "howdah.config/1");
    EXPECT_EQ(report.at("options").at(0).at("key"), "admin_users");
    EXPECT_FALSE(has(json.out, "hunter2"));
    EXPECT_TRUE(has(run({"show"}).out, "# default"));
}

// The part of JSON Schema that the schema of an option uses: names and types.
void expect_row_fits(const boost::json::object& row, const boost::json::object& schema) {
    const auto& properties = schema.at("properties").as_object();
    EXPECT_EQ(row.size(), schema.at("required").as_array().size());
    for (const auto& [key, value] : row) {
        const auto* property = properties.if_contains(key);
        ASSERT_NE(property, nullptr) << key;
        const std::string types = boost::json::serialize(property->at("type"));
        const char* type = value.is_null()   ? "\"null\""
                           : value.is_bool() ? "\"boolean\""
                                             : "\"string\"";
        EXPECT_TRUE(has(types, type)) << key << " is not " << types;
    }
}

// Run from the top of the tree, as ctest does.
TEST_F(ConfigCommand, ShowKeepsToItsSchema) {
    std::ostringstream text;
    text << std::ifstream("docs/schemas/howdah.config-1.json").rdbuf();
    const auto schema = boost::json::parse(text.str());
    const auto& row_schema = schema.at("properties").at("options").at("items").as_object();
    const auto report = boost::json::parse(run({"show", "--format", "json"}).out);
    EXPECT_EQ(report.at("schema"), schema.at("properties").at("schema").at("const"));
    EXPECT_EQ(report.as_object().size(), schema.at("required").as_array().size());
    EXPECT_GT(report.at("options").as_array().size(), 100u);
    for (const auto& row : report.at("options").as_array()) {
        expect_row_fits(row.as_object(), row_schema);
    }
}

TEST_F(ConfigCommand, WrongUsage) {
    EXPECT_EQ(run({}).status, 2);
    EXPECT_EQ(run({"chek"}).status, 2);
    EXPECT_EQ(run({"check"}).status, 2);
    EXPECT_EQ(run({"check", (folder_ / "none").string()}).status, 2);
    EXPECT_EQ(run({"show", "--set", "x"}).status, 2);
    EXPECT_EQ(run({"show", "--set"}).status, 2);
    EXPECT_EQ(run({"show", "--format", "xml"}).status, 2);
    EXPECT_EQ(run({"show", "--nope"}).status, 2);
    EXPECT_EQ(run({"show", "a.toml", "b.toml"}).status, 2);
    EXPECT_EQ(run({"show", "--set", "no_such=1"}).status, 2);
    EXPECT_TRUE(has(run({"--help"}).out, "examples:"));
    EXPECT_TRUE(has(run({"reference"}).out, "# Configuration"));
}

}  // namespace
}  // namespace howdah::cli
