#include "proxy/handover.hpp"

#include <strings.h>

#include "wire/message.hpp"

namespace howdah::proxy {
namespace {

// Numbers and strings with their length, one after the other.
class Writer {
  public:
    Writer& number(std::uint64_t value) {
        bytes_.i32(static_cast<std::int64_t>(value >> 32));
        bytes_.i32(static_cast<std::int64_t>(value & 0xffffffffU));
        return *this;
    }
    Writer& text(std::string_view value) {
        bytes_.i32(static_cast<std::int64_t>(value.size()));
        bytes_.bytes(value);
        return *this;
    }
    Writer& list(const ParameterList& values) {
        number(values.size());
        for (const auto& [name, value] : values) {
            text(name).text(value);
        }
        return *this;
    }
    Writer& list(const std::vector<ClientState::Statement>& statements) {
        number(statements.size());
        for (const ClientState::Statement& statement : statements) {
            text(statement.name).text(statement.body).number(statement.from_sql ? 1 : 0);
            text(statement.told_parameters).number(statement.told_columns);
        }
        return *this;
    }
    std::string take() { return bytes_.take(); }

  private:
    wire::Encoder bytes_;
};

class Parser {
  public:
    explicit Parser(std::string_view bytes)
        : reader_({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}) {}
    std::uint64_t number() {
        const std::uint64_t high = reader_.u32();
        return high << 32 | reader_.u32();
    }
    template <typename T>
    void number(T& into) {
        into = static_cast<T>(number());
    }
    void text(std::string& into) {
        const std::uint32_t size = reader_.u32();
        into = size <= reader_.left() ? reader_.bytes(size) : fail_text();
    }
    void list(ParameterList& into) {
        for (std::uint64_t left = number(); left > 0 && ok(); --left) {
            auto& [name, value] = into.emplace_back();
            text(name);
            text(value);
        }
    }
    void list(std::vector<ClientState::Statement>& into) {
        for (std::uint64_t left = number(); left > 0 && ok(); --left) {
            ClientState::Statement& statement = into.emplace_back();
            text(statement.name);
            text(statement.body);
            statement.from_sql = number() == 1;
            text(statement.told_parameters);
            number(statement.told_columns);
        }
    }
    bool ok() const { return ok_ && reader_.ok(); }
    bool at_end() const { return reader_.left() == 0; }

  private:
    std::string_view fail_text() {
        ok_ = false;
        return {};
    }
    wire::Reader reader_;
    bool ok_ = true;
};

void write_credentials(const server::Credentials& credentials, Writer& into) {
    into.number(credentials.index());
    if (const auto* password = std::get_if<wire::Secret>(&credentials)) {
        into.text(password->reveal());
    } else if (const auto* keys = std::get_if<wire::ScramKeys>(&credentials)) {
        into.number(static_cast<std::uint64_t>(keys->iterations)).text(keys->salt);
        into.text(keys->client_key.reveal()).text(keys->server_key.reveal());
    }
}

server::Credentials read_credentials(Parser& from) {
    const std::uint64_t kind = from.number();
    const auto secret = [&from] {
        std::string text;
        from.text(text);
        wire::Secret taken{std::string_view(text)};
        explicit_bzero(text.data(), text.size());
        return taken;
    };
    if (kind == 1) {
        return secret();
    }
    if (kind == 2) {
        wire::ScramKeys keys;
        from.number(keys.iterations);
        from.text(keys.salt);
        keys.client_key = secret();
        keys.server_key = secret();
        return keys;
    }
    return std::monostate();
}

void write_server(const std::optional<ServerState>& server, Writer& into) {
    into.number(server ? 1 : 0);
    if (!server) {
        return;
    }
    into.text(server->host).text(server->address).number(server->port).text(server->connect_query);
    into.number(server->pid).text(server->cancel_key).number(server->protocol_minor);
    into.number(server->connected_us_ago).list(server->reported).list(server->applied);
    into.number(server->has_unnamed ? 1 : 0).number(server->renames ? 1 : 0);
    into.number(server->session_mode ? 1 : 0).number(server->doomed ? 1 : 0);
    into.number(server->own_sequences ? 1 : 0);
    into.number(server->pins).number(server->probed_effects).text(server->input);
}

void read_server(Parser& from, std::optional<ServerState>& into) {
    if (from.number() != 1) {
        return;
    }
    ServerState& server = into.emplace();
    from.text(server.host);
    from.text(server.address);
    from.number(server.port);
    from.text(server.connect_query);
    from.number(server.pid);
    from.text(server.cancel_key);
    from.number(server.protocol_minor);
    from.number(server.connected_us_ago);
    from.list(server.reported);
    from.list(server.applied);
    server.has_unnamed = from.number() == 1;
    server.renames = from.number() == 1;
    server.session_mode = from.number() == 1;
    server.doomed = from.number() == 1;
    server.own_sequences = from.number() == 1;
    from.number(server.pins);
    from.number(server.probed_effects);
    from.text(server.input);
}

}  // namespace

std::string encode_client(const ClientState& state) {
    Writer bytes;
    bytes.number(kHandoverFormat)
        .text(state.user)
        .text(state.database)
        .text(state.application_name);
    bytes.text(state.proxied_host).number(state.proxied_port).number(state.protocol_minor);
    bytes.number(state.cancel_pid).text(state.cancel_key).number(state.connected_wall_us);
    bytes.list(state.base_vars).list(state.vars).list(state.view);
    bytes.list(state.statements).list(state.sql_statements);
    bytes.number(state.unnamed ? 1 : 0).text(state.unnamed.value_or(""));
    bytes.text(state.input);
    write_credentials(state.credentials, bytes);
    write_server(state.server, bytes);
    return bytes.take();
}

Result<ClientState> decode_client(std::string_view bytes) {
    ClientState state;
    Parser from(bytes);
    if (from.number() != kHandoverFormat) {
        return fail(ErrorCode::kInvalidInput, "a client of another version's process");
    }
    from.text(state.user);
    from.text(state.database);
    from.text(state.application_name);
    from.text(state.proxied_host);
    from.number(state.proxied_port);
    from.number(state.protocol_minor);
    from.number(state.cancel_pid);
    from.text(state.cancel_key);
    from.number(state.connected_wall_us);
    from.list(state.base_vars);
    from.list(state.vars);
    from.list(state.view);
    from.list(state.statements);
    from.list(state.sql_statements);
    const bool unnamed = from.number() == 1;
    std::string body;
    from.text(body);
    if (unnamed) {
        state.unnamed = std::move(body);
    }
    from.text(state.input);
    state.credentials = read_credentials(from);
    read_server(from, state.server);
    if (!from.ok() || !from.at_end()) {
        return fail(ErrorCode::kInvalidInput, "a client's state that ends early");
    }
    return state;
}

void HandoverQueue::put(Client client) {
    const std::scoped_lock lock(mutex_);
    clients_.push_back(std::move(client));
}

std::optional<HandoverQueue::Client> HandoverQueue::take() {
    const std::scoped_lock lock(mutex_);
    if (clients_.empty()) {
        return std::nullopt;
    }
    Client first = std::move(clients_.front());
    clients_.pop_front();
    return first;
}

}  // namespace howdah::proxy
