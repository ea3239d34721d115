#include "wire/scram.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>
#include <climits>

#include "wire/crypto.hpp"
#include "wire/saslprep.hpp"
#include "wire/scram_text.hpp"

namespace howdah::wire {
namespace {

constexpr std::size_t kMockSaltBytes = 16;

Result<std::string> random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
        return fail(ErrorCode::kInternal, "OpenSSL could not make random bytes");
    }
    return bytes;
}

Result<Secret> decode_key(std::string_view text) {
    auto key = base64_decode(text);
    if (!key || key->size() != kSha256Bytes) {
        return fail(ErrorCode::kInvalidInput, "not a SCRAM-SHA-256 secret: bad key");
    }
    return Secret(*key);
}

}  // namespace

bool ScramVerifier::matches(std::string_view password) const {
    return make_verifier(password, salt, iterations).stored_key == stored_key;
}

std::string ScramVerifier::text() const {
    return fmt::format("{}${}:{}${}:{}", kScramSha256, iterations, base64_encode(salt),
                       base64_encode(stored_key.reveal()), base64_encode(server_key.reveal()));
}

Result<ScramVerifier> parse_verifier(std::string_view text) {
    const auto bad = [](std::string_view part) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("not a SCRAM-SHA-256 secret: bad {}", part));
    };
    if (!text.starts_with(kScramSha256) || text.substr(kScramSha256.size(), 1) != "$") {
        return bad("scheme");
    }
    text.remove_prefix(kScramSha256.size() + 1);
    const std::size_t colon = text.find(':');
    const std::size_t dollar = text.find('$');
    const std::size_t second_colon = text.find(':', std::min(dollar, text.size()));
    if (colon == std::string_view::npos || dollar == std::string_view::npos || colon > dollar ||
        second_colon == std::string_view::npos) {
        return bad("layout");
    }
    ScramVerifier verifier;
    const auto iterations = parse_iterations(text.substr(0, colon), INT_MAX);
    auto salt = base64_decode(text.substr(colon + 1, dollar - colon - 1));
    if (!iterations || !salt || salt->empty()) {
        return bad(iterations ? "salt" : "iteration count");
    }
    verifier.iterations = *iterations;
    verifier.salt = std::move(*salt);
    TRY(verifier.stored_key, decode_key(text.substr(dollar + 1, second_colon - dollar - 1)));
    TRY(verifier.server_key, decode_key(text.substr(second_colon + 1)));
    return verifier;
}

ScramVerifier make_verifier(std::string_view password, std::string_view salt, int iterations) {
    const Secret salted = pbkdf2_sha256(saslprep(password).reveal(), salt, iterations);
    ScramVerifier verifier;
    verifier.iterations = iterations;
    verifier.salt = salt;
    verifier.stored_key = sha256(hmac_sha256(salted, "Client Key").reveal());
    verifier.server_key = hmac_sha256(salted, "Server Key");
    return verifier;
}

ScramVerifier mock_verifier(std::string_view user, const Secret& process_secret, int iterations) {
    const auto derive = [&](std::string_view purpose) {
        return hmac_sha256(process_secret, fmt::format("{}:{}", purpose, user));
    };
    ScramVerifier verifier;
    verifier.iterations = iterations;
    verifier.salt = derive("salt").reveal().substr(0, kMockSaltBytes);
    verifier.stored_key = derive("stored key");
    verifier.server_key = derive("server key");
    return verifier;
}

Result<std::string> scram_nonce() {
    TRY(const std::string bytes, random_bytes(18));
    return base64_encode(bytes);
}

Result<std::string> scram_salt() {
    return random_bytes(kMockSaltBytes);
}

}  // namespace howdah::wire
