// Leaving for the process that takes over (-R), and arriving there.

#include "base/log.hpp"
#include "net/address.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

using Kind = ClientCounts::Kind;
using config::PoolMode;

std::vector<ClientState::Statement> list_statements(
    const std::unique_ptr<NamedStatements>& statements) {
    std::vector<ClientState::Statement> list;
    if (statements != nullptr) {
        for (const auto& [name, statement] : *statements) {
            const Prepared& prepared = *statement.prepared;
            list.push_back({name, prepared.body, prepared.from_sql,
                            statement.told_parameters ? prepared.told.parameters : "",
                            prepared.told.columns});
        }
    }
    return list;
}

}  // namespace

bool Session::may_travel() const {
    return worker_.handing_over() && !ending_ && waiter_.granted == nullptr &&
           injected_ == Purpose::kNone && requests_.empty() && client_body_left_ == 0 &&
           !skip_to_sync_ && !replication() && client_->tls() == nullptr && !client_->ended() &&
           (lease_ == nullptr || server_may_travel());
}

// It is the client's own; it is between two transactions, and nothing is on its way from or to it.
bool Session::server_may_travel() const {
    const ServerConnection& server = *lease_->connection;
    if (leaves()) {
        return rare_->leaving->fd >= 0 || !server.stream->ended();
    }
    return (mode() == PoolMode::kSession || pins_ != 0) && server.status == 'I' && !query_active_ &&
           !in_copy_ && !copy_both_ && !server_skips_ && server_body_left_ == 0 && effects_ == 0 &&
           transaction_id_ == 0 && server.cancels_in_flight == 0 && !server.release_pending &&
           !server.out_of_step && !lease_->dedicated && server.stream->tls() == nullptr &&
           !server.stream->ended() && server.stream->buffered() == 0;
}

// True once nothing of this loop's is under way on it. What comes from it until then goes along.
bool Session::detach_server() {
    ServerConnection& server = *lease_->connection;
    if (server.prepared.size() > 0) {
        // Names of ours mean something else in the other process, which prepares them anew.
        for (const std::uint64_t id : server.prepared.ids()) {
            rare().leftover_names.push_back(worker_.prepared().name_of(id));
        }
        server.prepared.clear();
        close_leftovers();
        return false;
    }
    if (!leaves()) {
        rare().leaving.emplace();
    }
    if (rare_->leaving->fd < 0) {
        if (auto detached = server.stream->detach()) {
            rare_->leaving = std::move(detached);
        }
    }
    return rare_->leaving->fd >= 0;
}

void Session::stay() {
    if (!leaves()) {
        return;
    }
    net::Detached detached = std::move(*rare_->leaving);
    rare_->leaving.reset();
    ServerConnection& server = *lease_->connection;
    if (detached.fd >= 0) {
        server.stream = net::attach(worker_.loop(), std::move(detached));
        server.stream->set_listener(&wake_);
    }
    server.stream->resume();
    wake_.notify();
}

ServerState Session::describe_server() const {
    const ServerConnection& server = *lease_->connection;
    ServerState state;
    state.host = server.host;
    state.address = server.address.host();
    state.port = server.address.is_unix() ? std::uint16_t{0} : server.address.port();
    state.connect_query = server.connect_query;
    state.pid = server.pid;
    state.cancel_key = server.cancel_key;
    state.protocol_minor = server.protocol_minor;
    state.connected_us_ago =
        static_cast<std::uint64_t>((worker_.loop().now() - server.connected_at).count());
    state.reported = server.reported;
    if (server.applied != nullptr) {
        state.applied = server.applied->values;
    }
    state.has_unnamed = unnamed_ != nullptr && server.unnamed_stamp == unnamed_->stamp;
    state.renames = renames_;
    state.session_mode = mode() == PoolMode::kSession;
    state.doomed = server.doomed;
    state.own_sequences = server.sequences_of == id_;
    state.pins = pins_;
    state.probed_effects = probed_effects_;
    return state;
}

ClientState Session::describe() const {
    ClientState state;
    state.user = user_;
    state.database = database_;
    state.application_name = application_name_;
    if (proxied_) {
        state.proxied_host = client_->peer().address.host();
        state.proxied_port = client_->peer().address.port();
    }
    state.protocol_minor = protocol_minor_;
    state.cancel_pid = cancel_pid_;
    state.cancel_key = cancel_key_;
    state.connected_wall_us = static_cast<std::uint64_t>(connected_wall_us_);
    state.base_vars = base_vars_->values;
    state.vars = vars_->values;
    state.view = client_view_->values;
    state.statements = list_statements(statements_);
    state.sql_statements = list_statements(sql_statements_);
    if (unnamed_ != nullptr) {
        state.unnamed = unnamed_->body;
    }
    state.credentials = pool_->offered();
    return state;
}

// True when the client has gone over. False: something is under way still, the session is told when
// to ask again. Who waits for a server waits there, with what it has asked.
bool Session::travel() {
    if (lease_ != nullptr && !detach_server()) {
        return false;
    }
    auto detached = client_->detach();
    if (!detached) {
        return false;
    }
    if (waiter_.queued) {
        pool_->pool().cancel(waiter_);
    }
    ClientState state = describe();
    state.input = std::move(detached->input);
    HandoverQueue::Client client;
    if (lease_ != nullptr) {
        state.server = describe_server();
        state.server->input = std::move(rare_->leaving->input);
        client.server_fd = std::exchange(rare_->leaving->fd, -1);
        rare_->leaving.reset();
        pool_->pool().part_with(std::exchange(lease_, nullptr));
    }
    log::info(log_fields(), "{} goes to the process that takes over", label());
    client.fd = std::exchange(detached->fd, -1);
    client.state = encode_client(state);
    worker_.shared().handover().put(std::move(client));
    travelled_ = true;
    return true;
}

void Session::arrive(ClientState state, net::Detached server) {
    arrived_ = true;
    user_ = std::move(state.user);
    database_ = std::move(state.database);
    application_name_ = std::move(state.application_name);
    protocol_minor_ = state.protocol_minor;
    cancel_pid_ = state.cancel_pid;
    cancel_key_ = std::move(state.cancel_key);
    connected_wall_us_ = static_cast<std::int64_t>(state.connected_wall_us);
    if (auto address = net::Address::numeric(state.proxied_host, state.proxied_port); address) {
        net::PeerInfo peer = client_->peer();
        peer.address = *address;
        client_->set_peer(std::move(peer));
        proxied_ = true;
    }
    base_vars_ = worker_.parameters().intern(std::move(state.base_vars));
    vars_ = worker_.parameters().intern(std::move(state.vars));
    client_view_ = worker_.parameters().intern_exact(std::move(state.view));
    rules_ = text_rules(*client_view_);
    arrive_statements(state);
    pool_ = worker_.pool_for(database_, user_);
    if (pool_ == nullptr) {
        fatal(Error(ErrorCode::kNotFound, "3D000", "no such database: " + database_));
        return;
    }
    ++pool_->clients;
    const net::Address& address = client_->peer().address;
    client_id_ = worker_.shared().addresses.intern(address.is_unix() ? "unix" : address.host());
    // Limits are for those who come; these are here already.
    worker_.shared().client_counts.enter(Kind::kDatabase, database_, database_slot_);
    worker_.shared().client_counts.enter(Kind::kUser, user_, user_slot_);
    if (!std::holds_alternative<std::monostate>(state.credentials)) {
        pool_->offer_credentials(std::move(state.credentials));
    }
    if (state.server) {
        arrive_with_server(std::move(*state.server), std::move(server));
    }
}

void Session::arrive_with_server(ServerState state, net::Detached detached) {
    auto connection = std::make_unique<ServerConnection>();
    if (state.port == 0) {
        connection->address = net::Address::unix_path(state.address);
    } else if (auto address = net::Address::numeric(state.address, state.port); address) {
        connection->address = *address;
    }
    detached.peer = net::describe_peer(detached.fd);
    detached.peer.address = connection->address;
    detached.input = std::move(state.input);
    connection->stream = net::attach(worker_.loop(), std::move(detached));
    connection->stream->set_listener(&wake_);
    connection->host = std::move(state.host);
    connection->connect_query = std::move(state.connect_query);
    connection->pid = state.pid;
    connection->cancel_key = std::move(state.cancel_key);
    connection->protocol_minor = state.protocol_minor;
    connection->reported = std::move(state.reported);
    connection->applied = worker_.parameters().intern(std::move(state.applied));
    connection->doomed = state.doomed;
    connection->sequences_of = state.own_sequences ? id_ : ServerConnection::kSomebodys;
    const auto age = std::chrono::microseconds(state.connected_us_ago);
    connection->connected_at = worker_.loop().now() - age;
    connection->connected_wall_us = worker_.loop().wall_us() - age.count();
    connection->requested_at = worker_.loop().now();
    connection->requested_wall_us = worker_.loop().wall_us();
    requested_wall_us_ = connection->requested_wall_us;
    if (unnamed_ != nullptr && state.has_unnamed) {
        connection->unnamed_stamp = unnamed_->stamp;
    }
    lease_ = pool_->pool().adopt_lent(std::move(connection), this);
    renames_ = state.renames;
    pins_ = state.pins;
    probed_effects_ = state.probed_effects;
    // What a client of session mode has there was not looked at: it keeps what it was promised.
    keeps_session_mode_ = state.session_mode;
    if ((pins_ & kPinTempObject) != 0) {
        reading_.own = worker_.next_stamp();
    }
}

void Session::arrive_statements(const ClientState& state) {
    for (const ClientState::Statement& from : state.statements) {
        if (statements_ == nullptr) {
            statements_ = std::make_unique<NamedStatements>();
        }
        const auto found = worker_.statements().lookup(from.body.c_str(), rules_);
        KnownText known;
        known.facts = found.statement;
        known.text_id = found.text_id;
        const Description told{from.told_parameters, from.told_columns};
        statements_->emplace(from.name, NamedStatement{worker_.prepared().intern_told(
                                                           from.body, known, reading(), told),
                                                       !told.parameters.empty()});
    }
    for (const ClientState::Statement& from : state.sql_statements) {
        if (sql_statements_ == nullptr) {
            sql_statements_ = std::make_unique<NamedStatements>();
        }
        const auto found = worker_.statements().lookup("PREPARE p" + from.body, rules_);
        sql_statements_->emplace(
            from.name, NamedStatement{worker_.prepared().make_sql(from.body, found.statement)});
    }
    if (state.unnamed) {
        unnamed_ = std::make_unique<Unnamed>();
        unnamed_->body = *state.unnamed;
        unnamed_->stamp = worker_.next_stamp();
        if (!unnamed_->body.empty()) {  // else it was too large to keep
            const auto found = worker_.statements().lookup(unnamed_->body.c_str(), rules_);
            unnamed_->facts = sql::StatementRef(found.statement);
            unnamed_->text_id = found.text_id;
        }
    }
}

}  // namespace howdah::proxy
