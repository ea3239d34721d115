#include "wire/startup.hpp"

#include <algorithm>

#include "wire/message.hpp"

namespace howdah::wire {
namespace {

constexpr std::uint32_t kCancelCode = 80877102;
constexpr std::uint32_t kSslCode = 80877103;
constexpr std::uint32_t kGssCode = 80877104;

constexpr const char* kNoTerminator =
    "invalid startup packet layout: expected terminator as last byte";

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
            return malformed(kNoTerminator);
        }
        if (name.empty() && reader.left() == 0) {
            return request;
        }
        if (name.empty()) {
            return malformed(kNoTerminator);
        }
        const std::string_view value = reader.text();
        if (!reader.ok()) {
            return malformed(kNoTerminator);
        }
        if (name.starts_with("_pq_.")) {
            request.unknown_options.emplace_back(name);
        } else {
            request.parameters.emplace_back(name, value);
        }
    }
}

std::optional<bool> parse_boolean(std::string_view text) {
    struct Word {
        std::string_view word;
        std::size_t least;  // "o" could be either
        bool value;
    };
    static constexpr Word kWords[] = {{"true", 1, true}, {"yes", 1, true},    {"on", 2, true},
                                      {"1", 1, true},    {"false", 1, false}, {"no", 1, false},
                                      {"off", 2, false}, {"0", 1, false}};
    const auto begins = [&](const Word& word) {
        return text.size() >= word.least && text.size() <= word.word.size() &&
               std::equal(text.begin(), text.end(), word.word.begin(), [](char a, char b) {
                   return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
               });
    };
    const auto found = std::find_if(std::begin(kWords), std::end(kWords), begins);
    return found == std::end(kWords) ? std::nullopt : std::optional<bool>(found->value);
}

}  // namespace howdah::wire
