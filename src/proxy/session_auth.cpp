// Who the client is: the rules choose a method, the method demands a proof.

#include <fmt/format.h>
#include <pwd.h>

#include "base/log.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"
#include "wire/channel_binding.hpp"
#include "wire/password.hpp"
#include "wire/scram.hpp"

namespace howdah::proxy {
namespace {

using config::AuthType;

// A password message before login.
constexpr std::uint32_t kPasswordBytesMax = 70'000;

Error wrong_password(const std::string& user) {
    return Error(ErrorCode::kRefused, "28P01",
                 fmt::format("password authentication failed for user \"{}\"", user));
}

std::string system_user(std::uint32_t uid) {
    passwd entry{};
    passwd* found = nullptr;
    char buffer[4096];
    ::getpwuid_r(uid, &entry, buffer, sizeof buffer, &found);
    return found != nullptr ? found->pw_name : std::string();
}

}  // namespace

Result<Session::AuthRule> Session::auth_rule() const {
    const config::Config& config = worker_.config();
    if (config.settings.auth_type != AuthType::kHba && config.hba == nullptr) {
        return AuthRule{config.settings.auth_type, nullptr};
    }
    config::ConnectionFacts facts;
    const net::PeerInfo& peer = client_->peer();
    if (!peer.address.is_unix()) {
        facts.address = config::parse_ip(peer.address.host());
    }
    facts.tls = client_->tls() != nullptr;
    facts.physical_replication = !replication_.empty() && replication_ != "database";
    facts.database = database_;
    facts.user = user_;
    const config::HbaRule* rule = config.hba != nullptr ? config.hba->evaluate(facts) : nullptr;
    if (rule == nullptr || rule->method == AuthType::kReject) {
        return fail(Error(ErrorCode::kRefused, "28000", "login rejected",
                          "No rule of the HBA file allows this connection."));
    }
    return AuthRule{rule->method, rule->map};
}

net::Task<bool> Session::authenticate() {
    auto attached = attach_pool();
    if (!attached) {
        fatal(std::move(attached).error());
        co_return false;
    }
    auto rule = auth_rule();
    if (!rule) {
        fatal(std::move(rule).error());
        co_return false;
    }
    auto result = co_await authenticate_by(std::move(*rule));
    stored_password_.reset();
    if (!result) {
        if (!result.error().sqlstate.empty()) {
            log::info("{} login failed: {}", label(), result.error().message);
            fatal(std::move(result).error());
        }
        co_return false;
    }
    if (pool_ != nullptr && !std::holds_alternative<std::monostate>(proved_)) {
        pool_->offer_credentials(std::move(proved_));
    }
    if (worker_.settings().log_connections && !console_) {
        log::info("{} login attempt: db={} user={} tls={}", label(), database_, user_,
                  client_->tls() != nullptr ? client_->tls()->version() : "no");
    }
    co_return true;
}

// The pool of this database and user. The console has none.
Result<> Session::attach_pool() {
    if (database_ == "pgbouncer" || database_ == "howdah") {
        return {};
    }
    pool_ = worker_.pool_for(database_, user_);
    if (pool_ == nullptr) {
        return fail(Error(ErrorCode::kNotFound, "3D000",
                          fmt::format("no such database: {}", database_),
                          "Add it under [databases], or a \"*\" entry for all."));
    }
    if (pool_->database_disabled) {
        return fail(Error(ErrorCode::kRefused, "57P03",
                          fmt::format("database \"{}\" is disabled", database_)));
    }
    return {};
}

net::Task<Result<>> Session::authenticate_by(AuthRule rule) {
    switch (rule.method) {
        case AuthType::kAny:
        case AuthType::kTrust: co_return Result<>();
        case AuthType::kPeer: co_return authenticate_peer(rule.map.get());
        case AuthType::kCert: co_return authenticate_cert(rule.map.get());
        default: break;
    }
    CO_TRY_VOID(co_await find_password());
    const bool scram_only = stored_password_ &&
                            wire::classify_password(stored_password_->reveal()) ==
                                wire::PasswordKind::kScram;
    switch (rule.method) {
        case AuthType::kPlain: co_return co_await authenticate_plain();
        case AuthType::kMd5:
            // md5 with a SCRAM secret means SCRAM, as in PostgreSQL.
            co_return scram_only ? co_await authenticate_scram(false) : co_await authenticate_md5();
        case AuthType::kScramSha256: co_return co_await authenticate_scram(false);
        case AuthType::kScramSha256Plus: co_return co_await authenticate_scram(true);
        default:
            co_return fail(Error(ErrorCode::kRefused, "28000",
                                 "this authentication method is not available"));
    }
}

// What is stored for the user; none for a user nobody knows, who then fails like one with a wrong
// password, and after as long.
net::Task<Result<>> Session::find_password() {
    const config::Config& config = worker_.config();
    if (config.userlist != nullptr) {
        if (const wire::Secret* stored = config.userlist->find(user_); stored != nullptr) {
            stored_password_ = *stored;
        }
    }
    co_return Result<>();
}

net::Task<Result<std::string>> Session::receive_password() {
    while (true) {
        const std::uint8_t* header = client_->peek(wire::kHeaderBytes);
        if (header != nullptr) {
            wire::Frame frame;
            if (!wire::read_frame(header, frame) || frame.type != 'p' ||
                frame.body_bytes > kPasswordBytesMax) {
                co_return fail(Error(ErrorCode::kProtocol, "08P01",
                                     "expected password response"));
            }
            if (whole(frame)) {
                const std::span<const std::uint8_t> bytes = body(frame);
                std::string text(bytes.begin(), bytes.end());
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

net::Task<Result<>> Session::authenticate_plain() {
    wire::Encoder request;
    client_->write(request.authentication(3).view());
    auto message = co_await receive_password();
    if (!message) {
        co_return std::unexpected(std::move(message).error());
    }
    if (!message->empty() && message->back() == '\0') {
        message->pop_back();
    }
    const wire::Secret given{std::string_view(*message)};
    if (!stored_password_) {
        co_return fail(wrong_password(user_));
    }
    CO_TRY(const bool right,
           wire::plain_verify(given.reveal(), stored_password_->reveal(), user_));
    if (!right) {
        co_return fail(wrong_password(user_));
    }
    proved_ = given;
    co_return Result<>();
}

net::Task<Result<>> Session::authenticate_md5() {
    wire::Md5Salt salt{};
    std::string random(salt.size(), '\0');
    Worker::fill_random(random);
    std::copy(random.begin(), random.end(), salt.begin());
    wire::Encoder request;
    client_->write(request.authentication(5, random).view());
    auto message = co_await receive_password();
    if (!message) {
        co_return std::unexpected(std::move(message).error());
    }
    if (!message->empty() && message->back() == '\0') {
        message->pop_back();
    }
    if (!stored_password_) {
        co_return fail(wrong_password(user_));
    }
    CO_TRY(const bool right,
           wire::md5_verify(*message, stored_password_->reveal(), user_, salt));
    if (!right) {
        co_return fail(wrong_password(user_));
    }
    proved_ = *stored_password_;
    co_return Result<>();
}

net::Task<Result<>> Session::authenticate_scram(bool plus) {
    wire::ScramServerOptions options;
    CO_TRY(options.nonce, wire::scram_nonce());
    if (client_->tls() != nullptr) {
        if (auto hash = wire::tls_server_end_point(client_->tls()->server_certificate())) {
            options.channel_binding_data = std::move(*hash);
        }
    }
    if (plus && options.channel_binding_data.empty()) {
        co_return fail(Error(ErrorCode::kRefused, "28000",
                             "scram-sha-256-plus needs a TLS connection"));
    }
    wire::ScramVerifier verifier;
    const wire::PasswordKind kind = stored_password_
                                        ? wire::classify_password(stored_password_->reveal())
                                        : wire::PasswordKind::kMd5;
    const int iterations = worker_.settings().scram_iterations;
    if (kind == wire::PasswordKind::kScram) {
        CO_TRY(verifier, wire::parse_verifier(stored_password_->reveal()));
    } else if (kind == wire::PasswordKind::kPlain) {
        CO_TRY(const std::string salt, wire::scram_salt());
        verifier = wire::make_verifier(stored_password_->reveal(), salt, iterations);
    } else {
        verifier = wire::mock_verifier(user_, worker_.secret(), iterations);
        options.doomed = true;
    }
    const bool bound = !options.channel_binding_data.empty();
    std::vector<std::string_view> mechanisms;
    if (bound) {
        mechanisms.push_back(wire::kScramSha256Plus);
    }
    if (!plus) {
        mechanisms.push_back(wire::kScramSha256);
    }
    wire::ScramServer scram(std::move(verifier), std::move(options));
    wire::Encoder request;
    client_->write(request.sasl_mechanisms(mechanisms).view());
    auto initial = co_await receive_password();
    if (!initial) {
        co_return std::unexpected(std::move(initial).error());
    }
    wire::Reader reader({reinterpret_cast<const std::uint8_t*>(initial->data()), initial->size()});
    const std::string_view mechanism = reader.text();
    const std::uint32_t length = reader.u32();
    const std::string_view data = length == 0xffffffffU ? std::string_view() : reader.bytes(length);
    if (!reader.ok() ||
        std::find(mechanisms.begin(), mechanisms.end(), mechanism) == mechanisms.end()) {
        co_return fail(Error(ErrorCode::kProtocol, "08P01",
                             "client selected an invalid SASL authentication mechanism"));
    }
    CO_TRY(const std::string challenge, scram.first(mechanism, data));
    wire::Encoder next;
    client_->write(next.authentication(11, challenge).view());
    auto response = co_await receive_password();
    if (!response) {
        co_return std::unexpected(std::move(response).error());
    }
    auto final = scram.final(*response);
    if (!final) {
        co_return fail(final.error().sqlstate == "28P01" ? wrong_password(user_)
                                                         : std::move(final).error());
    }
    wire::Encoder last;
    client_->write(last.authentication(12, *final).view());
    if (kind == wire::PasswordKind::kPlain) {
        proved_ = *stored_password_;
    } else {
        proved_ = scram.keys();
    }
    co_return Result<>();
}

Result<> Session::authenticate_peer(const config::IdentMap* map) const {
    const net::PeerInfo& peer = client_->peer();
    const std::string name = peer.address.is_unix() ? system_user(peer.uid) : std::string();
    const bool allowed = map != nullptr ? map->allows(name, user_) : name == user_;
    if (name.empty() || !allowed) {
        return fail(Error(ErrorCode::kRefused, "28000",
                          fmt::format("unix socket login rejected for user \"{}\"", user_)));
    }
    return {};
}

Result<> Session::authenticate_cert(const config::IdentMap* map) const {
    if (client_->tls() == nullptr || !client_->tls()->has_peer_certificate()) {
        return fail(Error(ErrorCode::kRefused, "28000", "TLS certificate required"));
    }
    const std::string name = client_->tls()->peer_common_name();
    const bool allowed = map != nullptr ? map->allows(name, user_) : name == user_;
    if (name.empty() || !allowed) {
        return fail(Error(ErrorCode::kRefused, "28000", "TLS certificate name mismatch"));
    }
    return {};
}

}  // namespace howdah::proxy
