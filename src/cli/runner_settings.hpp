// Where migrate and deploy get their settings: howdah.toml, then the command line, then the
// environment.
#pragma once

#include <string>

#include "base/result.hpp"
#include "migrate/deploy/config.hpp"

namespace howdah::cli {

struct CommonOptions {
    std::string path;
    std::string database;
    std::string tool;
};

// Reads howdah.toml of the project at or above `path` and puts the options over it.
Result<migrate::runner::ProjectConfig> project_config(const CommonOptions& options);

}  // namespace howdah::cli
