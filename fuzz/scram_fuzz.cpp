// Both ends of SCRAM and the verifier parser on arbitrary bytes. The first byte picks the side,
// the rest is one or two messages, split at the first line feed.
//
// Besides not crashing: a login never succeeds (the input cannot know the keys), and whatever
// parses as a verifier is the same after printing.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "wire/channel_binding.hpp"
#include "wire/password.hpp"
#include "wire/scram.hpp"

using namespace howdah::wire;

namespace {

void run_server(std::string_view first, std::string_view second, bool tls) {
    static const ScramVerifier kVerifier = make_verifier("pencil", "salt", 1);
    ScramServer server(kVerifier,
                       {.nonce = "server", .channel_binding_data = tls ? "certificate" : ""});
    const bool plus = tls && first.starts_with("p=");
    if (server.first(plus ? kScramSha256Plus : kScramSha256, first)) {
        ASSERT(!server.final(second));
    }
}

void run_client(std::string_view first, std::string_view second, bool tls) {
    ScramClient client(Secret("pencil"), {.nonce = "client",
                                          .channel_binding_data = tls ? "certificate" : "",
                                          .iterations_max = 10});
    constexpr std::array<std::string_view, 2> kMechanisms = {kScramSha256Plus, kScramSha256};
    ASSERT(client.choose(kMechanisms));
    (void)client.first();
    if (client.final(first)) {
        ASSERT(!client.verify(second));
    }
}

void run_verifier(std::string_view text) {
    if (const auto verifier = parse_verifier(text)) {
        const std::string printed = verifier->text();
        ASSERT(parse_verifier(printed) && parse_verifier(printed)->text() == printed);
    }
    (void)classify_password(text);
    (void)tls_server_end_point({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t split = std::min(text.find('\n'), text.size());
    const std::string_view first = text.substr(0, split);
    const std::string_view second = text.substr(std::min(split + 1, text.size()));
    switch (data[0]) {
        case 's':
        case 'S':
            run_server(first, second, data[0] == 'S');
            break;
        case 'c':
        case 'C':
            run_client(first, second, data[0] == 'C');
            break;
        default:
            run_verifier(text);
    }
    return 0;
}
