#include "cli/runner_settings.hpp"

#include "cli/terminal.hpp"

namespace howdah::cli {

Result<migrate::runner::ProjectConfig> project_config(const CommonOptions& options) {
    migrate::runner::ProjectConfig config;
    const std::filesystem::path from = options.path.empty() ? "." : options.path;
    if (const auto file = migrate::runner::find_project_config(from); !file.empty()) {
        TRY_VOID(read_project_config(file, config));
    }
    if (!options.path.empty()) {
        config.migrate.folder = options.path;
    }
    if (!options.database.empty()) {
        config.migrate.database = options.database;
    } else if (config.migrate.database.empty()) {
        config.migrate.database = database_from_environment();
    }
    if (!options.tool.empty()) {
        TRY(config.migrate.tool, migrate::runner::tool_from_name(options.tool));
    }
    return config;
}

}  // namespace howdah::cli
