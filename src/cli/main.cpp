#include <cstdio>
#include <filesystem>
#include <string_view>

#include "cli/commands.hpp"

namespace {

void print_usage(std::FILE* out) {
    std::fprintf(out,
                 "usage: howdah COMMAND [OPTIONS]\n"
                 "       howdah [-d] [-R] [-q] [-v] [-u USER] FILE.ini\n\ncommands:\n");
    for (const auto& command : howdah::cli::commands()) {
        std::fprintf(out, "  %-10.*s %.*s\n", static_cast<int>(command.name.size()),
                     command.name.data(), static_cast<int>(command.summary.size()),
                     command.summary.data());
    }
    std::fprintf(out, "\n`howdah COMMAND --help` says more.\n");
}

// Called under PgBouncer's name, or the way PgBouncer is: options first, or a file.
bool is_pgbouncer_call(int argc, char** argv) {
    if (std::filesystem::path(argv[0]).filename() == "pgbouncer") {
        return true;
    }
    const std::string_view first = argc > 1 ? argv[1] : "";
    return first.starts_with("-") || first.ends_with(".ini");
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view name = argc > 1 ? argv[1] : "";
    if (name == "--help" || name == "-h" || name == "help") {
        print_usage(stdout);
        return 0;
    }
    if (name == "--version" || name == "-V") {
        std::printf("howdah %s\n", HOWDAH_VERSION);
        return 0;
    }
    for (const auto& command : howdah::cli::commands()) {
        if (command.name == name) {
            return command.run(argc - 1, argv + 1);
        }
    }
    if (is_pgbouncer_call(argc, argv)) {
        return howdah::cli::run_as_pgbouncer(argc, argv);
    }
    print_usage(stderr);
    return 2;
}
