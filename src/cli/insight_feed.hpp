// InsightFeed: ties live insight to the running proxy: events and taps go up to it, texts and tags
// are asked for, its answers go to the console, slow statements to the log.
//
// 1. Everything but rows() runs on the pump's thread.
// 2. Loops answer into a mailbox: none of them ever waits for the engine's lock.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/query_event.hpp"
#include "base/tap.hpp"
#include "insight/live/engine.hpp"
#include "proxy/proxy.hpp"

namespace howdah::cli {

class PlanReader;
class SlowLog;

class InsightFeed {
  public:
    explicit InsightFeed(proxy::Proxy& proxy);
    ~InsightFeed();

    void observe(std::span<const QueryEvent> events);
    // Several times a second.
    void tick();
    // After the pump has ended: the console gets nothing from here any more.
    void stop();
    const insight::live::Engine& engine() const { return engine_; }

  private:
    using Clock = std::chrono::steady_clock;
    // What the loops have answered, to be taken by the pump's thread.
    struct Mailbox {
        std::mutex mutex;
        std::vector<std::pair<std::uint64_t, sql::StatementRef>> statements;
        std::vector<std::pair<std::uint64_t, std::vector<sql::Tag>>> tags;
        std::vector<insight::live::OpenTransaction> transactions;
        std::vector<std::pair<std::uint64_t, insight::live::PlanEvidence>> plans;
        using Relations = std::pair<insight::live::StatementQuestion, insight::live::ReadRelations>;
        std::vector<Relations> relations;
        // The console's: which table, and who takes it.
        using Question = std::pair<std::string, std::function<void(proxy::Table)>>;
        std::vector<Question> questions;
        bool closed = false;
    };
    void set_explain();
    void take_taps();
    void read_mail();
    void ask_statements(std::vector<std::uint64_t> keys);
    void ask_tags(std::vector<std::uint64_t> ids);
    void ask_transactions();
    void ask_plans();
    void log_slow();
    insight::live::Options options() const;

    proxy::Proxy& proxy_;
    config::ConfigPtr config_;
    insight::live::Engine engine_;
    std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
    std::vector<std::uint64_t> words_ = std::vector<std::uint64_t>(TapRecord::kWordsMax);
    Clock::time_point next_ask_{};
    Clock::time_point next_look_{};
    std::unique_ptr<SlowLog> slow_log_;
    std::unique_ptr<PlanReader> plan_reader_;
};

}  // namespace howdah::cli
