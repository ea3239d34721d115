// gather(): runs the same work on every worker's loop at once and waits, on the caller's loop, for
// what each made of it. How the console sees and changes all loops.
//
// 1. `work` is called on the loop of the worker that it is given, and must not suspend.
// 2. The caller's frame lives until the last answer has come: references into it are safe.
// 3. Loops stop only when no session is left on any of them (Proxy::stop), so every answer comes.
#pragma once

#include <functional>
#include <vector>

#include "proxy/worker.hpp"

namespace howdah::proxy {

// Results in the order of the workers. T must not be void.
template <typename T>
net::Task<std::vector<T>> gather(Worker& home, std::function<T(Worker&)> work) {
    const std::vector<Worker*>& workers = home.shared().workers;
    std::vector<T> results(workers.size());
    std::size_t left = workers.size();
    net::Event all_came(home.loop());
    for (std::size_t i = 0; i < workers.size(); ++i) {
        Worker* worker = workers[i];
        const auto took = [&, i](T&& result) {
            results[i] = std::move(result);
            if (--left == 0) {
                all_came.notify();
            }
        };
        if (worker == &home) {
            took(work(home));
            continue;
        }
        worker->loop().post([worker, &work, &home, took] {
            home.loop().post([took, result = work(*worker)]() mutable { took(std::move(result)); });
        });
    }
    while (left > 0) {
        co_await all_came.wait();
    }
    co_return results;
}

// The same, all rows in one list.
template <typename T>
net::Task<std::vector<T>> gather_rows(Worker& home, std::function<std::vector<T>(Worker&)> work) {
    std::vector<T> all;
    for (std::vector<T>& part : co_await gather<std::vector<T>>(home, std::move(work))) {
        all.insert(all.end(), std::make_move_iterator(part.begin()),
                   std::make_move_iterator(part.end()));
    }
    co_return all;
}

}  // namespace howdah::proxy
