#include "cli/runner_settings.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/database.hpp"

namespace howdah::cli {

void declare_common(CLI::App& app, CommonOptions& options) {
    app.add_option("path", options.path, "migrations folder, or a project that holds one");
    app.add_option("-d,--database", options.database,
                   "URI or keywords as psql takes them; else PG* variables, else DATABASE_URL");
    app.add_option("--tool", options.tool,
                   "drizzle, drizzle-1, prisma, plain, dbmate, golang-migrate, goose or flyway");
    app.add_option("--format", options.format, "text, json or markdown")
        ->check(CLI::IsMember({"text", "json", "markdown"}));
    app.add_flag("-q,--quiet", options.quiet, "say nothing while running");
}

void print_steps(const migrate::runner::PlannedMigration& planned) {
    for (std::size_t i = 0; i < planned.steps.size(); ++i) {
        const migrate::runner::Step& step = planned.steps[i];
        fmt::print("  step {} ({}){}\n", i + 1, step_kind_name(step.kind),
                   i < planned.resume_at ? ": has run" : "");
        for (const migrate::runner::Statement& statement : step.statements) {
            fmt::print("    {:>4}  {}\n", statement.line,
                       migrate::runner::without_literals(statement.sql));
        }
    }
}

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
