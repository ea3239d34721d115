#include "migrate/history/project.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "migrate/history/digest.hpp"
#include "migrate/history/host_table.hpp"
#include "migrate/history/scaffold.hpp"

namespace howdah::migrate::runner {
namespace {

namespace fs = std::filesystem;

class Folder {
  public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "howdah-project-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~Folder() { fs::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    void write(const std::string& name, std::string_view text) const {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << text;
    }
    const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

std::vector<std::string> names(const Project& project) {
    std::vector<std::string> all;
    for (const Script& script : project.scripts) {
        all.push_back(script.name);
    }
    return all;
}

using Names = std::vector<std::string>;

TEST(Digest, KnownValues) {
    EXPECT_EQ(sha256_hex("abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(crc32("123456789"), 0xCBF43926U);
    // The lines alone count: neither their ends nor a byte order mark.
    EXPECT_EQ(flyway_checksum("123\n456\r\n789"), static_cast<std::int32_t>(0xCBF43926U));
    EXPECT_EQ(flyway_checksum("\xEF\xBB\xBF"
                              "123456789\n"),
              static_cast<std::int32_t>(0xCBF43926U));
    const std::string uuid = random_uuid();
    EXPECT_EQ(uuid.size(), 36U);
    EXPECT_EQ(uuid[14], '4');
    EXPECT_NE(uuid, random_uuid());
}

TEST(Project, PrismaOrderIsLocaleCompare) {
    EXPECT_TRUE(locale_less("1_init", "10_next"));  // by bytes it is the other way round
    EXPECT_TRUE(locale_less("20240101_a", "20240101_B"));
    EXPECT_TRUE(locale_less("a", "ab"));
    EXPECT_FALSE(locale_less("a", "a"));
}

TEST(Project, MillisOfDigits) {
    EXPECT_EQ(millis_of_digits("20261122192327_init"), 1795375407000);  // as drizzle-orm wrote it
    EXPECT_EQ(millis_of_digits("2026_init"), -1);
}

TEST(Project, DrizzleRunsInTheJournalsOrder) {
    const Folder folder;
    folder.write("drizzle/meta/_journal.json",
                 R"({"entries": [{"idx": 1, "tag": "b", "when": 5}, {"tag": "a", "when": 9}]})");
    folder.write("drizzle/a.sql", "select 1");
    folder.write("drizzle/b.sql", "select 2");
    folder.write("drizzle/b.down.sql", "select 3");
    const auto project = read_project(folder.path());
    ASSERT_TRUE(project) << project.error().message;
    EXPECT_EQ(project->tool, HostTool::kDrizzle0);
    EXPECT_EQ(names(*project), (Names{"b", "a"}));
    EXPECT_TRUE(project->scripts[0].down.exists());
    EXPECT_EQ(project->scripts[0].hash, sha256_hex("select 2"));
}

TEST(Project, ATimeThatNoJournalHasIsAnErrorWithItsLine) {
    for (const char* when : {"9223372036854775808", "1e300", "-1e300", "\"1\"", "null"}) {
        const Folder folder;
        folder.write(
            "drizzle/meta/_journal.json",
            std::string("{\"entries\": [\n{\"idx\": 0, \"tag\": \"a\", \"when\": ") + when + "}]}");
        folder.write("drizzle/a.sql", "select 1");
        const auto project = read_project(folder.path());
        ASSERT_FALSE(project) << when;
        EXPECT_NE(project.error().message.find("_journal.json:2: entry 0"), std::string::npos)
            << project.error().message;
    }
}

TEST(Project, VersionsOrderAsNumbers) {
    const Folder folder;
    folder.write("migrations/V1.9__a.sql", "");
    folder.write("migrations/V1.10__b.sql", "");
    folder.write("migrations/V2__c.sql", "");
    folder.write("migrations/U2__c.sql", "");
    const auto project = read_project(folder.path());
    ASSERT_TRUE(project);
    EXPECT_EQ(project->tool, HostTool::kFlyway);
    EXPECT_EQ(names(*project), (Names{"V1.9__a", "V1.10__b", "V2__c"}));
    EXPECT_TRUE(project->scripts[2].down.exists());
}

TEST(Project, DbmateSortsByName) {
    const Folder folder;
    for (const char* name : {"10_b", "9_a", "0100_c"}) {
        folder.write("db/migrations/" + std::string(name) + ".sql",
                     "-- migrate:up\nselect 1;\n-- migrate:down\n");
    }
    const auto project = read_project(folder.path());
    ASSERT_TRUE(project);
    EXPECT_EQ(project->tool, HostTool::kDbmate);
    EXPECT_EQ(names(*project), (Names{"0100_c", "10_b", "9_a"}));
}

TEST(Project, DirectionsInOneFile) {
    const Folder folder;
    folder.write("db/migrations/001_a.sql",
                 "-- migrate:up transaction:false\nselect 1;\n-- migrate:down\nselect 2;\n");
    const auto project = read_project(folder.path());
    ASSERT_TRUE(project);
    const Script& script = project->scripts.at(0);
    EXPECT_EQ(script.up.sql, "select 1;\n");
    EXPECT_EQ(script.up.first_line, 2U);
    EXPECT_FALSE(script.up.in_transaction);
    EXPECT_EQ(script.down.sql, "select 2;\n");
    EXPECT_EQ(script.down.first_line, 4U);
    EXPECT_TRUE(script.down.in_transaction);
}

TEST(Project, PlainFolderWithSomeDownScriptsStaysPlain) {
    const Folder folder;
    folder.write("migrations/1_a.sql", "");
    folder.write("migrations/2_b.up.sql", "");
    folder.write("migrations/2_b.down.sql", "");
    const auto project = read_project(folder.path());
    ASSERT_TRUE(project);
    EXPECT_EQ(project->tool, HostTool::kPlain);
    EXPECT_EQ(names(*project), (Names{"1_a", "2_b"}));
}

TEST(Project, SameVersionTwiceIsRefused) {
    const Folder folder;
    folder.write("migrations/1_a.up.sql", "");
    folder.write("migrations/1_b.up.sql", "");
    const auto project = read_project(folder.path());
    ASSERT_FALSE(project);
    EXPECT_NE(project.error().message.find("same version 1"), std::string::npos);
}

// Drizzle 0.x: an entry whose time is older than the newest row never runs.
TEST(HostTable, DrizzleSkipsWhatIsOlder) {
    Project project;
    for (const auto& [name, when] :
         {std::pair("a", 10), std::pair("late", 5), std::pair("b", 20)}) {
        Script script;
        script.name = name;
        script.when_ms = when;
        script.hash = sha256_hex(name);
        project.scripts.push_back(std::move(script));
    }
    HistoryRow row;
    row.hash = sha256_hex("a");
    row.when_ms = 10;
    const auto table = make_drizzle_table(HostTool::kDrizzle0, {});
    const auto standings = table->compare(project, {row});
    EXPECT_EQ(standings[0].state, ScriptState::kApplied);
    EXPECT_EQ(standings[1].state, ScriptState::kSkipped);
    EXPECT_EQ(standings[2].state, ScriptState::kPending);
}

// Prisma takes other line ends for the same script.
TEST(HostTable, PrismaIgnoresLineEnds) {
    Project project;
    Script script;
    script.name = "a";
    script.whole = "select 1;\nselect 2;\n";
    script.hash = sha256_hex(script.whole);
    project.scripts.push_back(script);
    HistoryRow row;
    row.name = "a";
    row.hash = sha256_hex("select 1;\r\nselect 2;\r\n");
    const auto table = make_prisma_table({});
    EXPECT_FALSE(table->compare(project, {row})[0].edited);
    row.hash = sha256_hex("select 3;\n");
    EXPECT_TRUE(table->compare(project, {row})[0].edited);
    row.failed = true;
    EXPECT_EQ(table->compare(project, {row})[0].state, ScriptState::kFailed);
}

TEST(Scaffold, DrizzleTimesOnlyGrow) {
    const Folder folder;
    folder.write("drizzle/meta/_journal.json",
                 R"({"entries": [{"idx": 0, "version": "7", "tag": "0000_a", "when": 9000}]})");
    folder.write("drizzle/0000_a.sql", "");
    const auto project = read_project(folder.path());
    ASSERT_TRUE(project);
    const auto written =
        create_migration(*project, {.name = "Next Thing", .now_ms = 100, .with_down = true});
    ASSERT_TRUE(written) << written.error().message;
    const auto again = read_project(folder.path());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->scripts.at(1).name, "0001_next_thing");
    EXPECT_EQ(again->scripts.at(1).when_ms, 9001);
    EXPECT_FALSE(create_migration(*project, {.name = "!!!", .now_ms = 1, .with_down = false}));
}

}  // namespace
}  // namespace howdah::migrate::runner
