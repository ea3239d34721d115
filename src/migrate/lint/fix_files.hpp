// fix: the files that hold a migration's steps, for each tool. Inside module migrate.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "migrate/lint/fix.hpp"

namespace howdah::migrate::lint {

// What goes into one file.
struct Group {
    int round = 0;
    Phase phase = Phase::kExpand;
    std::vector<std::string> statements;
    bool transactional = true;
    bool in_block = false;
};

// The file's text as `tool` reads it, without what stands above all of its files.
std::string body_of(const Group& group, Tool tool);
void plan_file(FixPlan& plan, const std::filesystem::path& path, std::string after);
// The same for what the tool runs.
void plan_migration(FixPlan& plan, const std::filesystem::path& path, std::string after);

// Tools whose order stands in a file of its own or in the files themselves (fix_chains.cpp). A
// reason why not, or "".
std::string place_sqitch(const MigrationFile& file, const std::vector<Group>& groups,
                         FixPlan& plan);
std::string place_graphile(const Project& project, const MigrationFile& file,
                           const std::vector<Group>& groups, FixPlan& plan);

}  // namespace howdah::migrate::lint
