#include <cstdio>
#include <string_view>

#include "cli/commands.hpp"

namespace {

void print_usage(std::FILE* out) {
    std::fprintf(out, "usage: howdah COMMAND [OPTIONS]\n\ncommands:\n");
    for (const auto& command : howdah::cli::commands()) {
        std::fprintf(out, "  %-10.*s %.*s\n", static_cast<int>(command.name.size()),
                     command.name.data(), static_cast<int>(command.summary.size()),
                     command.summary.data());
    }
    std::fprintf(out, "\n`howdah COMMAND --help` says more.\n");
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
    print_usage(stderr);
    return 2;
}
