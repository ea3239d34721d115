// Workload: what one simulated client says next, drawn from its own numbers, with what it must
// hear.
#pragma once

#include <string>
#include <utility>

#include "base/prng.hpp"
#include "tests/sim/oracle.hpp"

namespace howdah::sim {

// What a client sends in one go, up to the last ReadyForQuery.
struct Batch {
    std::string bytes;
    Answers answers;
    Answers when_cancelled;  // empty: it is not to be cancelled
    bool wants_cancel = false;
};

class Workload {
  public:
    Workload(std::uint64_t seed, int client, bool view)
        : prng_(seed), client_(client), view_(view) {}

    // A new session: nothing is set but what the start-up packet says.
    void start(const std::map<std::string, std::string>& base) { oracle_ = Oracle(base); }
    // `cautious`: a cancel may still be on its way.
    Batch next(bool cautious);
    // The batch was cancelled rather than carried out.
    void was_cancelled() { oracle_ = std::move(if_cancelled_); }
    const Oracle& oracle() const { return oracle_; }
    Prng& prng() { return prng_; }
    // Unique in the run: who gets it knows whose it is.
    std::string token();

  private:
    Statement draw_query();
    Statement draw_simple();
    void simple(const std::vector<Statement>& statements, Batch& batch);
    void extended(Batch& batch);
    void one_extended(Batch& batch);
    std::string draw_name();
    std::string draw_parameter();

    Prng prng_;
    int client_;
    bool view_;
    std::uint64_t tokens_ = 0;
    Oracle oracle_{{}};
    Oracle if_cancelled_{{}};
};

}  // namespace howdah::sim
