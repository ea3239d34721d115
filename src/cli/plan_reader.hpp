// PlanReader: asks the server for plans that decide whether a finding is one. A thread of its own,
// for EXPLAIN waits.
//
// 1. Bounded: kWaitingMax questions wait, the rest go unanswered.
// 2. Without a connection string nothing is asked, and nothing is answered.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "insight/live/engine.hpp"

namespace howdah::cli {

class PlanReader {
  public:
    static constexpr std::size_t kWaitingMax = 64;
    // Called on the reader's thread, and only for what could be asked.
    using Take = std::function<void(std::uint64_t key, insight::live::PlanEvidence)>;

    explicit PlanReader(Take take);
    ~PlanReader();
    PlanReader(const PlanReader&) = delete;
    PlanReader& operator=(const PlanReader&) = delete;

    // slow_query_explain. Empty: no plans.
    void set_explain(const std::string& conninfo);
    [[nodiscard]] bool may_ask() const;
    void ask(std::vector<insight::live::PlanQuestion> questions);

  private:
    void run();
    void answer(const insight::live::PlanQuestion& question, const std::string& conninfo);

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<insight::live::PlanQuestion> waiting_;
    std::string conninfo_;
    bool stopping_ = false;
    const Take take_;
    std::thread thread_;
};

}  // namespace howdah::cli
