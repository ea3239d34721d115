// ReadAhead: reads and parses files in order on worker threads, at most kAheadMax in front of the
// reader. Inside module migrate.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "migrate/lint/lint.hpp"

namespace howdah::migrate::lint {

class ReadAhead {
  public:
    explicit ReadAhead(const LintInput& input);
    ~ReadAhead();
    ReadAhead(const ReadAhead&) = delete;
    ReadAhead& operator=(const ReadAhead&) = delete;

    // File `index`; called with 0, 1, 2, ...
    Result<Script> take(std::size_t index);

  private:
    void work();
    Result<Script> load(std::size_t index) const;

    const LintInput& input_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::size_t, Result<Script>> ready_;
    std::size_t next_ = 0;   // to load
    std::size_t taken_ = 0;  // handed out so far
    bool stop_ = false;
    std::vector<std::jthread> threads_;
};

}  // namespace howdah::migrate::lint
