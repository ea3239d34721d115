#include <fmt/format.h>

#include "base/assert.hpp"
#include "wire/crypto.hpp"
#include "wire/scram.hpp"
#include "wire/scram_text.hpp"

namespace howdah::wire {
namespace {

constexpr std::string_view kBindingType = "tls-server-end-point";

std::unexpected<Error> binding_refused(std::string message, std::string hint) {
    return fail(Error(ErrorCode::kRefused, "28000", std::move(message), std::move(hint)));
}

std::unexpected<Error> unsupported(std::string message) {
    return fail(Error(ErrorCode::kProtocol, "0A000", std::move(message)));
}

// "n,," "y,," or "p=<type>,,": everything before client-first-message-bare.
Result<std::string_view> gs2_header_of(std::string_view message) {
    const std::size_t first_comma = message.find(',');
    if (first_comma == std::string_view::npos) {
        return malformed("channel binding flag expected");
    }
    const std::string_view rest = message.substr(first_comma + 1);
    if (rest.starts_with("a=")) {
        return unsupported("client uses authorization identity, but it is not supported");
    }
    if (!rest.starts_with(",")) {
        return malformed("comma expected after the channel binding flag");
    }
    return message.substr(0, first_comma + 2);
}

}  // namespace

ScramServer::ScramServer(ScramVerifier verifier, ScramServerOptions options)
    : verifier_(std::move(verifier)), options_(std::move(options)) {
    ASSERT(is_scram_printable(options_.nonce));
}

Result<> ScramServer::check_binding_flag(std::string_view mechanism,
                                         std::string_view header) const {
    const std::string_view flag = header.substr(0, header.find(','));
    const bool plus = mechanism == kScramSha256Plus;
    if (flag == "n" || flag == "y") {
        if (plus) {
            return malformed("SCRAM-SHA-256-PLUS without channel binding data");
        }
        if (flag == "y" && !options_.channel_binding_data.empty()) {
            return binding_refused("SCRAM channel binding negotiation error",
                                   "the client supports channel binding and was told that this "
                                   "server does not, which it does: somebody may be in between");
        }
        return {};
    }
    if (!flag.starts_with("p=")) {
        return malformed("unknown channel binding flag");
    }
    if (!plus) {
        return malformed("SCRAM-SHA-256 with channel binding data");
    }
    if (flag.substr(2) != kBindingType) {
        return malformed("channel binding type other than tls-server-end-point");
    }
    return {};
}

Result<std::string> ScramServer::first(std::string_view mechanism, std::string_view client_first) {
    ASSERT(step_ == Step::kFirst);
    step_ = Step::kFailed;
    const bool plus_offered = !options_.channel_binding_data.empty();
    if (mechanism != kScramSha256 && !(plus_offered && mechanism == kScramSha256Plus)) {
        return fail(Error(ErrorCode::kProtocol, "08P01",
                          "client selected an invalid SASL authentication mechanism"));
    }
    TRY(const std::string_view header, gs2_header_of(client_first));
    TRY_VOID(check_binding_flag(mechanism, header));
    const std::string_view bare = client_first.substr(header.size());
    ScramText text(bare);
    if (text.peek() == 'm') {
        return unsupported("client requires an unsupported SCRAM extension");
    }
    TRY_VOID(text.attribute('n'));  // PostgreSQL's clients leave it empty; the start-up name counts
    TRY(const std::string_view client_nonce, text.attribute('r'));
    if (!is_scram_printable(client_nonce)) {
        return malformed("unprintable characters in the nonce");
    }
    gs2_header_ = header;
    client_first_bare_ = bare;
    nonce_.append(client_nonce).append(options_.nonce);
    server_first_ =
        fmt::format("r={},s={},i={}", nonce_, base64_encode(verifier_.salt), verifier_.iterations);
    step_ = Step::kFinal;
    return server_first_;
}

Result<std::string> ScramServer::final(std::string_view client_final) {
    ASSERT(step_ == Step::kFinal);
    step_ = Step::kFailed;
    ScramText text(client_final);
    TRY(const std::string_view binding, text.attribute('c'));
    TRY(const std::string_view nonce, text.attribute('r'));
    const std::size_t proof_at = client_final.rfind(",p=");
    if (proof_at == std::string_view::npos) {
        return malformed("attribute \"p\" expected");
    }
    const auto proof = base64_decode(client_final.substr(proof_at + 3));
    if (!proof || proof->size() != kSha256Bytes) {
        return malformed("bad proof");
    }
    const bool bound = gs2_header_.starts_with("p=");
    const std::string input = gs2_header_ + (bound ? options_.channel_binding_data : "");
    if (!equal_constant_time(binding, base64_encode(input))) {
        if (bound) {
            return binding_refused("SCRAM channel binding check failed",
                                   "the client saw another TLS certificate than this server's");
        }
        return malformed("channel binding flag changed between messages");
    }
    if (nonce != nonce_) {
        return malformed("nonce does not match");
    }
    const std::string auth_message = client_first_bare_ + "," + server_first_ + "," +
                                     std::string(client_final.substr(0, proof_at));
    const bool right = proof_is_right(*proof, auth_message);
    if (!right || options_.doomed) {
        client_key_.clear();
        return fail(Error(ErrorCode::kRefused, "28P01", "password authentication failed"));
    }
    step_ = Step::kDone;
    return "v=" + base64_encode(hmac_sha256(verifier_.server_key, auth_message).reveal());
}

bool ScramServer::proof_is_right(std::string_view proof, std::string_view auth_message) {
    const Secret signature = hmac_sha256(verifier_.stored_key, auth_message);
    client_key_ = exclusive_or(Secret(proof), signature);
    return sha256(client_key_.reveal()) == verifier_.stored_key;
}

ScramKeys ScramServer::keys() const {
    ASSERT(step_ == Step::kDone);
    return {verifier_.iterations, verifier_.salt, client_key_, verifier_.server_key};
}

}  // namespace howdah::wire
