#include "proxy/resolver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/thread_name.hpp"

namespace howdah::proxy {

// One coroutine that waits. `loop` is null once it has left; guarded by the resolver's mutex.
struct Resolver::Waiting {
    explicit Waiting(net::Loop& owner) : loop(&owner), event(owner) {}
    net::Loop* loop;
    net::Event event;
    net::TimePoint asked_at{};
    Result<DnsCache::Addresses> found = fail(ErrorCode::kInternal, "not resolved");
    bool done = false;  // read and written on the loop
};

struct Resolver::State {
    void answer(const std::string& name, Result<DnsCache::Addresses> found);

    Lookup lookup;
    std::mutex mutex;
    std::condition_variable wanted;
    DnsCache cache;
    std::deque<std::string> queue;
    std::map<std::string, std::vector<std::shared_ptr<Waiting>>> waiting;
    int threads = 0;  // started when a question finds none at leisure
    int idle_threads = 0;
    bool stopping = false;
};

Resolver::Resolver(Lookup lookup) : state_(std::make_shared<State>()) {
    state_->lookup = lookup ? std::move(lookup) : [](const std::string& name) {
        return net::resolve_blocking(name, 0);
    };
}

Resolver::~Resolver() {
    const std::scoped_lock lock(state_->mutex);
    state_->stopping = true;
    state_->wanted.notify_all();
}

net::Task<Result<DnsCache::Addresses>> Resolver::resolve(net::Loop& loop, Question question) {
    const auto waiting = std::make_shared<Waiting>(loop);
    waiting->asked_at = loop.now();
    {
        const std::scoped_lock lock(state_->mutex);
        if (auto known = state_->cache.find(question.name, loop.now(), question.times)) {
            co_return std::move(*known);
        }
        std::vector<std::shared_ptr<Waiting>>& others = state_->waiting[question.name];
        if (others.empty()) {
            state_->queue.push_back(question.name);
        }
        others.push_back(waiting);
        if (state_->queue.size() > static_cast<std::size_t>(state_->idle_threads) &&
            state_->threads < kThreadsMax) {
            ++state_->threads;
            std::thread([state = state_] {
                name_this_thread("howdah-resolve");
                run(state);
            }).detach();
        }
        state_->wanted.notify_all();
    }
    net::Deadline deadline(waiting->event);
    if (question.deadline != net::TimePoint::max()) {
        deadline.arm(question.deadline);
    }
    while (!waiting->done && !deadline.expired()) {
        co_await waiting->event.wait();
    }
    const std::scoped_lock lock(state_->mutex);
    waiting->loop = nullptr;
    if (!waiting->done) {
        co_return fail(
            Error(ErrorCode::kTimeout, "08001",
                  fmt::format("could not resolve host \"{}\": timed out", question.name)));
    }
    co_return std::move(waiting->found);
}

void Resolver::expire(const std::string& name) {
    const std::scoped_lock lock(state_->mutex);
    state_->cache.expire(name);
}

void Resolver::run(std::shared_ptr<State> state) {
    std::unique_lock lock(state->mutex);
    while (!state->stopping) {
        if (state->queue.empty()) {
            ++state->idle_threads;
            state->wanted.wait(lock);
            --state->idle_threads;
            continue;
        }
        const std::string name = std::move(state->queue.front());
        state->queue.pop_front();
        lock.unlock();
        auto found = state->lookup(name);
        lock.lock();
        state->answer(name, std::move(found));
    }
}

// Holds the mutex: a loop that somebody still waits on is alive.
void Resolver::State::answer(const std::string& name, Result<DnsCache::Addresses> found) {
    const auto entry = waiting.find(name);
    net::TimePoint asked_at{};
    for (const auto& one : entry->second) {
        asked_at = std::max(asked_at, one->asked_at);
    }
    const auto used = cache.put(name, std::move(found), asked_at);
    for (const auto& one : entry->second) {
        if (one->loop != nullptr) {
            one->loop->post([one, used] {
                one->found = used;
                one->done = true;
                one->event.notify();
            });
        }
    }
    waiting.erase(entry);
}

}  // namespace howdah::proxy
