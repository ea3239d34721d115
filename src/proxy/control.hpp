// Control: what the console and signals have decided for the whole process: which databases are
// paused or disabled, whether everything is, whether it is shutting down. Any thread; behind a lock
// that the query path never takes.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "proxy/console_table.hpp"

namespace howdah::proxy {

enum class PauseMode : std::uint8_t { kNone, kPause, kSuspend };
enum class ShutdownMode : std::uint8_t { kNone, kWaitForServers, kWaitForClients, kImmediate };

struct ListeningSocket {
    int fd = -1;
    std::string address;  // "unix" or numeric
    int port = 0;
};

class Control {
  public:
    PauseMode pause_mode() const;
    void set_pause_mode(PauseMode mode);
    ShutdownMode shutdown_mode() const;
    void set_shutdown_mode(ShutdownMode mode);
    // Whether nothing may be lent of this database's pools.
    bool paused(std::string_view database) const;
    // Whether this very database was paused.
    bool database_paused(std::string_view database) const;
    void set_database_paused(const std::string& database, bool paused);
    std::size_t databases_paused() const;
    bool disabled(std::string_view database) const;
    void set_disabled(const std::string& database, bool disabled);

    // The sockets we listen on, and whether another process has them now as well.
    std::vector<ListeningSocket> listeners() const;
    void set_listeners(std::vector<ListeningSocket> listeners);
    void hand_over();
    bool handed_over() const;

    // Set once by main before the loops run: work that only its thread may do.
    std::function<bool(std::function<void()>)> post_to_main;  // false: it has ended
    // These are called on the main thread only.
    std::function<Result<>()> reload;
    std::function<Result<>(config::ConfigPtr)> apply_config;
    std::function<void(ShutdownMode)> shut_down;
    // The HTTP server's listening sockets, duplicated; and its end as a listener.
    std::function<std::vector<int>()> http_sockets;
    std::function<void()> leave_http;
    // Any thread: a table of live insight ("queries", "findings", each also with "_full"), given to
    // `take` on a thread that is no loop's; always, also at the end (no rows then). Null: there is
    // none.
    std::function<void(std::string_view what, std::function<void(Table)> take)> ask_insight;

  private:
    mutable std::mutex mutex_;
    std::vector<ListeningSocket> listeners_;
    bool handed_over_ = false;
    PauseMode pause_mode_ = PauseMode::kNone;
    ShutdownMode shutdown_mode_ = ShutdownMode::kNone;
    std::set<std::string, std::less<>> paused_;
    std::set<std::string, std::less<>> disabled_;
};

}  // namespace howdah::proxy
