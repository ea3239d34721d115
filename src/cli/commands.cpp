#include "cli/commands.hpp"

namespace howdah::cli {

std::span<const Command> commands() {
    static constexpr Command kCommands[] = {
        {"serve", "the proxy, the monitor and the HTTP API, in one process", run_serve},
        {"lint", "judges migrations before they run", run_lint},
        {"optimize-migrations", "the Markdown report of lint for the project's migrations",
         run_optimize_migrations},
        {"analyze", "judge queries: SQL, and Prisma and Drizzle calls in TypeScript", run_analyze},
        {"migrate", "run migrations safely: status, up, down, repair, new", run_migrate},
        {"deploy", "back up, lint, migrate, deploy, test, roll back on failure", run_deploy},
        {"config", "check and print configuration", run_config},
    };
    return kCommands;
}

}  // namespace howdah::cli
