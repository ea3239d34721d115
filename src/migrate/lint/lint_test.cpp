#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "migrate/lint/discover.hpp"
#include "migrate/lint/settings.hpp"
#include "migrate/lint/test_folder.hpp"
#include "migrate/lint/trace.hpp"

namespace howdah::migrate::lint {
namespace {

LintResult lint_text(std::string text, const LintConfig& config = {}) {
    Project project;
    project.files.push_back({.path = "x.sql", .name = "x"});
    auto result =
        judge_project({.project = project, .config = config, .read = [&](const MigrationFile&) {
                           return Result<std::string>(text);
                       }});
    EXPECT_TRUE(result.has_value());
    return std::move(*result);
}

std::vector<std::string> rules_of(const LintResult& result) {
    std::vector<std::string> rules;
    for (const Finding& finding : result.findings) {
        rules.push_back(finding.rule);
    }
    std::ranges::sort(rules);
    return rules;
}

bool has(const LintResult& result, std::string_view rule) {
    return std::ranges::find(result.findings, rule, &Finding::rule) != result.findings.end();
}

const Finding& only(const LintResult& result, std::string_view rule) {
    const auto found = std::ranges::find(result.findings, rule, &Finding::rule);
    EXPECT_NE(found, result.findings.end()) << rule;
    static const Finding none;
    return found == result.findings.end() ? none : *found;
}

constexpr std::string_view kJournal =
    R"({"version":"7","dialect":"postgresql","entries":[
  {"idx":0,"version":"7","when":1000,"tag":"0000_a","breakpoints":true},
  {"idx":1,"version":"7","when":900,"tag":"0001_b","breakpoints":true}]})";

TEST(Discover, DrizzleReadsTheJournalAndItsDefects) {
    Folder folder;
    folder.write("meta/_journal.json", kJournal);
    folder.write("0000_a.sql", "CREATE TABLE t (id bigint PRIMARY KEY);");
    folder.write("0001_b.sql",
                 "ALTER TABLE t ADD COLUMN a int;--> statement-breakpoint\nSELECT 1;");
    folder.write("0002_c.sql", "SELECT 1;");
    const auto project = discover({folder.path()});
    ASSERT_TRUE(project.has_value());
    EXPECT_EQ(project->tool, Tool::kDrizzle);
    ASSERT_EQ(project->files.size(), 2U);
    ASSERT_EQ(project->findings.size(), 2U);
    EXPECT_EQ(project->findings[0].rule, "history-entry-skipped");
    EXPECT_EQ(project->findings[0].line, 3U);
    EXPECT_EQ(project->findings[1].rule, "history-file-not-listed");
}

TEST(Discover, ABrokenJournalNamesFileAndLineAndHidesNothing) {
    Folder folder;
    folder.write("meta/_journal.json", "{\n\"version\": \"7\",\n<<<<<<< HEAD\n");
    folder.write("0000_a.sql", "DROP TABLE t;");
    const LintResult result = lint_folder(folder.path());
    EXPECT_EQ(only(result, "history-broken-journal").line, 3U);
    EXPECT_TRUE(has(result, "drop-table"));
}

TEST(Discover, ATimeThatNoJournalHasIsABrokenEntry) {
    for (const char* when : {"9223372036854775808", "1e300", "-1e300"}) {
        Folder folder;
        folder.write("meta/_journal.json",
                     fmt::format(R"({{"entries":[{{"idx":0,"when":{},"tag":"0000_a"}}]}})", when));
        folder.write("0000_a.sql", "DROP TABLE t;");
        const LintResult result = lint_folder(folder.path());
        EXPECT_EQ(only(result, "history-broken-journal").line, 1U) << when;
        EXPECT_TRUE(has(result, "history-file-not-listed")) << when;
    }
}

TEST(Discover, TwoHeadsAndTheWrongProvider) {
    Folder folder;
    folder.write("meta/_journal.json", R"({"dialect":"mysql","entries":[]})");
    folder.write("meta/0000_snapshot.json", R"({"id":"a","prevId":"0"})");
    folder.write("meta/0001_snapshot.json", R"({"id":"b","prevId":"a"})");
    folder.write("meta/0002_snapshot.json", R"({"id":"c","prevId":"a"})");
    const LintResult result = lint_folder(folder.path());
    EXPECT_TRUE(has(result, "history-provider-mismatch"));
    EXPECT_TRUE(has(result, "history-two-heads"));
}

TEST(Discover, PrismaKnowsItsVersion) {
    Folder folder;
    folder.write("package.json", R"({"devDependencies": {"prisma": "^7.4.1"}})");
    folder.write("prisma/migrations/migration_lock.toml", "provider = \"postgresql\"\n");
    folder.write("prisma/migrations/20240101000000_a/migration.sql", "VACUUM; SELECT 1;");
    folder.write("prisma/migrations/20240102000000_b/other.sql", "");
    const auto project = discover({folder.path()});
    ASSERT_TRUE(project.has_value());
    EXPECT_EQ(project->tool, Tool::kPrisma);
    EXPECT_EQ(project->tool_major, 7);
    EXPECT_EQ(project->tool_minor, 4);
    EXPECT_EQ(project->findings.size(), 1U);
    EXPECT_FALSE(has(lint_folder(folder.path()), "concurrently-in-transaction"));
    folder.write("package.json", R"({"devDependencies": {"prisma": "~6.19.0"}})");
    EXPECT_TRUE(has(lint_folder(folder.path()), "concurrently-in-transaction"));
}

TEST(Discover, PrismasVersionIsNoOthers) {
    Folder folder;
    folder.write("prisma/migrations/20240101000000_a/migration.sql", "SELECT 1;");
    for (const std::string_view package :
         {R"({"devDependencies": {"prisma": "workspace:*", "next": "14.1.0"}})",
          R"({"scripts": {"prisma": "prisma"}, "prisma": {"seed": "node 9.js"}})",
          R"({"dependencies": {"@prisma/client": "latest"}, "version": "8.0.0"})", "{ not JSON"}) {
        folder.write("package.json", package);
        const auto project = discover({folder.path()});
        ASSERT_TRUE(project.has_value());
        EXPECT_EQ(project->tool_major, 0) << package;
    }
}

TEST(Discover, AFolderBesideAFileIsRefused) {
    Folder folder;
    folder.write("m/1.sql", "SELECT 1;");
    EXPECT_FALSE(discover({folder.path("m/1.sql"), folder.path("m")}).has_value());
}

TEST(Discover, EachToolByItsShape) {
    struct Shape {
        std::string file, text;
        Tool tool;
    };
    for (const Shape& shape : std::vector<Shape>{{"V1_2__a.sql", "", Tool::kFlyway},
                                                 {"1_a.up.sql", "", Tool::kGolangMigrate},
                                                 {"1_a.sql", "-- +goose Up\n", Tool::kGoose},
                                                 {"1_a.sql", "-- migrate:up\n", Tool::kDbmate},
                                                 {"1.sql", "--! Previous: -\n", Tool::kGraphile},
                                                 {"a.sql", "", Tool::kPlain},
                                                 {"20240101_a/up.sql", "", Tool::kDiesel},
                                                 {"20240101_a/migration.sql", "", Tool::kPrisma}}) {
        Folder folder;
        folder.write(shape.file, shape.text);
        const auto project = discover({folder.path()});
        ASSERT_TRUE(project.has_value()) << shape.file;
        EXPECT_EQ(tool_name(project->tool), tool_name(shape.tool));
        EXPECT_EQ(project->files.size(), 1U);
    }
    Folder drizzle;
    drizzle.write("20240101000000_a/migration.sql", "");
    drizzle.write("20240101000000_a/snapshot.json", "{}");
    EXPECT_EQ(discover({drizzle.path()})->tool, Tool::kDrizzle1);
    Folder sqitch;
    sqitch.write("sqitch.plan",
                 "%project=x\n\nb 2024-01-01T00:00:00Z me <me@x>\na 2024 me\nz 2024\n");
    sqitch.write("deploy/a.sql", "");
    sqitch.write("deploy/b.sql", "");
    const auto project = discover({sqitch.path()});
    ASSERT_EQ(project->files.size(), 2U);
    EXPECT_EQ(project->files[0].name, "b");
    EXPECT_EQ(project->findings[0].line, 5U);
}

TEST(Discover, VersionsAreNumbersAndMayNotRepeat) {
    Folder folder;
    folder.write("V10__c.sql", "");
    folder.write("V2__b.sql", "");
    folder.write("V2__d.sql", "");
    folder.write("R__z.sql", "");
    const auto project = discover({folder.path()});
    ASSERT_EQ(project->files.size(), 4U);
    EXPECT_EQ(project->files[2].name, "V10__c.sql");
    EXPECT_EQ(project->files[3].name, "R__z.sql");
    EXPECT_EQ(project->findings.at(0).rule, "history-duplicate-version");
}

TEST(Discover, FlywaysFileBesideAScriptDecides) {
    Folder folder;
    const char* mixed = "CREATE TABLE t (a int);\nCREATE INDEX CONCURRENTLY i ON t (a);\n";
    folder.write("V1__a.sql", mixed);
    folder.write("V2__b.sql", mixed);
    folder.write("V2__b.sql.conf", "executeInTransaction=false\n");
    folder.write("V3__c.sql.conf", "executeInTransaction=true\n");
    folder.write("V3__c.sql", "VACUUM t;\n");
    const auto project = discover({folder.path()});
    ASSERT_EQ(project->files.size(), 3U);
    EXPECT_EQ(project->files[0].scope, Scope::kAuto);
    EXPECT_EQ(project->files[1].scope, Scope::kStatement);
    EXPECT_EQ(project->files[2].scope, Scope::kFile);
}

TEST(Discover, SaysWhatItLookedFor) {
    Folder folder;
    folder.write("readme.txt", "");
    const auto project = discover({folder.path()});
    ASSERT_FALSE(project.has_value());
    EXPECT_EQ(project.error().code, ErrorCode::kNotFound);
    EXPECT_NE(project.error().hint.find("_journal.json"), std::string::npos);
    EXPECT_FALSE(discover({folder.path("absent")}).has_value());
}

TEST(Discover, OneFileIsHeldAgainstItsFolder) {
    Folder folder;
    folder.write("1.sql", "CREATE TABLE t (v varchar(10)); DROP TABLE u;");
    folder.write("2.sql", "ALTER TABLE t ALTER v TYPE text;");
    const LintResult result = lint_folder(folder.path("2.sql"));
    EXPECT_EQ(result.files.size(), 1U);
    EXPECT_FALSE(has(result, "change-column-type-rewrites"));
    EXPECT_FALSE(has(result, "drop-table"));
}

TEST(Lint, OneSyntaxErrorIsOneFindingAndHidesNothing) {
    const LintResult result = lint_text("CREATE TABEL x (a int);\nDROP TABLE t;\nDROP TABLE (u;\n");
    EXPECT_EQ(std::ranges::count(rules_of(result), "syntax-error"), 2);
    EXPECT_EQ(only(result, "drop-table").line, 2U);
}

TEST(Lint, WhatIsNotPostgresqlsIsSkippedInPlace) {
    const LintResult result = lint_text(
        "\\set ON_ERROR_STOP on\n\\i other.sql\nCOPY t FROM stdin;\n1\t;'\n\\.\n"
        "CREATE TABLE ${schema}_x (a int);\nDROP TABLE :name;\nINSERT INTO t VALUES (:'v');\n");
    EXPECT_FALSE(has(result, "syntax-error")) << only(result, "syntax-error").message;
    EXPECT_EQ(only(result, "drop-table").line, 7U);
}

TEST(Lint, SuppressionsNeedAReasonOnlyWhenAsked) {
    const std::string text =
        "DROP TABLE a; -- howdah-ignore drop-table -- unused since May\n"
        "-- howdah-ignore drop-table\nDROP TABLE b;\n"
        "DROP TABLE c; -- howdah-ignore drop-column -- wrong rule\n";
    LintConfig config;
    config.enabled.insert("suppression-without-reason");
    const LintResult result = lint_text(text, config);
    EXPECT_EQ(std::ranges::count(rules_of(result), "drop-table"), 1);
    EXPECT_EQ(only(result, "drop-table").line, 4U);
    EXPECT_EQ(only(result, "unused-suppression").line, 4U);
    EXPECT_EQ(only(result, "suppression-without-reason").line, 2U);
    EXPECT_GE(result.suppressed, 2U);
    EXPECT_FALSE(has(lint_text(text), "suppression-without-reason"));
    EXPECT_TRUE(lint_text("-- howdah-ignore-file drop-table, lock-timeout-missing -- a tool's own\n"
                          "DROP TABLE a;\nDROP TABLE b;\n")
                    .findings.empty());
    EXPECT_EQ(only(lint_text("ANALYZE a;\nDROP TABLE a; -- howdah-ignore drop-table, drop-column, "
                             "lock-timeout-missing -- gone\n"),
                   "unused-suppression")
                  .message,
              "nothing here is found by drop-column");
    EXPECT_NE(only(lint_text("SELECT 1; -- howdah-ignore no-such-rule"), "unused-suppression")
                  .message.find("no-such-rule"),
              std::string::npos);
}

TEST(Lint, ConfigurationMovesRules) {
    LintConfig config;
    config.disabled.insert("lock-timeout-missing");
    config.severities["drop-table"] = Severity::kError;
    const LintResult result = lint_text("DROP TABLE a;", config);
    ASSERT_EQ(result.findings.size(), 1U);
    EXPECT_EQ(result.findings[0].severity, Severity::kError);
}

TEST(Lint, VerdictsOfFiles) {
    EXPECT_EQ(lint_text("CREATE TABLE t (id bigint PRIMARY KEY);").files[0].order,
              DeployOrder::kBefore);
    EXPECT_EQ(lint_text("ALTER TABLE t DROP COLUMN a;").files[0].order, DeployOrder::kAfter);
    EXPECT_EQ(lint_text("ALTER TABLE t RENAME a TO b;").files[0].order, DeployOrder::kTwoDeploys);
    EXPECT_EQ(lint_text("ANALYZE t;").files[0].order, DeployOrder::kAny);
    EXPECT_EQ(lint_text("ALTER TABLE t DROP COLUMN a;").files[0].risk, Risk::kHigh);
}

TEST(Lint, ImpactNamesLockTablesWorkAndDuration) {
    const Finding finding =
        only(lint_text("ALTER TABLE t ALTER a TYPE bigint;"), "change-column-type-rewrites");
    for (const char* part : {"ACCESS EXCLUSIVE", "on t", "blocks reads and writes", "anew", "GB"}) {
        EXPECT_NE(finding.impact.find(part), std::string::npos) << finding.impact;
    }
}

TEST(Lint, ManyThreadsGiveTheSameAnswer) {
    Project project;
    for (int i = 0; i < 200; ++i) {
        project.files.push_back({.path = std::to_string(i), .name = std::to_string(i)});
    }
    const auto run = [&](unsigned threads) {
        LintConfig config;
        config.threads = threads;
        const auto result = judge_project(
            {.project = project, .config = config, .read = [](const MigrationFile& file) {
                 return Result<std::string>("CREATE TABLE t" + file.name +
                                            " (a int);\nDROP TABLE t" +
                                            std::to_string(std::stoi(file.name) / 2) + ";");
             }});
        return rules_of(*result);
    };
    EXPECT_EQ(run(1), run(8));
}

TEST(Lint, RealHistories) {
    const char* given = std::getenv("HOWDAH_TEST_DATA");
    const std::filesystem::path data = given != nullptr ? given : "../shared/data";
    if (!std::filesystem::exists(data / "crates-io-migrations")) {
        GTEST_SKIP() << "no crates-io-migrations under " << data << " (HOWDAH_TEST_DATA)";
    }
    const LintResult result = lint_folder((data / "crates-io-migrations").string());
    EXPECT_EQ(result.files.size(), 285U);
    EXPECT_EQ(result.statements, 620U);
    EXPECT_FALSE(has(result, "syntax-error"));
    EXPECT_TRUE(has(result, "set-not-null-scans"));
}

// Drizzle runs all pending files in one transaction: what one locks, the next works under.
TEST(Lint, PendingFilesOfDrizzleAreOneTransaction) {
    Project project;
    project.tool = Tool::kDrizzle;
    const std::map<std::string, std::string> texts = {
        {"0", "CREATE TABLE t (id int PRIMARY KEY, a int, b int);"},
        {"1", "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID;"},
        {"2", "ALTER TABLE t VALIDATE CONSTRAINT k;"},
        {"3", "CREATE TABLE u (id int PRIMARY KEY); CREATE INDEX ON t (b);"}};
    for (const auto& [name, text] : texts) {
        project.files.push_back({.path = name, .name = name, .judged = name != "0"});
    }
    const LintConfig config;
    const auto lint = [&] {
        auto result = judge_project(
            {.project = project, .config = config, .read = [&](const MigrationFile& file) {
                 return Result<std::string>(texts.at(file.name));
             }});
        return std::move(*result);
    };
    EXPECT_FALSE(has(lint(), "validate-in-same-transaction"))
        << "nobody says that both are pending";
    for (MigrationFile& file : project.files) {
        file.pending = file.judged;
    }
    const LintResult result = lint();
    const auto times = [&](std::string_view rule) {
        return std::ranges::count(result.findings, rule, &Finding::rule);
    };
    EXPECT_EQ(times("validate-in-same-transaction"), 1);
    EXPECT_EQ(times("work-while-locked"), 2) << "the scan and the build, under file 1's lock";
    EXPECT_EQ(times("create-index-blocks-writes"), 1);
    for (const Finding& finding : result.findings) {
        EXPECT_TRUE(finding.rule != "validate-in-same-transaction" || finding.file == "2");
    }
}

TEST(Lint, TheRunnersTransactions) {
    const std::string text =
        "CREATE INDEX CONCURRENTLY i ON t (a);\n"
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;\n"
        "ALTER TABLE t VALIDATE CONSTRAINT c;\n";
    LintConfig config;
    EXPECT_FALSE(has(lint_text(text, config), "validate-in-same-transaction"));
    config.scope = Scope::kRunner;
    EXPECT_TRUE(has(lint_text(text, config), "validate-in-same-transaction"));
    EXPECT_FALSE(has(lint_text(text, config), "concurrently-in-transaction"));
    EXPECT_FALSE(has(lint_text("-- howdah:no-transaction\n" + text, config),
                     "validate-in-same-transaction"));
    EXPECT_TRUE(
        has(lint_text("BEGIN;\n" + text + "COMMIT;", config), "concurrently-in-transaction"));
    const auto settings = read_settings("[lint]\ntransaction = \"runner\"\n[migrate]\n", "x");
    ASSERT_TRUE(settings.has_value());
    EXPECT_EQ(settings->lint.scope, Scope::kRunner);
    EXPECT_TRUE(settings->runner);
}

TEST(Lint, LedgerSaysWhatIsHeldAcrossWhat) {
    Folder folder;
    folder.write("0001_a.sql", "CREATE TABLE a (x int, y int);\nCREATE TABLE b (x int);\n");
    folder.write("0002_b.sql",
                 "BEGIN;\nALTER TABLE a ADD z int;\nCREATE INDEX ON b (x);\n"
                 "ALTER TABLE a ALTER x SET NOT NULL;\nCOMMIT;\nSELECT 1;\n");
    const LintResult result = lint_folder(folder.path());
    EXPECT_TRUE(result.files[0].transactions.empty()) << "nobody uses what it makes";
    ASSERT_EQ(result.files[1].transactions.size(), 1U);
    const LedgerTransaction& locked = result.files[1].transactions[0];
    EXPECT_EQ(locked.first_line, 1U);
    EXPECT_EQ(locked.last_line, 5U);
    ASSERT_EQ(locked.locks.size(), 2U);
    EXPECT_EQ(locked.locks[0].table, "a");
    EXPECT_EQ(locked.locks[0].lock, Lock::kAccessExclusive);
    EXPECT_EQ(locked.locks[0].line, 2U);
    EXPECT_EQ(locked.locks[0].held_across, 2U);
    EXPECT_EQ(locked.locks[0].work,
              (std::vector<std::string>{"line 3 builds an index of b", "line 4 reads all of a"}));
    EXPECT_EQ(locked.locks[1].lock, Lock::kShare);
    EXPECT_EQ(locked.locks[1].held_across, 1U);
}

TEST(Lint, OppositeOrderOfLocks) {
    Folder folder;
    folder.write("0001_a.sql", "CREATE TABLE a (x int);\nCREATE TABLE b (x int);\n");
    folder.write("0002_b.sql",
                 "BEGIN;\nALTER TABLE a ADD z int;\nALTER TABLE b ADD z int;\nCOMMIT;\n");
    folder.write("0003_c.sql",
                 "BEGIN;\nALTER TABLE a ADD q int;\nALTER TABLE b ADD q int;\nCOMMIT;\n");
    EXPECT_FALSE(has(lint_folder(folder.path()), "lock-order-differs"));
    folder.write("0004_d.sql",
                 "BEGIN;\nALTER TABLE b ADD r int;\nALTER TABLE a ADD r int;\nCOMMIT;\n");
    const LintResult result = lint_folder(folder.path());
    const auto found = std::ranges::find(result.findings, "lock-order-differs", &Finding::rule);
    ASSERT_NE(found, result.findings.end());
    EXPECT_EQ(found->line, 3U);
    EXPECT_EQ(found->message, "a is locked after b; 0002_b.sql:3 locks them the other way round");
}

TEST(Settings, ErrorsNameFileAndLine) {
    const auto good = read_settings(
        "[lint]\npostgres = 16\ndisable = [\"drop-table\"]\n[lint.severity]\ndrop-column = "
        "\"off\"\n",
        "howdah.toml");
    ASSERT_TRUE(good.has_value());
    EXPECT_EQ(good->lint.postgres, 16);
    EXPECT_TRUE(good->lint.disabled.contains("drop-column"));
    for (const std::string& text : std::vector<std::string>{
             "[lint]\ncolour = \"red\"\n", "[lint]\ndisable = [\"no-such-rule\"]\n", "[lint]\n=\n",
             "[lint]\ntransaction = \"often\"\n", std::string("[lint]\n[\0x]\n", 12)}) {
        const auto bad = read_settings(text, "howdah.toml");
        ASSERT_FALSE(bad.has_value()) << text;
        EXPECT_TRUE(bad.error().message.starts_with("howdah.toml:2")) << bad.error().message;
    }
}

TEST(Docs, EachRuleHasItsPage) {
    for (const Rule* rule : all_rules()) {
        const auto page = read_whole(fmt::format("docs/lint-rules/{}.md", rule->name));
        ASSERT_TRUE(page.has_value()) << rule->name;
        EXPECT_EQ(*page, explain(*rule)) << "tools/lint_docs.py writes it";
    }
    EXPECT_EQ(read_whole("docs/lint-rules/README.md").value_or(""), explain_all());
}

}  // namespace
}  // namespace howdah::migrate::lint
