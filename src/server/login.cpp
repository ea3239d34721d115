// Logging in to PostgreSQL: connect, TLS, start-up, authentication, up to the first ReadyForQuery.

#include <fmt/format.h>

#include <array>

#include "server/server_connection.hpp"
#include "wire/channel_binding.hpp"
#include "wire/frame.hpp"
#include "wire/message.hpp"
#include "wire/password.hpp"
#include "wire/startup.hpp"

namespace howdah::server {
namespace {

// What a server may send in one message before we are logged in.
constexpr std::uint32_t kLoginMessageMax = 65536;

// One login under way: a stream, its event and the deadline for all of it.
class Login {
  public:
    Login(net::Loop& loop, const Target& target)
        : loop_(loop), target_(target), event_(loop), deadline_(event_) {}

    net::Task<Result<std::unique_ptr<ServerConnection>>> run();

  private:
    struct Message {
        char type = 0;
        std::vector<std::uint8_t> body;
    };

    net::Task<Result<>> connect();
    net::Task<Result<>> negotiate_tls();
    net::Task<Result<>> authenticate();
    net::Task<Result<>> wait_until_ready();
    net::Task<Result<>> run_connect_query();
    net::Task<Result<>> ask_question();
    net::Task<Result<Message>> receive();
    net::Task<Result<>> wait_for(std::size_t bytes);
    Result<> answer_md5(wire::Reader& reader);
    Result<> answer_plain();
    net::Task<Result<>> sasl(std::vector<std::uint8_t> mechanisms);
    Result<wire::ScramClient> scram_client() const;
    std::unexpected<Error> no_credentials(std::string_view method) const;
    std::unexpected<Error> unknown_method(std::uint32_t code) const;
    std::unexpected<Error> server_error(const Message& message) const;
    std::unexpected<Error> protocol_error(std::string what) const;
    void send(const wire::Encoder& message) { stream().write(message.view()); }
    net::Stream& stream() { return *connection_->stream; }

    net::Loop& loop_;
    const Target& target_;
    net::Event event_;
    net::Deadline deadline_;
    net::TimePoint deadline_at_{};
    std::unique_ptr<ServerConnection> connection_ = std::make_unique<ServerConnection>();
};

std::unexpected<Error> Login::protocol_error(std::string what) const {
    return fail(Error(ErrorCode::kProtocol, "08P01",
                      fmt::format("server {}: {}", target_.address.to_string(), what)));
}

std::unexpected<Error> Login::server_error(const Message& message) const {
    const wire::ErrorFields fields = wire::read_error(message.body);
    return fail(Error(ErrorCode::kServer, std::string(fields.sqlstate), std::string(fields.message),
                      std::string(fields.hint)));
}

net::Task<Result<>> Login::wait_for(std::size_t bytes) {
    while (stream().buffered() < bytes) {
        if (stream().ended()) {
            co_return fail(Error(ErrorCode::kUnavailable, "08006",
                                 fmt::format("server {} closed the connection during login",
                                             target_.address.to_string())));
        }
        if (deadline_.expired()) {
            co_return fail(
                Error(ErrorCode::kTimeout, "08006",
                      fmt::format("login at server {} timed out", target_.address.to_string())));
        }
        co_await event_.wait();
    }
    co_return Result<>();
}

net::Task<Result<Login::Message>> Login::receive() {
    CO_TRY_VOID(co_await wait_for(wire::kHeaderBytes));
    wire::Frame frame;
    if (!wire::read_frame(stream().peek(wire::kHeaderBytes), frame) ||
        frame.body_bytes > kLoginMessageMax) {
        co_return protocol_error("invalid message during login");
    }
    CO_TRY_VOID(co_await wait_for(frame.total_bytes()));
    const std::uint8_t* bytes = stream().peek(frame.total_bytes());
    Message message{frame.type, {bytes + wire::kHeaderBytes, bytes + frame.total_bytes()}};
    stream().drop(frame.total_bytes());
    co_return message;
}

net::Task<Result<>> Login::connect() {
    const net::TimePoint connect_deadline =
        target_.connect_timeout.count() > 0
            ? std::min(deadline_at_, loop_.now() + target_.connect_timeout)
            : deadline_at_;
    auto stream = co_await loop_.connect(target_.address, connect_deadline);
    for (std::size_t i = 0; !stream && i < target_.more_addresses.size(); ++i) {
        connection_->address = target_.more_addresses[i];
        stream = co_await loop_.connect(connection_->address, connect_deadline);
    }
    if (!stream) {
        co_return std::unexpected(std::move(stream).error());
    }
    connection_->stream = std::move(*stream);
    connection_->stream->set_listener(&event_);
    co_return co_await negotiate_tls();
}

net::Task<Result<>> Login::negotiate_tls() {
    if (target_.tls_mode == TlsMode::kDisable || target_.tls_mode == TlsMode::kAllow ||
        target_.address.is_unix() || target_.tls == nullptr) {
        co_return Result<>();
    }
    wire::Encoder request;
    send(request.ssl_request());
    CO_TRY_VOID(co_await wait_for(1));
    const char answer = static_cast<char>(*stream().peek(1));
    stream().drop(1);
    if (answer == 'N') {
        if (target_.tls_mode == TlsMode::kPrefer) {
            co_return Result<>();
        }
        co_return fail(Error(ErrorCode::kRefused, "08006",
                             fmt::format("server {} does not support TLS, which is required",
                                         target_.address.to_string()),
                             "Set ssl = on at the server, or server_tls_sslmode = prefer."));
    }
    if (answer != 'S') {
        co_return protocol_error("unexpected answer to SSLRequest");
    }
    // Plaintext behind the answer could only come from somebody in the middle (CVE-2021-23222).
    if (stream().buffered() > 0) {
        co_return protocol_error("received unencrypted data after the answer to SSLRequest");
    }
    co_return co_await stream().start_tls(net::TlsRole::kClient, target_.tls, target_.host,
                                          deadline_at_);
}

Result<> Login::answer_plain() {
    const auto* password = std::get_if<wire::Secret>(&target_.credentials);
    if (password == nullptr) {
        return no_credentials("a password");
    }
    wire::Encoder answer;
    send(answer.password(password->reveal()));
    return {};
}

Result<> Login::answer_md5(wire::Reader& reader) {
    const std::string_view salt_text = reader.bytes(4);
    const auto* password = std::get_if<wire::Secret>(&target_.credentials);
    if (!reader.ok()) {
        return protocol_error("short md5 salt");
    }
    if (password == nullptr) {
        return no_credentials("an md5 password");
    }
    wire::Md5Salt salt{};
    std::copy(salt_text.begin(), salt_text.end(), salt.begin());
    TRY(const wire::Secret response, wire::md5_response(password->reveal(), target_.user, salt));
    wire::Encoder answer;
    send(answer.password(response.reveal()));
    return {};
}

Result<wire::ScramClient> Login::scram_client() const {
    wire::ScramClientOptions options;
    TRY(options.nonce, wire::scram_nonce());
    options.channel_binding = target_.channel_binding;
    if (const net::TlsSession* tls = connection_->stream->tls(); tls != nullptr) {
        if (auto hash = wire::tls_server_end_point(tls->server_certificate())) {
            options.channel_binding_data = std::move(*hash);
        }
    }
    if (const auto* keys = std::get_if<wire::ScramKeys>(&target_.credentials)) {
        return wire::ScramClient(*keys, std::move(options));
    }
    if (const auto* password = std::get_if<wire::Secret>(&target_.credentials)) {
        if (wire::classify_password(password->reveal()) != wire::PasswordKind::kPlain) {
            return fail(Error(ErrorCode::kRefused, "28P01",
                              "server login failed: wrong password type",
                              "The server asks for SCRAM, and an md5 hash cannot answer it."));
        }
        options.known_keys = target_.known_keys;
        return wire::ScramClient(*password, std::move(options));
    }
    return no_credentials("SCRAM authentication");
}

std::unexpected<Error> Login::no_credentials(std::string_view method) const {
    return fail(Error(ErrorCode::kRefused, "28P01",
                      target_.no_credentials.empty()
                          ? fmt::format("server asks for {}, and no password is known for user "
                                        "\"{}\"",
                                        method, target_.user)
                          : target_.no_credentials,
                      "Put the user's password into the auth_file or the database's entry."));
}

// Nothing that passes: who waits is told, as of a wrong password.
std::unexpected<Error> Login::unknown_method(std::uint32_t code) const {
    const std::string method = code == 2   ? "Kerberos V5"
                               : code == 7 ? "GSSAPI"
                               : code == 9 ? "SSPI"
                                           : fmt::format("number {}", code);
    return fail(Error(ErrorCode::kRefused, "28000",
                      fmt::format("server {} asks for an authentication method that is not "
                                  "supported: {}",
                                  target_.address.to_string(), method),
                      "Let howdah's address in by scram-sha-256 in the server's pg_hba.conf."));
}

net::Task<Result<>> Login::sasl(std::vector<std::uint8_t> mechanisms) {
    std::vector<std::string_view> names;
    wire::Reader reader(mechanisms);
    reader.u32();
    while (reader.left() > 0) {
        const std::string_view name = reader.text();
        if (name.empty()) {
            break;
        }
        names.push_back(name);
    }
    CO_TRY(wire::ScramClient client, scram_client());
    CO_TRY(const std::string_view mechanism, client.choose(names));
    wire::Encoder initial;
    send(initial.sasl_initial(mechanism, client.first()));
    while (true) {
        auto message = co_await receive();
        if (!message) {
            co_return std::unexpected(std::move(message).error());
        }
        if (message->type == 'E') {
            co_return server_error(*message);
        }
        wire::Reader body(message->body);
        const std::uint32_t code = body.u32();
        if (message->type != 'R' || !body.ok()) {
            co_return protocol_error("unexpected message during SASL authentication");
        }
        if (code == 11) {
            CO_TRY(const std::string response, client.final(body.rest()));
            wire::Encoder answer;
            send(answer.sasl_response(response));
        } else if (code == 12) {
            CO_TRY_VOID(client.verify(body.rest()));
            if (std::holds_alternative<wire::Secret>(target_.credentials)) {
                connection_->made_keys = client.keys();
            }
            co_return Result<>();
        } else {
            co_return protocol_error("unexpected authentication request during SASL");
        }
    }
}

net::Task<Result<>> Login::authenticate() {
    std::vector<std::pair<std::string, std::string>> parameters = {{"user", target_.user},
                                                                   {"database", target_.database}};
    parameters.insert(parameters.end(), target_.startup.begin(), target_.startup.end());
    wire::Encoder startup;
    send(startup.startup(0x30000 | target_.protocol_minor, parameters));
    connection_->protocol_minor = target_.protocol_minor;
    while (true) {
        auto message = co_await receive();
        if (!message) {
            co_return std::unexpected(std::move(message).error());
        }
        if (message->type == 'E') {
            co_return server_error(*message);
        }
        wire::Reader reader(message->body);
        if (message->type == 'v') {
            connection_->protocol_minor = reader.u32() & 0xffff;
            continue;
        }
        if (message->type == 'N') {
            continue;
        }
        const std::uint32_t code = reader.u32();
        if (message->type != 'R' || !reader.ok()) {
            co_return protocol_error("expected an authentication request");
        }
        switch (code) {
            case 0:
                co_return Result<>();
            case 3:
                CO_TRY_VOID(answer_plain());
                break;
            case 5:
                CO_TRY_VOID(answer_md5(reader));
                break;
            case 10:
                CO_TRY_VOID(co_await sasl(std::move(message->body)));
                break;
            default:
                co_return unknown_method(code);
        }
    }
}

net::Task<Result<>> Login::wait_until_ready() {
    while (true) {
        auto message = co_await receive();
        if (!message) {
            co_return std::unexpected(std::move(message).error());
        }
        wire::Reader reader(message->body);
        switch (message->type) {
            case 'E':
                co_return server_error(*message);
            case 'K':
                connection_->pid = reader.u32();
                connection_->cancel_key = reader.rest();
                break;
            case 'S': {
                const std::string_view name = reader.text();
                const std::string_view value = reader.text();
                if (reader.ok()) {
                    connection_->note_parameter(name, value);
                }
                break;
            }
            case 'Z':
                connection_->status = static_cast<char>(reader.u8());
                co_return Result<>();
            default:
                break;
        }
    }
}

net::Task<Result<>> Login::run_connect_query() {
    if (target_.connect_query.empty()) {
        co_return Result<>();
    }
    wire::Encoder query;
    send(query.query(target_.connect_query));
    co_return co_await wait_until_ready();
}

net::Task<Result<>> Login::ask_question() {
    if (target_.question.empty()) {
        co_return Result<>();
    }
    connection_->answer = std::make_unique<Answer>();
    wire::Encoder query;
    send(query.query(target_.question));
    while (true) {
        CO_TRY(auto message, co_await receive());
        switch (message.type) {
            case 'D':
                connection_->answer->rows.emplace_back(message.body.begin(), message.body.end());
                break;
            case 'E':
                connection_->answer->error = server_error(message).error().message;
                break;
            case 'Z':
                co_return Result<>();
            default:
                break;
        }
    }
}

net::Task<Result<std::unique_ptr<ServerConnection>>> Login::run() {
    deadline_at_ = target_.login_timeout.count() > 0 ? loop_.now() + target_.login_timeout
                                                     : net::TimePoint::max();
    if (deadline_at_ != net::TimePoint::max()) {
        deadline_.arm(deadline_at_);
    }
    connection_->address = target_.address;
    connection_->host = target_.host;
    connection_->connect_query = target_.connect_query;
    CO_TRY_VOID(co_await connect());
    CO_TRY_VOID(co_await authenticate());
    CO_TRY_VOID(co_await wait_until_ready());
    CO_TRY_VOID(co_await run_connect_query());
    CO_TRY_VOID(co_await ask_question());
    stream().set_listener(nullptr);
    connection_->connected_at = loop_.now();
    connection_->connected_wall_us = loop_.wall_us();
    co_return std::move(connection_);
}

}  // namespace

net::Task<Result<std::unique_ptr<ServerConnection>>> log_in(net::Loop& loop, const Target& target) {
    auto connection = co_await Login(loop, target).run();
    if (connection || target.tls == nullptr || target.address.is_unix()) {
        co_return connection;
    }
    // allow: in clear first, with TLS only where the server insists on it; prefer: the other way
    // round. As libpq does.
    const bool refused = connection.error().sqlstate == "28000";
    if (target.tls_mode == TlsMode::kAllow && refused) {
        Target with_tls = target;
        with_tls.tls_mode = TlsMode::kRequire;
        co_return co_await Login(loop, with_tls).run();
    }
    const bool no_handshake = connection.error().code == ErrorCode::kProtocol &&
                              connection.error().message.starts_with("TLS ");
    if (target.tls_mode == TlsMode::kPrefer && (refused || no_handshake)) {
        Target in_clear = target;
        in_clear.tls_mode = TlsMode::kDisable;
        auto second = co_await Login(loop, in_clear).run();
        if (second || second.error().sqlstate != "28000") {
            co_return second;
        }
    }
    co_return connection;
}

net::Task<Result<>> send_cancel(net::Loop& loop, CancelTarget target, net::TimePoint deadline_at) {
    auto connected = co_await loop.connect(target.address, deadline_at);
    if (!connected) {
        co_return std::unexpected(std::move(connected).error());
    }
    net::Stream& stream = **connected;
    net::Event event(loop);
    net::Deadline deadline(event);
    deadline.arm(deadline_at);
    stream.set_listener(&event);
    if (target.tls != nullptr && !target.address.is_unix() && target.tls_mode >= TlsMode::kPrefer) {
        wire::Encoder request;
        stream.write(request.ssl_request().view());
        while (stream.buffered() == 0 && !stream.ended() && !deadline.expired()) {
            co_await event.wait();
        }
        const bool accepted = stream.buffered() == 1 && *stream.peek(1) == 'S';
        if (stream.buffered() > 0) {
            stream.drop(stream.buffered());
        }
        if (accepted) {
            CO_TRY_VOID(co_await stream.start_tls(net::TlsRole::kClient, target.tls, target.host,
                                                  deadline_at));
        } else if (target.tls_mode > TlsMode::kPrefer) {
            // The key in the request is a secret: whoever reads it can cancel at will.
            co_return fail(ErrorCode::kRefused,
                           "the server did not take TLS for a cancel request, which is required");
        }
    }
    wire::Encoder cancel;
    stream.write(cancel.cancel_request(target.pid, target.key).view());
    while (!stream.ended()) {
        if (deadline.expired()) {
            co_return fail(ErrorCode::kTimeout, "cancel request timed out");
        }
        co_await event.wait();
    }
    co_return Result<>();
}

}  // namespace howdah::server
