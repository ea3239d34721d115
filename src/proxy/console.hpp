// Console: a session of the database `howdah` (or `pgbouncer`): commands in simple queries instead
// of SQL. Runs inside the session's coroutine, on its loop; what it shows and does concerns all
// loops (gather.hpp).
//
//     who                                        may
//     admin_users; user pgbouncer over a unix    everything
//       socket from our own uid
//     stats_users; with auth_type any: anybody   SHOW, except FDS
//
// 1. Columns, types, tags and error texts of SHOW and the commands are PgBouncer 1.25's; ours stand
//    after them.
// 2. A command that waits (PAUSE, WAIT_CLOSE, SUSPEND) ends early when the client leaves or
// cancels.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "net/task.hpp"
#include "proxy/console_command.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

class Console {
  public:
    explicit Console(Session& session) : session_(session), worker_(session.worker_) {}

    net::Task<void> run();

    // For the commands.
    Worker& worker() { return worker_; }
    Session& session() { return session_; }
    bool is_admin() const { return session_.console_admin_; }
    bool is_owner() const { return session_.console_owner(); }
    // SUSPEND was given here: RESUME follows when this session ends.
    void suspends() { suspended_ = true; }
    // Waits until `done` says so on every worker. False when the client left or cancelled first.
    net::Task<bool> wait_until(std::function<bool(Worker&)> done);
    // "invalid command '...', use SHOW HELP;", with what the client typed.
    Error invalid_command() const;

  private:
    net::Task<bool> take_frame();
    net::Task<void> end_suspension();
    net::Task<void> take_query(std::string text);
    net::Task<void> show(const ConsoleCommand& command);
    net::Task<void> execute(const ConsoleCommand& command);
    void refuse_extended(char type);
    void send_error(const Error& error);
    bool gone() const;

    Session& session_;
    Worker& worker_;
    std::string text_;  // of the command under way
    bool suspended_ = false;
};

}  // namespace howdah::proxy
