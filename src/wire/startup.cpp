#include "wire/startup.hpp"

#include "wire/message.hpp"

namespace howdah::wire {
namespace {

constexpr std::uint32_t kCancelCode = 80877102;
constexpr std::uint32_t kSslCode = 80877103;
constexpr std::uint32_t kGssCode = 80877104;

std::unexpected<Error> malformed(std::string what) {
    return fail(Error(ErrorCode::kProtocol, "08P01", std::move(what)));
}

}  // namespace

const std::string* StartupRequest::find(std::string_view name) const {
    const std::string* found = nullptr;
    for (const auto& [key, value] : parameters) {
        if (key == name) {
            found = &value;
        }
    }
    return found;
}

Result<StartupPacket> parse_startup(std::span<const std::uint8_t> packet) {
    Reader reader(packet);
    const std::uint32_t code = reader.u32();
    if (!reader.ok()) {
        return malformed("invalid length of startup packet");
    }
    if (code == kSslCode) {
        return SslRequest{};
    }
    if (code == kGssCode) {
        return GssEncRequest{};
    }
    if (code == kCancelCode) {
        CancelRequest request;
        request.pid = reader.u32();
        request.key = reader.rest();
        if (!reader.ok() || request.key.size() < 4 || request.key.size() > kCancelKeyBytesMax) {
            return malformed("invalid length of query cancel packet");
        }
        return request;
    }
    StartupRequest request;
    request.major = code >> 16;
    request.minor = code & 0xffff;
    if (request.major != 3) {
        return request;  // the caller names the versions it speaks
    }
    while (true) {
        const std::string_view name = reader.text();
        if (!reader.ok()) {
            return malformed("invalid startup packet layout: expected terminator as last byte");
        }
        if (name.empty()) {
            break;
        }
        const std::string_view value = reader.text();
        if (!reader.ok()) {
            return malformed("invalid startup packet layout: expected terminator as last byte");
        }
        if (name.starts_with("_pq_.")) {
            request.unknown_options.emplace_back(name);
        } else {
            request.parameters.emplace_back(name, value);
        }
    }
    return request;
}

}  // namespace howdah::wire
