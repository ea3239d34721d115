// Scaffold: howdah migrate new: an empty migration where and how the project's tool keeps them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "migrate/history/project.hpp"

namespace howdah::migrate::runner {

struct NewMigration {
    std::string name;  // in words; other characters become _
    std::int64_t now_ms = 0;
    bool with_down = false;
};

// The files written, first the one to edit. Drizzle's journal and snapshot go with it, so that
// drizzle-kit generate goes on behind it.
Result<std::vector<std::filesystem::path>> create_migration(const Project& project,
                                                            const NewMigration& wanted);

}  // namespace howdah::migrate::runner
