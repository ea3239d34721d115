// The methods by which a client proves who it is.

#include <fmt/format.h>
#include <pwd.h>

#include <algorithm>
#include <cstring>

#include "base/log.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"
#include "wire/channel_binding.hpp"
#include "wire/password.hpp"
#include "wire/scram.hpp"

namespace howdah::proxy {
namespace {

using config::AuthType;
using wire::PasswordKind;

// A password message before login.
constexpr std::uint32_t kPasswordBytesMax = 70'000;

std::string system_user(std::uint32_t uid) {
    passwd entry{};
    passwd* found = nullptr;
    char buffer[4096];
    ::getpwuid_r(uid, &entry, buffer, sizeof buffer, &found);
    return found != nullptr ? found->pw_name : std::string();
}

}  // namespace

Error Session::wrong_password() const {
    return Error(ErrorCode::kRefused, "28P01",
                 fmt::format("password authentication failed for user \"{}\"", user_));
}

net::Task<Result<>> Session::authenticate_by(AuthRule rule) {
    switch (rule.method) {
        case AuthType::kAny:
            co_return Result<>();
        case AuthType::kTrust:
            co_return authenticate_trust();
        case AuthType::kPeer:
            co_return authenticate_peer(rule.map.get());
        case AuthType::kCert:
            co_return authenticate_cert(rule.map.get());
        case AuthType::kPlain:
            co_return co_await authenticate_plain();
        case AuthType::kLdap:
        case AuthType::kPam:
            co_return co_await authenticate_outside(std::move(rule));
        case AuthType::kMd5:
            if (!md5_means_scram()) {
                co_return co_await authenticate_md5();
            }
            [[fallthrough]];
        case AuthType::kScramSha256: {
            auto result = co_await authenticate_scram(false);
            if (!result && result.error().sqlstate == "28P01" && worker_.config().pgbouncer) {
                result.error().message = "SASL authentication failed";
            }
            co_return result;
        }
        case AuthType::kScramSha256Plus:
            co_return co_await authenticate_scram(true);
        default:
            co_return fail(
                Error(ErrorCode::kRefused, "28000", "this authentication method is not available"));
    }
}

// A password, or a step of SCRAM. Nothing of it stays in the stream's buffer.
net::Task<Result<wire::Secret>> Session::receive_password() {
    while (true) {
        const std::uint8_t* header = client_->peek(wire::kHeaderBytes);
        if (header != nullptr) {
            wire::Frame frame;
            if (!wire::read_frame(header, frame) || frame.type != 'p' ||
                frame.body_bytes > kPasswordBytesMax) {
                ++worker_.protocol_errors;
                co_return fail(Error(ErrorCode::kProtocol, "08P01", "expected password response"));
            }
            if (whole(frame)) {
                const std::span<const std::uint8_t> bytes = body(frame);
                wire::Secret text(bytes);
                ::explicit_bzero(const_cast<std::uint8_t*>(bytes.data()), bytes.size());
                client_->drop(frame.total_bytes());
                co_return text;
            }
        }
        if (client_->ended() || ending_) {
            co_return fail(ErrorCode::kIo, "client closed the connection during authentication");
        }
        if (deadline_.expired()) {
            co_return fail(Error(ErrorCode::kTimeout, "08P01", "client_login_timeout"));
        }
        co_await wake_.wait();
    }
}

// A PasswordMessage without its closing zero.
net::Task<Result<wire::Secret>> Session::receive_password_text() {
    auto message = co_await receive_password();
    if (!message) {
        co_return message;
    }
    const std::string_view text = message->reveal().substr(0, message->reveal().find('\0'));
    if (text.empty()) {
        co_return fail(Error(ErrorCode::kRefused, "28P01", "empty password returned by client"));
    }
    co_return wire::Secret(text);
}

// Under md5, who has a SCRAM secret is asked for SCRAM, as in PostgreSQL. Who is not known, or has
// no password, is asked for what most of the others are: the question must not tell them apart.
bool Session::md5_means_scram() const {
    if (login_->stored && !login_->stored->empty()) {
        return wire::classify_password(login_->stored->reveal()) == PasswordKind::kScram;
    }
    if (login_->lookup && worker_.config().pgbouncer) {
        return false;  // its tools wait for md5's words, and a stranger hears that he is none
    }
    if (login_->lookup) {
        return worker_.shared().lookups_find_scram.load(std::memory_order_relaxed);
    }
    const config::Userlist* users = worker_.config().userlist.get();
    return users == nullptr || users->mostly_scram();
}

net::Task<Result<>> Session::authenticate_plain() {
    wire::Encoder request;
    client_->write(request.authentication(3).view());
    auto given = co_await receive_password_text();
    if (!given) {
        co_return std::unexpected(std::move(given).error());
    }
    bool right = false;
    if (login_->stored && !login_->stored->empty()) {
        CO_TRY(right, wire::plain_verify(given->reveal(), login_->stored->reveal(), user_));
    }
    if (!right) {
        co_return fail(wrong_password());
    }
    login_->proved = std::move(*given);
    co_return Result<>();
}

net::Task<Result<>> Session::authenticate_md5() {
    wire::Md5Salt salt{};
    std::string random(salt.size(), '\0');
    fill_random(random);
    std::copy(random.begin(), random.end(), salt.begin());
    wire::Encoder request;
    client_->write(request.authentication(5, random).view());
    const auto message = co_await receive_password_text();
    if (!message) {
        co_return std::unexpected(message.error());
    }
    bool right = false;
    if (login_->stored && !login_->stored->empty()) {
        CO_TRY(right, wire::md5_verify(message->reveal(), login_->stored->reveal(), user_, salt));
    }
    if (!right) {
        co_return fail(wrong_password());
    }
    login_->proved = *login_->stored;
    co_return Result<>();
}

// What the exchange is held against. A user without a usable secret gets a mock one that nobody
// can satisfy, with a salt as anybody's.
Result<Session::ScramOffer> Session::scram_offer(bool plus) const {
    ScramOffer offer;
    TRY(offer.options.nonce, wire::scram_nonce());
    if (const net::TlsSession* tls = client_->tls(); tls != nullptr) {
        if (auto hash = wire::tls_server_end_point(tls->server_certificate())) {
            offer.options.channel_binding_data = std::move(*hash);
        }
    }
    const bool can_bind = !offer.options.channel_binding_data.empty();
    if (plus && !can_bind) {
        return fail(Error(ErrorCode::kRefused, "28000", "scram-sha-256-plus needs a TLS connection",
                          "Connect with sslmode=require or stronger."));
    }
    if (can_bind) {
        offer.mechanisms.push_back(wire::kScramSha256Plus);
    }
    if (!plus) {
        offer.mechanisms.push_back(wire::kScramSha256);
    }
    const int iterations = worker_.settings().scram_iterations;
    const bool stored = login_->stored && !login_->stored->empty();
    const PasswordKind kind =
        stored ? wire::classify_password(login_->stored->reveal()) : PasswordKind::kMd5;
    switch (kind) {
        case PasswordKind::kScram: {
            TRY(offer.verifier, wire::parse_verifier(login_->stored->reveal()));
            offer.pass_through = true;
            break;
        }
        case PasswordKind::kPlain:
            offer.verifier = worker_.verifiers().find(user_, *login_->stored, iterations);
            break;
        case PasswordKind::kMd5:
            offer.verifier = worker_.verifiers().mock(user_, iterations);
            offer.options.doomed = true;
            break;
    }
    return offer;
}

net::Task<Result<>> Session::authenticate_scram(bool plus) {
    CO_TRY(ScramOffer offer, scram_offer(plus));
    const bool pass_through = offer.pass_through;
    wire::ScramServer scram(std::move(offer.verifier), std::move(offer.options));
    wire::Encoder request;
    client_->write(request.sasl_mechanisms(offer.mechanisms).view());
    const auto initial = co_await receive_password();
    if (!initial) {
        co_return std::unexpected(initial.error());
    }
    wire::Reader reader(initial->bytes());
    const std::string_view mechanism = reader.text();
    const std::uint32_t length = reader.u32();
    const std::string_view data = length == 0xffffffffU ? std::string_view() : reader.bytes(length);
    if (!reader.ok() || std::find(offer.mechanisms.begin(), offer.mechanisms.end(), mechanism) ==
                            offer.mechanisms.end()) {
        co_return fail(Error(ErrorCode::kProtocol, "08P01",
                             "client selected an invalid SASL authentication mechanism"));
    }
    CO_TRY(const std::string challenge, scram.first(mechanism, data));
    wire::Encoder next;
    client_->write(next.authentication(11, challenge).view());
    const auto response = co_await receive_password();
    if (!response) {
        co_return std::unexpected(response.error());
    }
    auto final = scram.final(response->reveal());
    if (!final) {
        co_return fail(final.error().sqlstate == "28P01" ? wrong_password()
                                                         : std::move(final).error());
    }
    wire::Encoder last;
    client_->write(last.authentication(12, *final).view());
    if (pass_through) {
        login_->proved = scram.keys();
    } else {
        login_->proved = *login_->stored;
    }
    co_return Result<>();
}

// PgBouncer lets in whom it knows; from a howdah.toml, trust means everybody, as in PostgreSQL.
Result<> Session::authenticate_trust() const {
    if (login_->unknown && worker_.config().pgbouncer) {
        return fail(Error(ErrorCode::kRefused, "28000", "\"trust\" authentication failed"));
    }
    return {};
}

Result<> Session::authenticate_peer(const config::IdentMap* map) const {
    const net::PeerInfo& peer = client_->peer();
    const std::string name = peer.address.is_unix() ? system_user(peer.uid) : std::string();
    const bool allowed = map != nullptr ? map->allows(name, user_) : name == user_;
    if (map != nullptr && !allowed) {
        log::error(log_fields(), "{} ident map {} cannot be matched", label(), map->name());
    }
    if (name.empty() || !allowed || (login_->unknown && worker_.config().pgbouncer)) {
        return fail(Error(ErrorCode::kRefused, "28000", "unix socket login rejected"));
    }
    return {};
}

Result<> Session::authenticate_cert(const config::IdentMap* map) const {
    const net::TlsSession* tls = client_->tls();
    // The subject's common name or one of its alternative names, letter for letter: a wildcard
    // would be good for anybody.
    std::vector<std::string> names;
    if (tls != nullptr && tls->has_peer_certificate()) {
        names = tls->peer_alternative_names();
        names.push_back(tls->peer_common_name());
    }
    const bool allowed = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        return !name.empty() && (map != nullptr ? map->allows(name, user_) : name == user_);
    });
    if (tls == nullptr) {
        log::error(log_fields(), "{} TLS connection required", label());
    } else if (!tls->has_peer_certificate()) {
        log::error(log_fields(), "{} TLS client certificate required", label());
    } else if (!allowed && map != nullptr) {
        log::error(log_fields(), "{} ident map: {} does not have a match", label(), map->name());
    } else if (!allowed) {
        log::error(log_fields(), "{} TLS certificate name mismatch", label());
    }
    if (!allowed || (login_->unknown && worker_.config().pgbouncer)) {
        return fail(Error(ErrorCode::kRefused, "28000", "certificate authentication failed"));
    }
    return {};
}

}  // namespace howdah::proxy
