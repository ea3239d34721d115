// Leaving for the process that takes over (-R), and arriving there.

#include "base/log.hpp"
#include "net/address.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

using Kind = ClientCounts::Kind;

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
    return worker_.handing_over() && !ending_ && lease_ == nullptr && !waiter_.queued &&
           waiter_.granted == nullptr && injected_ == Purpose::kNone && requests_.empty() &&
           client_body_left_ == 0 && !skip_to_sync_ && !replication() &&
           client_->tls() == nullptr && !client_->ended();
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

// True when the client has gone over. False: what was written to it is still being sent, the
// session is told when to ask again.
bool Session::travel() {
    auto detached = client_->detach();
    if (!detached) {
        return false;
    }
    ClientState state = describe();
    state.input = std::move(detached->input);
    log::info(log_fields(), "{} goes to the process that takes over", label());
    worker_.shared().handover().put({std::exchange(detached->fd, -1), encode_client(state)});
    travelled_ = true;
    return true;
}

void Session::arrive(ClientState state) {
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
        const auto found = worker_.statements().lookup(unnamed_->body.c_str(), rules_);
        unnamed_->facts = sql::StatementRef(found.statement);
        unnamed_->text_id = found.text_id;
    }
}

}  // namespace howdah::proxy
