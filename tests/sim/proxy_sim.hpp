// The simulation of the proxy: production Worker, Session and Pool between simulated clients and
// the model server, everything drawn from one seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/model_server.hpp"

namespace howdah::sim {

struct RunResult {
    std::vector<std::string> failures;
    std::uint64_t hash = 0;  // the same for the same seed and the same code
    std::uint64_t answers = 0;
    std::uint64_t sessions_lost = 0;
    std::uint64_t cancelled = 0;
    ModelCounters server;
};

// One world, from the first connect until everything has drained.
RunResult run_simulation(std::uint64_t seed, Sabotage sabotage = Sabotage::kNone);
// What failed, the seed, and the line that replays it.
std::string describe(std::uint64_t seed, const RunResult& result);

}  // namespace howdah::sim
