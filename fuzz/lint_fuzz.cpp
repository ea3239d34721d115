// Any bytes as a migration (judge.hpp), and as a howdah.toml's [lint]. The first byte chooses the
// tool.
#include <cstdint>
#include <string>

#include "judge.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace lint = howdah::migrate::lint;
    if (size == 0 || size > 65536) {
        return 0;
    }
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    lint::judge(static_cast<lint::Tool>(data[0] % 11), text);
    (void)lint::read_settings(text, "x");
    return 0;
}
