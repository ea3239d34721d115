// Takes numbers from every loop and makes metrics of them. The loops are asked by posting to them:
// each answers between two turns, with plain values; no query waits for a reader.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "monitor/event_totals.hpp"
#include "monitor/metric.hpp"
#include "monitor/process.hpp"
#include "monitor/statement_series.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/worker.hpp"

namespace howdah::monitor {

// Runs `work` on every loop; `done` gets the results in the order of the loops, on the loop that
// answered last. Neither is kept waiting for: a loop that is stuck means that `done` never comes.
template <typename T>
void ask_every_loop(proxy::Shared& shared, std::function<T(proxy::Worker&)> work,
                    std::function<void(std::vector<T>)> done) {
    struct Asked {
        std::function<T(proxy::Worker&)> work;
        std::function<void(std::vector<T>)> done;
        std::vector<T> answers;
        std::atomic<std::size_t> left;
    };
    auto asked = std::make_shared<Asked>();
    asked->work = std::move(work);
    asked->done = std::move(done);
    asked->answers.resize(shared.workers.size());
    asked->left = shared.workers.size();
    for (std::size_t i = 0; i < shared.workers.size(); ++i) {
        proxy::Worker* worker = shared.workers[i];
        worker->loop().post([asked, worker, i] {
            asked->answers[i] = asked->work(*worker);
            if (asked->left.fetch_sub(1) == 1) {
                asked->done(std::move(asked->answers));
            }
        });
    }
}

// The pools of one database and user over all loops, as one. At most Limits::kPoolsMax, the rest in
// one called "(other)".
[[nodiscard]] std::vector<proxy::PoolSnapshot> merged_pools(
    const std::vector<proxy::WorkerSnapshot>& loops);

// Each statement's sums over all loops; `other` gets those of statements without an entry.
[[nodiscard]] std::vector<proxy::FingerprintEntry> merged_statements(
    std::vector<proxy::StatementsSnapshot> loops, proxy::FingerprintEntry& other);

void add(proxy::FingerprintEntry& sum, const proxy::FingerprintEntry& part);

struct HttpCount {
    std::string path;
    int code = 0;
    std::uint64_t count = 0;
};

struct Inputs {
    const config::Config* config = nullptr;
    const proxy::Shared* shared = nullptr;
    const EventTotals* totals = nullptr;
    std::string backend;  // the event loop's kind
    std::vector<proxy::WorkerSnapshot> loops;
    ProcessUsage process;
    std::vector<HttpCount> http;
    std::vector<StatementSample> statements;  // with metrics_top_queries
};
// One family for each metric of the catalogue, in its order.
[[nodiscard]] std::vector<Family> collect(const Inputs& inputs);

}  // namespace howdah::monitor
