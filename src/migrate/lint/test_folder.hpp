// For tests: a folder of migrations that goes away with the test, and what lint says of it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "migrate/lint/discover.hpp"
#include "migrate/lint/lint.hpp"

namespace howdah::migrate::lint {

// A folder that goes away with the test.
class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "howdah-lint-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    void write(const std::string& name, std::string_view text) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << text;
    }
    std::string read(const std::string& name) const {
        return read_whole(path_ / name).value_or("");
    }
    std::string path(const std::string& name = "") const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

inline Result<std::string> from_disk(const MigrationFile& file) {
    return read_whole(file.path);
}

inline LintResult lint_folder(const std::string& path, const LintConfig& config = {}) {
    const auto project = discover({path});
    EXPECT_TRUE(project.has_value()) << project.error().message;
    auto result = judge_project({.project = *project, .config = config, .read = from_disk});
    EXPECT_TRUE(result.has_value());
    return std::move(*result);
}

}  // namespace howdah::migrate::lint
