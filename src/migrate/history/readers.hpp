// The readers of each tool's folder, behind read_project(). Internal to migrate/history.
#pragma once

#include <boost/json/value.hpp>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "migrate/history/project.hpp"

namespace howdah::migrate::runner {

Result<std::vector<Script>> read_drizzle0(const std::filesystem::path& folder);
Result<std::vector<Script>> read_drizzle1(const std::filesystem::path& folder);
Result<std::vector<Script>> read_prisma(const std::filesystem::path& folder);
// Folders of *.sql files: plain, dbmate, golang-migrate, goose, Flyway.
Result<std::vector<Script>> read_files(const std::filesystem::path& folder, HostTool tool);

// A JSON file; its errors name file and line.
Result<boost::json::value> read_json(const std::filesystem::path& path);
// 1-based line of byte `offset`.
std::size_t line_at(std::string_view text, std::size_t offset);

}  // namespace howdah::migrate::runner
