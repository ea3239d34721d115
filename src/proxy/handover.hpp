// Clients on their way to another process (-R). ClientState is all that a session knows of its
// client between two transactions, and of the server that it holds, if it holds one; it travels as
// bytes beside the descriptors of both, over the unix socket of the console, to a process of our
// own uid.
//
// 1. Only a client without anything unanswered travels, without TLS on either side, and with a
//    server only between transactions.
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

// Processes of different formats do not take clients from each other.
inline constexpr std::uint32_t kHandoverFormat = 3;

// A server that is the client's own: session mode, a pin. No statement on it has a name of ours.
struct ServerState {
    std::string host;  // as configured
    std::string address;
    std::uint16_t port = 0;  // 0: the address is a unix socket's path
    std::string connect_query;
    std::uint32_t pid = 0;
    std::string cancel_key;
    std::uint32_t protocol_minor = 0;
    std::uint64_t connected_us_ago = 0;
    ParameterList reported;
    ParameterList applied;
    bool has_unnamed = false;  // the client's unnamed statement is on it
    bool renames = false;      // the client's statements have names of ours on servers
    bool session_mode = false;
    bool doomed = false;
    bool own_sequences = false;  // the client's nextval() ran there
    std::uint32_t pins = 0;
    std::uint32_t probed_effects = 0;
    std::string input;  // received and not looked at yet
};

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
    std::optional<ServerState> server;
};

std::string encode_client(const ClientState& state);
Result<ClientState> decode_client(std::string_view bytes);

// The clients that wait to be sent. Any thread.
class HandoverQueue {
  public:
    struct Client {
        int fd = -1;
        std::string state;
        int server_fd = -1;  // -1: it holds none
    };
    void put(Client client);
    std::optional<Client> take();

  private:
    std::mutex mutex_;
    std::deque<Client> clients_;
};

}  // namespace howdah::proxy
