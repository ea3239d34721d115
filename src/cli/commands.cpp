#include "cli/commands.hpp"

#include <fmt/format.h>

#include <vector>

#include "base/nearest.hpp"

namespace howdah::cli {
namespace {

constexpr std::string_view kOverview =
    R"(howdah {}: one binary between your applications and PostgreSQL

  howdah serve --upstream postgres://app:secret@db.example.com/shop
                                 pool connections; applications go to port 6432 instead
  howdah lint migrations         what a migration locks, rewrites and breaks, before it runs
  howdah analyze src             N+1 loops, missing indexes and limits, in SQL and TypeScript
  howdah migrate status          what has run, what is pending

commands:
)";
constexpr std::string_view kMore = R"(
howdah COMMAND --help says more, with examples. As PgBouncer: howdah [-d] [-R] [-q] [-v] [-u USER]
FILE.ini. Completion for your shell: howdah completion --help
)";

}  // namespace

std::span<const Command> commands() {
    static constexpr Command kCommands[] = {
        {"serve", "the proxy, what it sees, and the HTTP API, in one process", run_serve},
        {"lint", "judge migrations before they run", run_lint},
        {"optimize-migrations", "the Markdown report of lint for the project's migrations",
         run_optimize_migrations},
        {"analyze", "judge queries: SQL, and Prisma and Drizzle calls in TypeScript", run_analyze},
        {"migrate", "run migrations safely: status, up, down, repair, new", run_migrate},
        {"deploy", "back up, lint, migrate, deploy, test, roll back on failure", run_deploy},
        {"config", "check and print configuration", run_config},
        {"completion", "print the completion script for bash, zsh or fish", run_completion},
    };
    return kCommands;
}

const Command* find_command(std::string_view name) {
    for (const Command& command : commands()) {
        if (command.name == name) {
            return &command;
        }
    }
    return nullptr;
}

std::string overview() {
    std::string text = fmt::format(fmt::runtime(kOverview), HOWDAH_VERSION);
    for (const Command& command : commands()) {
        text += fmt::format("  {:<20} {}\n", command.name, command.summary);
    }
    return text += kMore;
}

std::string unknown_command(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Command& command : commands()) {
        names.push_back(command.name);
    }
    return fmt::format("howdah: there is no command {}{}\n  howdah --help names them all\n", name,
                       did_you_mean(name, names));
}

}  // namespace howdah::cli
