// discover: which migrations a path means, whose they are, and in which order their tool runs them.
// Reads the file system; what is wrong with the history becomes findings, not errors.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "migrate/lint/lint.hpp"

namespace howdah::migrate::lint {

// `paths`: migration folders, projects that hold one in a usual place, or files of one folder (the
// rest of it is then read for its schema only). Empty = the current folder.
// kNotFound says what was looked for.
Result<Project> discover(const std::vector<std::string>& paths);

// The tool of a folder, by its shape; nullopt when there is no migration in it.
std::optional<Tool> detect_tool(const std::filesystem::path& folder);

// Where projects keep migrations, looked into in this order.
std::span<const std::string_view> usual_places();

// Reads a file whole; kIo with its name.
Result<std::string> read_whole(const std::filesystem::path& path);

// The readers of each shape: fill files and findings. Inside module migrate.
void read_drizzle(Project& project);
void read_folders(Project& project);
void read_plain(Project& project);
void read_sqitch(Project& project);
void read_graphile(Project& project);
// Major and minor of the `prisma` package nearest above the folder.
void read_prisma_version(Project& project);

Finding history_finding(const Rule& rule, std::string file, std::uint32_t line,
                        std::string message);

}  // namespace howdah::migrate::lint
