// Clients on their way to another process (-R). ClientState is all that a session knows of its
// client while it holds no server; it travels as bytes beside the client's descriptor, over the
// unix socket of the console, to a process of our own uid.
//
// 1. Only a client without TLS, without a server and without anything unanswered travels.
// 2. The bytes hold what the client proved itself with: whoever has them wipes them.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "server/server_connection.hpp"

namespace howdah::proxy {

using ParameterList = std::vector<std::pair<std::string, std::string>>;

struct ClientState {
    struct Statement {
        std::string name;
        std::string body;  // as Prepared::body
        bool from_sql = false;
        // What the client was told of it, as Description has it.
        std::string told_parameters;
        std::uint64_t told_columns = 0;
    };

    std::string user;
    std::string database;
    std::string application_name;
    std::string proxied_host;  // where a PROXY header said who the client is
    std::uint16_t proxied_port = 0;
    std::uint32_t protocol_minor = 0;
    std::uint32_t cancel_pid = 0;
    std::string cancel_key;
    std::uint64_t connected_wall_us = 0;
    ParameterList base_vars;
    ParameterList vars;
    ParameterList view;
    std::vector<Statement> statements;      // of the extended protocol
    std::vector<Statement> sql_statements;  // of PREPARE
    std::optional<std::string> unnamed;     // body
    std::string input;                      // received and not looked at yet
    server::Credentials credentials;        // for logging in to the server in its name
};

std::string encode_client(const ClientState& state);
Result<ClientState> decode_client(std::string_view bytes);

// The clients that wait to be sent. Any thread.
class HandoverQueue {
  public:
    struct Client {
        int fd = -1;
        std::string state;
    };
    void put(Client client);
    std::optional<Client> take();

  private:
    std::mutex mutex_;
    std::deque<Client> clients_;
};

}  // namespace howdah::proxy
