// The start-up packet parser on arbitrary bytes: what it accepts has no zero byte inside a value,
// and a cancel key is within its bound.
#include <cstddef>
#include <cstdint>
#include <variant>

#include "base/assert.hpp"
#include "wire/startup.hpp"

using namespace howdah::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto packet = parse_startup({data, size});
    if (!packet) {
        ASSERT(packet.error().sqlstate == "08P01" || packet.error().sqlstate == "0A000");
        return 0;
    }
    if (const auto* cancel = std::get_if<CancelRequest>(&*packet)) {
        ASSERT(!cancel->key.empty() && cancel->key.size() <= kCancelKeyBytesMax);
    }
    if (const auto* startup = std::get_if<StartupRequest>(&*packet)) {
        for (const auto& [name, value] : startup->parameters) {
            ASSERT(!name.empty() && name.find('\0') == std::string::npos);
            ASSERT(value.find('\0') == std::string::npos);
            ASSERT(startup->find(name) != nullptr);
        }
    }
    return 0;
}
