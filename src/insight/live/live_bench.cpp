// What live insight costs the control plane's thread for each statement; the loops' part is in
// src/proxy/tap_bench.cpp (bench/insight.py holds both against their targets).
#include <benchmark/benchmark.h>

#include "insight/live/traffic_fixture.hpp"

namespace howdah::insight::live {
namespace {

// 1,000 requests: a list, and for every second one a loop over it.
void play(benchmark::State& state, bool loops) {
    std::size_t statements = 0;
    for (auto _ : state) {
        state.PauseTiming();
        Traffic traffic(1);
        for (std::int64_t i = 0; i < 1000; ++i) {
            Traffic::Request request = traffic.begin(Traffic::Mode::kGroup, i * 20'000, 1);
            Rows rows;
            for (std::uint64_t row = 0; row < 10; ++row) {
                rows.push_back({traffic.random().next() | 1, row + 1});
            }
            traffic.run(request, "select id, name from shops where city = $1", {1}, rows);
            for (std::size_t row = 0; row < (loops && i % 2 == 0 ? rows.size() : 1); ++row) {
                traffic.run(request, "select id, total from orders where shop_id = $1",
                            {rows[row][0]}, rows);
            }
        }
        Engine engine({}, plain_names());
        state.ResumeTiming();
        traffic.play(engine);
        statements += traffic.statements();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(statements));
}

void ordinary_requests(benchmark::State& state) {
    play(state, false);
}
void requests_with_loops(benchmark::State& state) {
    play(state, true);
}
BENCHMARK(ordinary_requests)->Unit(benchmark::kMillisecond);
BENCHMARK(requests_with_loops)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace howdah::insight::live
