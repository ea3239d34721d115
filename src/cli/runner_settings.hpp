// What migrate and deploy have in common: their options, and where the settings come from:
// howdah.toml, then the command line, then the environment.
#pragma once

#include <string>

#include "base/result.hpp"
#include "migrate/deploy/config.hpp"
#include "migrate/runner/plan.hpp"

namespace CLI {
class App;
}

namespace howdah::cli {

struct CommonOptions {
    std::string path;
    std::string database;
    std::string tool;
    std::string format = "text";
    bool quiet = false;
};

void declare_common(CLI::App& app, CommonOptions& options);

// Reads howdah.toml of the project at or above `path` and puts the options over it.
Result<migrate::runner::ProjectConfig> project_config(const CommonOptions& options);

// The steps of a planned migration with their statements, indented, without literals.
void print_steps(const migrate::runner::PlannedMigration& planned);

}  // namespace howdah::cli
