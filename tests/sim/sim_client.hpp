// SimClient: one application. Says what its workload draws, holds every answer against what the
// oracle says, and notes whose transaction each row came from.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/sim_loop.hpp"
#include "tests/sim/workload.hpp"

namespace howdah::sim {

// What clients have in common: where to connect, what is allowed to happen, what was found.
struct Scene {
    net::SimLoop& loop;
    net::Address proxy;
    int batches = 20;         // for each client
    bool rough = false;       // connections break and servers fail, for now
    bool departures = false;  // clients leave in the middle
    bool view = false;        // SELECT view '..' is said
    std::vector<std::string> failures = {};
    std::map<std::string, std::string> transactions = {};  // of a backend -> session that had it
    std::uint64_t answers = 0;
    std::uint64_t sessions_lost = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t hash = 0xcbf29ce484222325ULL;  // over all that clients heard

    void fail(const std::string& what);
    void heard(const std::string& what);
};

class SimClient {
  public:
    SimClient(Scene& scene, std::uint64_t seed, int number);
    // Serves the whole workload, over as many sessions as that takes.
    net::Task<void> run();
    bool done() const { return done_ >= scene_.batches; }
    std::string describe() const;

  private:
    struct Heard {
        char type = 0;
        std::string text;  // as in Answers
        std::string body;
    };
    enum class Outcome { kGood, kLost, kLeft };

    net::Task<bool> log_in();
    net::Task<Outcome> serve(Batch batch);
    net::Task<Outcome> hear(const Batch& batch);
    net::Task<void> leave();
    net::Task<void> send_cancel();
    net::Task<std::optional<Heard>> next();
    net::Task<void> speak(const std::string& bytes);
    void take_status(const std::string& body);
    void take_row(const std::string& body);
    bool lost(const Heard& message);
    std::string short_text(char type, const std::string& body);

    Scene& scene_;
    Workload workload_;
    const int number_;
    net::Event event_;
    std::unique_ptr<net::Stream> stream_;
    net::TaskGroup cancels_;
    std::string user_;
    std::string database_;
    std::string session_;      // "c3/2", for complaints
    std::string transaction_;  // the backend's, while in one
    std::string time_zone_;    // last reported
    std::string waiting_for_;
    std::uint32_t pid_ = 0;
    std::uint32_t key_ = 0;
    int done_ = 0;
    int sessions_ = 0;
    bool fatal_ = false;
    bool cautious_ = false;
};

}  // namespace howdah::sim
