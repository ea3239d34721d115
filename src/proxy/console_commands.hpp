// The console's commands that change something. Each gives its command tag, or the error for the
// client.
#pragma once

#include <string>
#include <string_view>

#include "proxy/console.hpp"

namespace howdah::proxy {

struct CommandEntry {
    std::string_view name;
    bool takes_argument = false;
    net::Task<Result<std::string>> (*run)(Console& console, const ConsoleCommand& command);
};

// Null: there is no such command.
const CommandEntry* find_command(std::string_view name);

net::Task<Result<std::string>> show_fds(Console& console, const ConsoleCommand& command);
net::Task<Result<std::string>> take_http(Console& console, const ConsoleCommand& command);
net::Task<Result<std::string>> take_clients(Console& console, const ConsoleCommand& command);

// Runs `work` on the main thread and continues on the console's loop with its result.
net::Task<Result<>> on_main(Worker& home, std::function<Result<>()> work);

}  // namespace howdah::proxy
