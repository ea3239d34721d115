// The subcommands of `howdah`, one file each. Every run_*() gets the arguments from its own name on
// and returns the exit status: 0 fine, 1 findings or failed checks, 2 wrong usage or input, 3 could
// not run.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace howdah::cli {

struct Command {
    std::string_view name;
    std::string_view summary;
    int (*run)(int argc, char** argv);
};

[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] const Command* find_command(std::string_view name);  // null: there is none

// What `howdah` alone prints, and what it says to a command that it does not have.
[[nodiscard]] std::string overview();
[[nodiscard]] std::string unknown_command(std::string_view name);

int run_analyze(int argc, char** argv);
int run_completion(int argc, char** argv);
int run_config(int argc, char** argv);
int run_lint(int argc, char** argv);
int run_optimize_migrations(int argc, char** argv);
int run_deploy(int argc, char** argv);
int run_migrate(int argc, char** argv);
int run_serve(int argc, char** argv);
// PgBouncer's own command line: [-d] [-R] [-q] [-v] [-u USER] FILE.ini
int run_as_pgbouncer(int argc, char** argv);

}  // namespace howdah::cli
