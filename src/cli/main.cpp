#include <cstdio>
#include <filesystem>
#include <string_view>

#include "cli/commands.hpp"
#include "cli/exit_status.hpp"

namespace {

// Called under PgBouncer's name, or the way PgBouncer is: options first, or a file.
bool is_pgbouncer_call(int argc, char** argv) {
    if (std::filesystem::path(argv[0]).filename() == "pgbouncer") {
        return true;
    }
    const std::string_view first = argc > 1 ? argv[1] : "";
    return first.starts_with("-") || first.ends_with(".ini");
}

// `howdah help`, `howdah help lint`.
int help(int argc, char** argv) {
    const howdah::cli::Command* command = argc > 2 ? howdah::cli::find_command(argv[2]) : nullptr;
    if (argc > 2 && command == nullptr) {
        std::fputs(howdah::cli::unknown_command(argv[2]).c_str(), stderr);
        return howdah::cli::kWrongInput;
    }
    if (command == nullptr) {
        std::fputs(howdah::cli::overview().c_str(), stdout);
        return howdah::cli::kFine;
    }
    char option[] = "--help";
    char* words[] = {argv[2], option, nullptr};
    return command->run(2, words);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view name = argc > 1 ? argv[1] : "help";
    const bool pgbouncer = is_pgbouncer_call(argc, argv);
    if (name == "--version" || name == "-V" || name == "version") {
        std::printf("howdah %s\n", HOWDAH_VERSION);
        return howdah::cli::kFine;
    }
    if (name == "--help" || name == "-h" || (name == "help" && !pgbouncer)) {
        return help(argc, argv);
    }
    if (const howdah::cli::Command* command = howdah::cli::find_command(name)) {
        return command->run(argc - 1, argv + 1);
    }
    if (pgbouncer) {
        return howdah::cli::run_as_pgbouncer(argc, argv);
    }
    std::fputs(howdah::cli::unknown_command(name).c_str(), stderr);
    return howdah::cli::kWrongInput;
}
