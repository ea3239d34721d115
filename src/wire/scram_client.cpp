#include <fmt/format.h>

#include <algorithm>

#include "base/assert.hpp"
#include "wire/crypto.hpp"
#include "wire/saslprep.hpp"
#include "wire/scram.hpp"
#include "wire/scram_text.hpp"

namespace howdah::wire {
namespace {

constexpr std::string_view kNoUserBare = "n=,r=";  // PostgreSQL ignores the name given here

std::unexpected<Error> refused(std::string message, std::string hint) {
    return fail(Error(ErrorCode::kRefused, "28000", std::move(message), std::move(hint)));
}

}  // namespace

ScramClient::ScramClient(Secret password, ScramClientOptions options)
    : password_(saslprep(password.reveal())), options_(std::move(options)) {
    ASSERT(is_scram_printable(options_.nonce));
}

ScramClient::ScramClient(ScramKeys keys, ScramClientOptions options)
    : keys_(std::move(keys)), options_(std::move(options)) {
    ASSERT(is_scram_printable(options_.nonce));
    ASSERT(keys_.client_key.size() == kSha256Bytes && keys_.server_key.size() == kSha256Bytes);
}

Result<std::string_view> ScramClient::choose(std::span<const std::string_view> mechanisms) {
    ASSERT(step_ == Step::kChoose);
    step_ = Step::kFailed;
    const auto offered = [&](std::string_view name) {
        return std::find(mechanisms.begin(), mechanisms.end(), name) != mechanisms.end();
    };
    const bool can_bind = options_.channel_binding != ChannelBinding::kDisable &&
                          !options_.channel_binding_data.empty();
    if (can_bind && offered(kScramSha256Plus)) {
        gs2_header_ = "p=tls-server-end-point,,";
        step_ = Step::kFirst;
        return kScramSha256Plus;
    }
    if (options_.channel_binding == ChannelBinding::kRequire) {
        return refused("channel binding is required, but the server did not offer it",
                       "it needs TLS and PostgreSQL 11 or newer");
    }
    if (!offered(kScramSha256)) {
        return refused("none of the server's SASL authentication mechanisms is supported",
                       "SCRAM-SHA-256 and, over TLS, SCRAM-SHA-256-PLUS are");
    }
    gs2_header_ = can_bind ? "y,," : "n,,";
    step_ = Step::kFirst;
    return kScramSha256;
}

std::string ScramClient::first() {
    ASSERT(step_ == Step::kFirst);
    step_ = Step::kFinal;
    auth_message_ = std::string(kNoUserBare) + options_.nonce;
    return gs2_header_ + auth_message_;
}

Result<> ScramClient::take_salt(std::string salt, int iterations) {
    if (!password_) {
        if (salt != keys_.salt || iterations != keys_.iterations) {
            return refused(
                "the server's SCRAM secret has another salt or iteration count than the one here",
                "copy the server's secret (pg_authid.rolpassword), or configure the password");
        }
        return {};
    }
    if (options_.known_keys && options_.known_keys->salt == salt &&
        options_.known_keys->iterations == iterations) {
        keys_ = *options_.known_keys;
        return {};
    }
    const Secret salted = pbkdf2_sha256(password_->reveal(), salt, iterations);
    keys_ = {iterations, std::move(salt), hmac_sha256(salted, "Client Key"),
             hmac_sha256(salted, "Server Key")};
    return {};
}

Result<std::string> ScramClient::final(std::string_view server_first) {
    ASSERT(step_ == Step::kFinal);
    step_ = Step::kFailed;
    ScramText text(server_first);
    if (text.peek() == 'm') {
        return fail(
            Error(ErrorCode::kProtocol, "0A000", "server requires an unsupported SCRAM extension"));
    }
    TRY(const std::string_view nonce, text.attribute('r'));
    TRY(const std::string_view salt_text, text.attribute('s'));
    TRY(const std::string_view iterations_text, text.attribute('i'));
    if (!is_scram_printable(nonce) || !nonce.starts_with(options_.nonce) ||
        nonce.size() == options_.nonce.size()) {
        return malformed("the server's nonce does not continue ours");
    }
    auto salt = base64_decode(salt_text);
    if (!salt || salt->empty()) {
        return malformed("bad salt");
    }
    const auto iterations = parse_iterations(iterations_text, options_.iterations_max);
    if (!iterations) {
        return malformed(
            fmt::format("iteration count is not between 1 and {}", options_.iterations_max));
    }
    TRY_VOID(take_salt(std::move(*salt), *iterations));

    const bool bound = gs2_header_.starts_with("p=");
    const std::string input = gs2_header_ + (bound ? options_.channel_binding_data : "");
    const std::string unproved = fmt::format("c={},r={}", base64_encode(input), nonce);
    auth_message_.append(",").append(server_first).append(",").append(unproved);
    const Secret stored_key = sha256(keys_.client_key.reveal());
    const Secret proof = exclusive_or(keys_.client_key, hmac_sha256(stored_key, auth_message_));
    step_ = Step::kVerify;
    return unproved + ",p=" + base64_encode(proof.reveal());
}

Result<> ScramClient::verify(std::string_view server_final) {
    ASSERT(step_ == Step::kVerify);
    step_ = Step::kFailed;
    ScramText text(server_final);
    if (text.peek() == 'e') {
        return fail(Error(ErrorCode::kRefused, "28P01", "the server refused the SCRAM exchange"));
    }
    TRY(const std::string_view signature_text, text.attribute('v'));
    const auto signature = base64_decode(signature_text);
    if (!signature ||
        !equal_constant_time(*signature, hmac_sha256(keys_.server_key, auth_message_).reveal())) {
        return refused("incorrect server signature",
                       "the server does not know this user's password: is it the right server?");
    }
    step_ = Step::kDone;
    return {};
}

}  // namespace howdah::wire
