#include "cli/commands.hpp"

namespace howdah::cli {

std::span<const Command> commands() {
    static constexpr Command kCommands[] = {
        {"config", "check and print configuration", run_config},
    };
    return kCommands;
}

}  // namespace howdah::cli
