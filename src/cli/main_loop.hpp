// MainLoop: what the main thread does while loop threads serve: waits for signals, and for work
// that others hand it (RELOAD and SET on the console, for one).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.hpp"

namespace howdah::cli {

class MainLoop {
  public:
    // Blocks the signals for this thread and those it starts; call before any is started.
    static Result<std::unique_ptr<MainLoop>> create();
    ~MainLoop();
    MainLoop(const MainLoop&) = delete;
    MainLoop& operator=(const MainLoop&) = delete;

    // Any thread: `work` runs on the main thread. False once that has ended: it never will.
    bool post(std::function<void()> work);

    // Main thread: the next signal; nothing after `timeout` or when posted work has run.
    std::optional<int> wait(std::chrono::milliseconds timeout);
    // Runs what was posted, refuses what comes after.
    void close();

  private:
    MainLoop() = default;
    void run_posted();

    int signals_ = -1;
    int wakeup_ = -1;
    std::mutex mutex_;
    bool closed_ = false;
    std::vector<std::function<void()>> posted_;
};

}  // namespace howdah::cli
