#include "cli/plan_reader.hpp"

#include "base/thread_name.hpp"
#include "cli/explain.hpp"

namespace howdah::cli {

PlanReader::PlanReader(Takers takers) : takers_(std::move(takers)), thread_([this] { run(); }) {}

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

void PlanReader::ask_plans(std::vector<Question> questions) {
    ask(About::kPlan, std::move(questions));
}

void PlanReader::ask_relations(std::vector<Question> questions) {
    ask(About::kRelations, std::move(questions));
}

void PlanReader::ask(About about, std::vector<Question> questions) {
    const std::scoped_lock lock(mutex_);
    for (Question& question : questions) {
        if (waiting_.size() < kWaitingMax) {
            waiting_.emplace_back(about, std::move(question));
        }
    }
    changed_.notify_one();
}

void PlanReader::run() {
    name_this_thread("howdah-explain");
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) {
            return;
        }
        const auto [about, question] = std::move(waiting_.front());
        waiting_.pop_front();
        const std::string conninfo = conninfo_;
        lock.unlock();
        answer(about, question, conninfo);
        lock.lock();
    }
}

void PlanReader::answer(About about, const Question& question, const std::string& conninfo) {
    if (conninfo.empty()) {
        return;
    }
    auto explainer = Explainer::connect(conninfo, question.database);
    if (!explainer) {
        return;
    }
    if (about == About::kRelations) {
        if (auto relations = explainer->relations_of(*question.statement)) {
            takers_.relations(question, std::move(*relations));
        }
        return;
    }
    if (auto evidence = explainer->evidence_of(*question.statement)) {
        takers_.plan(question, std::move(*evidence));
    }
}

}  // namespace howdah::cli
