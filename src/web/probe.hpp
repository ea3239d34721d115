// Probe: whether a PostgreSQL server answers at an address: connects, asks for TLS, reads the one
// byte of answer, and leaves. No login: the server logs nothing and no password is needed.
// Answers are kept for a few seconds, so that nobody can use it to hammer servers.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "config/settings.hpp"

namespace howdah::web {

class Probe {
  public:
    static constexpr std::chrono::seconds kDeadline{2};
    static constexpr std::chrono::seconds kKeepGood{5};
    static constexpr std::chrono::seconds kKeepBad{1};

    // Where unix sockets are whose folder is not given.
    explicit Probe(std::string socket_folder) : socket_folder_(std::move(socket_folder)) {}

    // True as soon as one of these answered, false when none did within kDeadline each.
    boost::asio::awaitable<bool> any_answers(std::vector<config::ServerAddress> addresses);

  private:
    struct Known {
        bool answers = false;
        std::chrono::steady_clock::time_point at;
    };
    boost::asio::awaitable<bool> answers(const config::ServerAddress& address);

    std::string socket_folder_;
    std::map<std::string, Known> known_;
};

}  // namespace howdah::web
