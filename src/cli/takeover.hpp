// Taking over from a running process (-R): its listening sockets come over the unix socket, with
// SHOW FDS on its console, and then its clients with TAKE_CLIENTS, each between two transactions.
// The other process ends when none is left: one with TLS stays there until it leaves. No client is
// dropped, and none is refused meanwhile: connections wait in the sockets' queue.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "config/settings.hpp"
#include "proxy/handover.hpp"
#include "wire/frame.hpp"

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
    // The other's listening HTTP sockets, which only we accept on from now on; none where it has
    // none or cannot give them. Between begin() and finish().
    [[nodiscard]] std::vector<int> take_http();
    // We are up: the other stops listening, and hands its clients to `adopt`, on a thread of its
    // own, until it has none or stop().
    using Adopt = std::function<void(proxy::ClientState, int fd, int server_fd)>;
    [[nodiscard]] Result<> finish(Adopt adopt);
    // No client is adopted any more once this returns; the rest stays where it is.
    void stop();

  private:
    // Called for each row, with the first descriptor that came beside it.
    using OnRow = std::function<Result<>(std::span<const std::uint8_t> row, int fd)>;
    Result<> command(std::string_view sql, const OnRow& on_row = {});
    Result<> read_until_ready(const OnRow& on_row);
    Result<bool> take_frame(wire::Frame frame, const OnRow& on_row);
    Result<> receive();
    Result<int> take_descriptor();
    void take_clients(const Adopt& adopt);

    int fd_ = -1;
    std::string input_;
    std::string refusal_;       // what the other says is wrong with the command under way
    std::deque<int> received_;  // descriptors whose rows have not been read yet
    std::vector<int> sockets_;
    std::thread clients_;
};

}  // namespace howdah::cli
