// Taking over from a running process (-R): its listening sockets come over the unix socket, with
// SHOW FDS on its console; it is told to end when its clients have left. No client is dropped, and
// none is refused meanwhile: connections wait in the sockets' queue.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/settings.hpp"

namespace howdah::cli {

// Whether somebody serves this unix socket now.
[[nodiscard]] bool unix_socket_in_use(const config::Settings& settings);

// The other process's listening sockets; it still listens, too. Blocks.
class Takeover {
  public:
    // Nothing to take over.
    Takeover() = default;
    // Errors say which step failed. Nobody there: an empty list of sockets.
    [[nodiscard]] static Result<Takeover> begin(const config::Settings& settings);
    Takeover(Takeover&& other) noexcept;
    Takeover& operator=(Takeover&&) = delete;
    ~Takeover();

    const std::vector<int>& sockets() const { return sockets_; }
    // We are up: the other stops listening and ends when its clients have left.
    [[nodiscard]] Result<> finish();

  private:
    Result<> command(std::string_view sql);
    Result<> read_until_ready();

    int fd_ = -1;
    std::string input_;
    std::vector<int> sockets_;
};

}  // namespace howdah::cli
