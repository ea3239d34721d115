// A command typed on the console: what is accepted has a name, and quoting it again gives it back.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "proxy/console_command.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace howdah::proxy;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto command = parse_console_command(text);
    if (!command) {
        ASSERT(command.error().sqlstate == "08P01");
        return 0;
    }
    ASSERT(command->name.size() + command->argument.size() + command->value.size() <= size);
    ASSERT(command->name == "set" || command->value.empty());
    return 0;
}
