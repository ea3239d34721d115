// What the migrate and deploy commands share with a person: lines on standard error, a progress
// line where that is a terminal, Ctrl-C, exit statuses.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.hpp"
#include "migrate/runner/narrator.hpp"

namespace howdah::cli {

class Terminal final : public migrate::runner::Narrator {
  public:
    explicit Terminal(bool quiet);
    void say(std::string_view line) override;
    void progress(std::string_view line) override;

  private:
    std::mutex mutex_;
    bool quiet_;
    bool terminal_;
    bool shown_ = false;
};

// Turns SIGINT and SIGTERM into Interrupt::request() while it lives. Make it before other threads.
class SignalWatch {
  public:
    explicit SignalWatch(migrate::runner::Interrupt& interrupt);
    ~SignalWatch();
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;

  private:
    std::atomic<bool> ending_ = false;
    std::thread thread_;
};

// Prints the error with its hint; returns 2 for wrong input, 3 where nothing could be run, 1 else.
int report_error(std::string_view command, const Error& error);

// "", or what the environment names where no PG* variable does: DATABASE_URL.
std::string database_from_environment();

}  // namespace howdah::cli
