// Narrator: where a run tells what it is doing. Implementations are safe from two threads (the run
// and its watch).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "pg/connection.hpp"

namespace howdah::migrate::runner {

class Narrator {
  public:
    virtual ~Narrator() = default;
    // A line that stays.
    virtual void say(std::string_view line) = 0;
    // A line that the next one replaces; shown on a terminal only.
    virtual void progress(std::string_view line) = 0;
};

// Asked to stop (a signal): the running statement is cancelled, nothing new begins.
class Interrupt {
  public:
    // May be called again while a statement runs.
    void request() {
        requested_ = true;
        const std::lock_guard guard(mutex_);
        if (canceller_) {
            canceller_->cancel();
        }
    }
    // What follows an interrupted deploy (its rollback) may run; the next request stops that too.
    void reset() { requested_ = false; }
    bool requested() const { return requested_; }
    void bind(pg::Canceller canceller) {
        const std::lock_guard guard(mutex_);
        canceller_ = std::make_unique<pg::Canceller>(std::move(canceller));
    }

  private:
    std::atomic<bool> requested_ = false;
    std::mutex mutex_;
    std::unique_ptr<pg::Canceller> canceller_;
};

}  // namespace howdah::migrate::runner
