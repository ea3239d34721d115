// SlowLog: a line for each slow statement: where its time went, who sent it, its text without
// values, and its plan when there is a connection to ask on. A thread of its own, for EXPLAIN
// waits.
//
// 1. The text is the normalized one, and the plan's conditions are redacted
// (insight/live/plan.hpp).
// 2. A shape is explained (cli/explain.hpp) once in kAgainAfter.
// 3. Bounded: kWaitingMax statements wait; kLinesASecond lines are written, the rest are counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "insight/live/engine.hpp"

namespace howdah::cli {

struct SlowLine {
    insight::live::SlowQuery query;
    std::string database, user, application, client, tags;
    std::string server_database;  // `database` as the server names it
};

class SlowLog {
  public:
    static constexpr std::size_t kWaitingMax = 256;
    static constexpr std::size_t kLinesASecond = 20;
    static constexpr std::chrono::minutes kAgainAfter{10};
    static constexpr std::size_t kExplainedMax = 5000;

    SlowLog();
    ~SlowLog();
    SlowLog(const SlowLog&) = delete;
    SlowLog& operator=(const SlowLog&) = delete;

    // Empty: no plans.
    void set_explain(const std::string& conninfo);
    void add(SlowLine line);

  private:
    void run();
    void write(const SlowLine& line);
    std::string plan_of(const SlowLine& line);
    bool may_write();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<SlowLine> waiting_;
    std::string conninfo_;
    bool stopping_ = false;
    // The thread's own.
    std::map<std::uint64_t, std::chrono::steady_clock::time_point> explained_;
    std::chrono::steady_clock::time_point second_began_{};
    std::size_t lines_ = 0;
    std::size_t unwritten_ = 0;
    std::thread thread_;
};

}  // namespace howdah::cli
