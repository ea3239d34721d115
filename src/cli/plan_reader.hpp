// PlanReader: asks the server for plans, and for what is behind the names that are read, where
// these decide whether a finding is one. A thread of its own, for EXPLAIN waits.
//
// 1. Bounded: kWaitingMax questions wait, the rest go unanswered.
// 2. Without a connection string nothing is asked, and nothing is answered.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "insight/live/engine.hpp"

namespace howdah::cli {

class PlanReader {
  public:
    static constexpr std::size_t kWaitingMax = 64;
    // Called on the reader's thread, and only for what could be asked.
    using Question = insight::live::StatementQuestion;
    struct Takers {
        std::function<void(const Question&, insight::live::PlanEvidence)> plan;
        std::function<void(const Question&, insight::live::ReadRelations)> relations;
    };

    explicit PlanReader(Takers takers);
    ~PlanReader();
    PlanReader(const PlanReader&) = delete;
    PlanReader& operator=(const PlanReader&) = delete;

    // slow_query_explain. Empty: nothing is asked.
    void set_explain(const std::string& conninfo);
    [[nodiscard]] bool may_ask() const;
    void ask_plans(std::vector<Question> questions);
    void ask_relations(std::vector<Question> questions);

  private:
    enum class About : std::uint8_t { kPlan, kRelations };
    void ask(About about, std::vector<Question> questions);
    void run();
    void answer(About about, const Question& question, const std::string& conninfo);

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::pair<About, Question>> waiting_;
    std::string conninfo_;
    bool stopping_ = false;
    const Takers takers_;
    std::thread thread_;
};

}  // namespace howdah::cli
