#include "cli/slow_log.hpp"

#include <fmt/format.h>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/thread_name.hpp"
#include "cli/explain.hpp"
#include "insight/live/reading.hpp"

namespace howdah::cli {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kTextMax = 2000;
constexpr std::size_t kPlanMax = 4000;

double ms(std::uint32_t us) {
    return us / 1e3;
}

}  // namespace

SlowLog::SlowLog() : thread_([this] { run(); }) {}

SlowLog::~SlowLog() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void SlowLog::set_explain(const std::string& conninfo) {
    const std::scoped_lock lock(mutex_);
    conninfo_ = conninfo;
}

void SlowLog::add(SlowLine line) {
    const std::scoped_lock lock(mutex_);
    if (waiting_.size() >= kWaitingMax) {
        ++unwritten_;
        return;
    }
    waiting_.push_back(std::move(line));
    changed_.notify_one();
}

void SlowLog::run() {
    name_this_thread("howdah-slow-log");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        std::vector<SlowLine> lines;
        lines.swap(waiting_);
        lock.unlock();
        for (const SlowLine& line : lines) {
            if (may_write()) {
                write(line);
            }
        }
        lock.lock();
    }
}

bool SlowLog::may_write() {
    const auto now = steady_now();
    if (now - second_began_ >= 1s) {
        std::size_t unwritten = 0;
        {
            const std::scoped_lock lock(mutex_);
            unwritten = std::exchange(unwritten_, 0);
        }
        if (unwritten > 0) {
            log::warning("slow statements not logged, there were too many: {}", unwritten);
        }
        second_began_ = now;
        lines_ = 0;
    }
    if (++lines_ <= kLinesASecond) {
        return true;
    }
    const std::scoped_lock lock(mutex_);
    ++unwritten_;
    return false;
}

void SlowLog::write(const SlowLine& line) {
    const insight::live::SlowQuery& query = line.query;
    std::string text = fmt::format(
        "slow statement: {:.1f} ms (queue {:.1f}, server {:.1f}, network {:.1f}, cache {:.1f})",
        ms(query.queue_us) + ms(query.server_us) + ms(query.network_us) + ms(query.cache_us),
        ms(query.queue_us), ms(query.server_us), ms(query.network_us), ms(query.cache_us));
    text += fmt::format(" db={} user={} rows={} fingerprint={:016x}", line.database, line.user,
                        query.rows, query.key);
    const auto add = [&](std::string_view name, std::string_view value) {
        if (!value.empty()) {
            text += fmt::format(" {}={}", name, value);
        }
    };
    add("application", line.application);
    add("client", line.client);
    add("tags", line.tags);
    if (query.sqlstate[0] != '\0') {
        add("sqlstate", {query.sqlstate.data(), query.sqlstate.size()});
    }
    if (query.statement) {
        text += ": " + insight::live::short_text(*query.statement, kTextMax);
    }
    log::write(log::Level::kWarning, text, {query.session_id, line.database, line.user});
    const std::string plan = plan_of(line);
    if (!plan.empty()) {
        log::write(log::Level::kInfo,
                   fmt::format("plan of fingerprint={:016x}: {}", query.key, plan),
                   {query.session_id, line.database, line.user});
    }
}

// The generic plan, on one line; "" when there is none to be had.
std::string SlowLog::plan_of(const SlowLine& line) {
    std::string conninfo;
    {
        const std::scoped_lock lock(mutex_);
        conninfo = conninfo_;
    }
    const auto now = steady_now();
    const auto last = explained_.find(line.query.key);
    if (conninfo.empty() || !line.query.may_explain || !line.query.statement ||
        (last != explained_.end() && now - last->second < kAgainAfter)) {
        return "";
    }
    if (explained_.size() >= kExplainedMax) {
        explained_.clear();
    }
    explained_[line.query.key] = now;
    auto explainer = Explainer::connect(conninfo, line.server_database);
    if (!explainer) {
        return fmt::format("none: {}", explainer.error().message);
    }
    auto plan = explainer->plan_of(*line.query.statement);
    if (!plan) {
        return fmt::format("none: {}", plan.error().message);
    }
    return plan->text.substr(0, kPlanMax);
}

}  // namespace howdah::cli
