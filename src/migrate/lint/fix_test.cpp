#include "migrate/lint/fix.hpp"

#include "migrate/lint/test_folder.hpp"

namespace howdah::migrate::lint {
namespace {

FixPlan fixes(const Folder& folder, const std::string& path = "") {
    const auto project = discover({folder.path(path)});
    EXPECT_TRUE(project.has_value());
    const LintConfig config;
    auto plan = plan_fixes({.project = *project, .config = config, .read = from_disk});
    EXPECT_TRUE(plan.has_value());
    return std::move(*plan);
}

TEST(Fix, SplitsAndTheResultIsClean) {
    Folder folder;
    folder.write("0001_a.sql",
                 "CREATE TABLE p (id bigint PRIMARY KEY);\nCREATE TABLE t (id bigint PRIMARY KEY, "
                 "a bigint, b int, UNIQUE (a));\n");
    folder.write(
        "0002_b.sql",
        "CREATE INDEX t_b ON t (b);\nALTER TABLE t ADD COLUMN c uuid DEFAULT "
        "gen_random_uuid(),\n  ALTER b SET NOT NULL;\nALTER TABLE t ADD CONSTRAINT k FOREIGN "
        "KEY (a) REFERENCES p;\nALTER TABLE t ADD CONSTRAINT u UNIQUE (b);\n");
    const FixPlan plan = fixes(folder);
    ASSERT_GE(plan.files.size(), 5U) << show_plan(plan);
    ASSERT_TRUE(write_plan(plan).has_value());
    const LintResult result = lint_folder(folder.path());
    for (const Finding& finding : result.findings) {
        const bool dangerous = finding.risk == Risk::kHigh || finding.rule == "syntax-error" ||
                               finding.rule == "validate-in-same-transaction";
        EXPECT_FALSE(dangerous) << finding.file << ":" << finding.line << " " << finding.rule << " "
                                << finding.message << "\n"
                                << show_plan(plan);
    }
    EXPECT_TRUE(fixes(folder).files.empty()) << "a second run finds nothing to do";
}

TEST(Fix, SaysWhatItCannotRead) {
    Folder folder;
    folder.write("m/1.sql", "CREATE TABLE t (a int);");
    folder.write("m/2.sql", "ALTER TABLE t ALTER a SET NOT NULL;\nCREATE TABEL u ();\n");
    const auto project = discover({folder.path("m")});
    ASSERT_TRUE(project.has_value());
    const LintConfig config;
    const auto plan = plan_fixes({.project = *project, .config = config, .read = from_disk});
    ASSERT_TRUE(plan.has_value());
    ASSERT_EQ(plan->left.size(), 1U);
    EXPECT_NE(plan->left[0].find("line 2 does not parse"), std::string::npos) << plan->left[0];
}

TEST(Fix, WritesTheJournalOfDrizzle) {
    Folder folder;
    folder.write(
        "meta/_journal.json",
        "{\n  \"version\": \"7\",\n  \"dialect\": \"postgresql\",\n  \"entries\": [\n    {\n"
        "      \"idx\": 0,\n      \"when\": 1000,\n      \"tag\": \"0000_a\"\n    }\n  ]\n}\n");
    folder.write("meta/0000_snapshot.json", R"({"id":"one","prevId":"zero","tables":{}})");
    folder.write("0000_a.sql", "CREATE INDEX i ON t (a);--> statement-breakpoint\nSELECT 1;");
    ASSERT_TRUE(write_plan(fixes(folder)).has_value());
    const auto project = discover({folder.path()});
    ASSERT_TRUE(project.has_value());
    EXPECT_TRUE(project->findings.empty());
    ASSERT_EQ(project->files.size(), 2U);
    EXPECT_EQ(project->files[1].name, "0001_a_index");
    EXPECT_NE(folder.read("meta/0001_snapshot.json").find("\"prevId\":\"one\""), std::string::npos);
    EXPECT_NE(folder.read("0001_a_index.sql").find("CREATE INDEX CONCURRENTLY i"),
              std::string::npos);
}

TEST(Fix, AJournalThatCannotGoOnStaysAsItIs) {
    Folder folder;
    folder.write("meta/_journal.json",
                 R"({"entries":[{"idx":9223372036854775807,"when":1000,"tag":"0000_a"}]})");
    folder.write("0000_a.sql", "CREATE INDEX i ON t (a);--> statement-breakpoint\nSELECT 1;");
    const FixPlan plan = fixes(folder);
    EXPECT_TRUE(plan.files.empty()) << show_plan(plan);
    EXPECT_EQ(plan.left.size(), 1U);
}

TEST(Fix, FoldersAndTimes) {
    Folder folder;
    folder.write("20241231235959_a/migration.sql",
                 "DROP INDEX i;\nALTER TABLE t ADD CHECK (a > 0);");
    ASSERT_TRUE(write_plan(fixes(folder)).has_value());
    EXPECT_NE(folder.read("20250101000000_a_index/migration.sql").find("DROP INDEX CONCURRENTLY i"),
              std::string::npos);
    EXPECT_NE(folder.read("20250101000001_a_validate/migration.sql").find("VALIDATE CONSTRAINT"),
              std::string::npos);
}

TEST(Fix, DatesWithDashesCountInSeconds) {
    Folder folder;
    folder.write("2024-12-31-235959_a.sql", "DROP INDEX i;\nALTER TABLE t ADD CHECK (a > 0);");
    ASSERT_TRUE(write_plan(fixes(folder)).has_value());
    EXPECT_NE(folder.read("2025-01-01-000000_a_index.sql").find("DROP INDEX CONCURRENTLY i"),
              std::string::npos);
}

TEST(Fix, DropsBeforeItAddsTheSameName) {
    Folder folder;
    folder.write("1_a.sql",
                 "CREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE t (a int);\n"
                 "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p;\n");
    folder.write("2_b.sql",
                 "ALTER TABLE t DROP CONSTRAINT k, ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p "
                 "ON DELETE CASCADE;\n");
    ASSERT_TRUE(write_plan(fixes(folder)).has_value());
    const std::string text = folder.read("2_b.sql");
    EXPECT_LT(text.find("DROP CONSTRAINT k"), text.find("ADD CONSTRAINT k")) << text;
    EXPECT_NE(text.find("NOT VALID"), std::string::npos) << text;
}

// No row is ever written without a key: the old one goes with the statement that adds the new one.
TEST(Fix, AKeyIsDroppedByTheStatementThatAddsItsSuccessor) {
    Folder folder;
    folder.write("1_a.sql",
                 "CREATE TABLE t (a int NOT NULL, b int NOT NULL, CONSTRAINT k UNIQUE (a), "
                 "CONSTRAINT positive CHECK (a > 0));\n");
    folder.write("2_b.sql",
                 "ALTER TABLE t DROP CONSTRAINT k, DROP CONSTRAINT positive, ADD CONSTRAINT k "
                 "UNIQUE (a, b), ADD COLUMN c int;\n");
    ASSERT_TRUE(write_plan(fixes(folder)).has_value());
    EXPECT_EQ(folder.read("2_b.sql"),
              "SET lock_timeout = '2s';\nALTER TABLE t DROP CONSTRAINT positive,\n"
              "  ADD COLUMN c int;\nRESET lock_timeout;\n");
    EXPECT_NE(folder.read("3_b_index.sql").find("CONCURRENTLY k_idx ON t (a, b)"),
              std::string::npos);
    EXPECT_EQ(folder.read("4_b_contract.sql"),
              "SET lock_timeout = '2s';\nALTER TABLE t DROP CONSTRAINT k,\n"
              "  ADD CONSTRAINT k UNIQUE USING INDEX k_idx;\nRESET lock_timeout;\n");
}

TEST(Fix, OneStatementStaysOneAndKeysComeBehindTheirIndexes) {
    Folder folder;
    folder.write("1_a.sql",
                 "CREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE t (a int, b int);\n");
    folder.write(
        "2_b.sql",
        "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p;\nCREATE INDEX i ON t "
        "(a);\nALTER TABLE t ADD c int, ADD CHECK (b > 0), ADD d int;\n");
    ASSERT_TRUE(write_plan(fixes(folder)).has_value());
    const std::string text = folder.read("2_b.sql");
    EXPECT_NE(text.find("ALTER TABLE t ADD c int,\n  ADD CONSTRAINT t_b_check CHECK (b > 0) NOT "
                        "VALID,\n  ADD d int;"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find("ADD CONSTRAINT k"), std::string::npos) << text;
    EXPECT_NE(folder.read("3_b_index.sql").find("CONCURRENTLY i"), std::string::npos);
    EXPECT_NE(folder.read("4_b_keys.sql").find("ADD CONSTRAINT k"), std::string::npos);
}

TEST(Fix, LeavesWhatOthersFollow) {
    Folder folder;
    folder.write("1_a.sql", "CREATE INDEX i ON t (a);");
    folder.write("2_b.sql", "SELECT 1;");
    const FixPlan plan = fixes(folder);
    EXPECT_TRUE(plan.files.empty());
    ASSERT_EQ(plan.left.size(), 1U);
}

}  // namespace
}  // namespace howdah::migrate::lint
