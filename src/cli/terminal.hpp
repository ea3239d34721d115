// What the commands share with a person: lines on standard error, a progress line and colours where
// that is a terminal, Ctrl-C.
#pragma once

#include <atomic>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

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

// A terminal that may be painted: NO_COLOR is not set (no-color.org), TERM is not "dumb".
[[nodiscard]] bool colours_on(std::FILE* stream);

}  // namespace howdah::cli
