// The files around migrations, as both the linter and the runner read them: journals, snapshots,
// plans, locks, howdah.toml. Any bytes; byte 0 chooses which file of a folder that is otherwise in
// order they are. The folder is read, judged and split by --fix; nothing of it may end but in an
// answer.
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "migrate/deploy/config.hpp"
#include "migrate/history/project.hpp"
#include "migrate/history/scaffold.hpp"
#include "migrate/lint/discover.hpp"
#include "migrate/lint/fix.hpp"
#include "migrate/lint/settings.hpp"

namespace fs = std::filesystem;
using namespace howdah;

namespace {

struct File {
    std::string_view path;
    std::string_view text;
};

constexpr std::string_view kSql = "CREATE TABLE t (a int);\n";
constexpr std::string_view kSlow =
    "ALTER TABLE t ADD COLUMN b int NOT NULL DEFAULT 1;\n"
    "CREATE INDEX i ON t (a);\n";
constexpr std::array kDrizzle = {
    File{"0000_a.sql", kSql},
    File{"0001_b.sql", kSlow},
    File{"meta/_journal.json",
         R"({"version":"7","dialect":"postgresql","entries":[{"idx":0,"version":"7","when":1,)"
         R"("tag":"0000_a","breakpoints":true},{"idx":1,"version":"7","when":2,"tag":"0001_b",)"
         R"("breakpoints":true}]})"},
    File{"meta/0001_snapshot.json", R"({"id":"1","prevId":"0","version":"7"})"},
};
constexpr std::array kPrisma = {
    File{"20240101000000_a/migration.sql", kSql},
    File{"20240102000000_b/migration.sql", kSlow},
    File{"migration_lock.toml", "provider = \"postgresql\"\n"},
    File{"package.json", R"({"dependencies":{"prisma":"^5.1.0"}})"},
};
constexpr std::array kSqitch = {
    File{"sqitch.plan",
         "%syntax-version=1.0.0\n%project=x\n\na 2024-01-01T00:00:00Z b <b@c> # d\n"},
    File{"deploy/a.sql", kSql},
    File{"sqitch.conf", "[core]\n\tengine = pg\n"},
};

class Folder {
  public:
    Folder() {
        const fs::path memory = "/dev/shm";
        const fs::path base = fs::is_directory(memory) ? memory : fs::temp_directory_path();
        path_ = base / ("howdah-fuzz-" + std::to_string(::getpid()));
        fs::create_directories(path_);
    }
    ~Folder() { fs::remove_all(path_); }
    void write(std::string_view name, std::string_view text) const {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << text;
    }
    void empty() const {
        for (const auto& entry : fs::directory_iterator(path_)) {
            fs::remove_all(entry.path());
        }
    }
    const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

void lint_folder(const fs::path& path) {
    namespace lint = migrate::lint;
    const auto project = lint::discover({path.string()});
    if (!project) {
        return;
    }
    const lint::LintConfig config;
    const lint::LintInput input{
        .project = *project, .config = config, .read = [](const lint::MigrationFile& file) {
            return lint::read_whole(file.path);
        }};
    (void)lint::judge_project(input);
    if (const auto plan = lint::plan_fixes(input)) {
        for (const lint::PlannedFile& file : plan->files) {
            ASSERT(file.path.starts_with(path.string()));
        }
        (void)lint::show_plan(*plan);
    }
}

void run_folder(const Folder& folder, std::span<const File> files, std::size_t chosen,
                std::string_view text) {
    folder.empty();
    for (std::size_t i = 0; i < files.size(); ++i) {
        folder.write(files[i].path, i == chosen ? text : files[i].text);
    }
    lint_folder(folder.path());
    namespace runner = migrate::runner;
    if (const auto project = runner::read_project(folder.path())) {
        for (const runner::Script& script : project->scripts) {
            ASSERT(!script.up.exists() || fs::exists(script.up.file));
        }
        (void)runner::create_migration(*project, {.name = "next", .now_ms = 1, .with_down = true});
    }
    for (const auto tool : {runner::HostTool::kDbmate, runner::HostTool::kGolangMigrate,
                            runner::HostTool::kGoose, runner::HostTool::kFlyway}) {
        (void)runner::read_project_as(folder.path(), tool);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Folder folder;
    if (size == 0 || size > 16384) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t chosen = data[0] / 4;
    switch (data[0] % 4) {
        case 0:
            run_folder(folder, kDrizzle, chosen % kDrizzle.size(), text);
            break;
        case 1:
            run_folder(folder, kPrisma, chosen % kPrisma.size(), text);
            break;
        case 2:
            run_folder(folder, kSqitch, chosen % kSqitch.size(), text);
            break;
        default: {
            folder.empty();
            folder.write("howdah.toml", text);
            migrate::runner::ProjectConfig config;
            (void)migrate::runner::read_project_config(folder.path() / "howdah.toml", config);
            (void)migrate::lint::read_settings(text, "howdah.toml");
        }
    }
    return 0;
}
