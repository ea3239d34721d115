#include "cli/plan_reader.hpp"

#include "cli/explain.hpp"

namespace howdah::cli {

using insight::live::PlanQuestion;

PlanReader::PlanReader(Take take) : take_(std::move(take)), thread_([this] { run(); }) {}

PlanReader::~PlanReader() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void PlanReader::set_explain(const std::string& conninfo) {
    const std::scoped_lock lock(mutex_);
    conninfo_ = conninfo;
}

bool PlanReader::may_ask() const {
    const std::scoped_lock lock(mutex_);
    return !conninfo_.empty();
}

void PlanReader::ask(std::vector<PlanQuestion> questions) {
    const std::scoped_lock lock(mutex_);
    for (PlanQuestion& question : questions) {
        if (waiting_.size() < kWaitingMax) {
            waiting_.push_back(std::move(question));
        }
    }
    changed_.notify_one();
}

void PlanReader::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) {
            return;
        }
        const PlanQuestion question = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        const std::string conninfo = conninfo_;
        lock.unlock();
        answer(question, conninfo);
        lock.lock();
    }
}

void PlanReader::answer(const PlanQuestion& question, const std::string& conninfo) {
    if (conninfo.empty()) {
        return;
    }
    auto explainer = Explainer::connect(conninfo, question.database);
    if (!explainer) {
        return;
    }
    if (auto evidence = explainer->evidence_of(*question.statement)) {
        take_(question.key, std::move(*evidence));
    }
}

}  // namespace howdah::cli
