// The PROXY header parser on arbitrary bytes: a header is within what was given, and every cut of
// it is "not yet".
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "wire/proxy_header.hpp"

using namespace howdah::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto parsed = parse_proxy_header({data, size});
    if (!parsed || !*parsed) {
        return 0;
    }
    const ProxyHeader& header = **parsed;
    ASSERT(header.bytes > 0 && header.bytes <= size && header.bytes <= kProxyHeaderBytesMax);
    ASSERT(begins_proxy_header(data[0]));
    ASSERT(header.source.has_value() == header.destination.has_value());
    const auto again = parse_proxy_header({data, header.bytes});
    ASSERT(again && *again && (*again)->bytes == header.bytes);
    const auto cut = parse_proxy_header({data, header.bytes - 1});
    ASSERT(cut && !*cut);
    return 0;
}
