#include "tests/sim/proxy_sim.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "proxy/worker.hpp"
#include "tests/sim/sim_client.hpp"

namespace howdah::sim {
namespace {

using namespace std::chrono_literals;

constexpr net::Duration kServeMax = 30min;
constexpr net::Duration kStopMax = 2min;
constexpr net::Duration kGrace = 60s;  // for what broke before the faults stopped to be noticed

net::Address server_address() {
    return *net::Address::numeric("10.0.0.1", 5432);
}

net::Address proxy_address() {
    return *net::Address::numeric("10.0.0.2", 6432);
}

// What a seed draws once for its world.
struct Plan {
    explicit Plan(std::uint64_t seed) {
        Prng prng(seed ^ 0x9a4e);
        clients = static_cast<int>(prng.between(2, 10));
        batches = static_cast<int>(prng.between(5, 25));
        pool_size = static_cast<int>(prng.between(1, 4));
        reserve = prng.chance(0.3) ? 1 : 0;
        database_max = prng.chance(0.3) ? static_cast<int>(prng.between(1, 4)) : 0;
        prepared_max = prng.chance(0.3) ? 2 : 200;
        round_robin = prng.chance(0.5);
        rough = prng.chance(0.6);
        departures = rough || prng.chance(0.3);
        thinks = prng.chance(0.7);
        view = (seed & 1) != 0;
        if (prng.chance(0.5)) {
            faults.piece_max = prng.between(1, 40);
        }
        if (prng.chance(0.5)) {
            faults.delay_max = 5ms;
        }
        faults.slow = prng.chance(0.3) ? 0.2 : 0;
        calm = faults;
        if (rough) {
            faults.reset = prng.chance(0.5) ? 0.0005 : 0;
            faults.stall = prng.chance(0.5) ? 0.002 : 0;
            faults.refuse = prng.chance(0.5) ? 0.1 : 0;
            crashes = prng.chance(0.5);
        }
    }

    int clients = 0;
    int batches = 0;
    int pool_size = 0;
    int reserve = 0;
    int database_max = 0;
    int prepared_max = 0;
    bool round_robin = false;
    bool rough = false;
    bool departures = false;
    bool thinks = false;
    bool view = false;  // that sets a parameter
    bool crashes = false;
    net::SimFaults faults;
    net::SimFaults calm;
};

config::ConfigPtr make_config(const Plan& plan) {
    config::LoadRequest request;
    request.upstream = "host=10.0.0.1 port=5432 sslmode=disable";
    request.environment = [](std::string_view) { return std::nullopt; };
    request.overrides = {
        {"auth_type", "trust"},
        {"pool_mode", "transaction"},
        {"default_pool_size", std::to_string(plan.pool_size)},
        {"reserve_pool_size", std::to_string(plan.reserve)},
        {"reserve_pool_timeout", "0.5"},
        {"max_db_connections", std::to_string(plan.database_max)},
        {"max_prepared_statements", std::to_string(plan.prepared_max)},
        {"server_round_robin", plan.round_robin ? "1" : "0"},
        {"server_login_retry", "1"},
        {"server_tls_sslmode", "disable"},
        {"client_tls_sslmode", "disable"},
        {"query_wait_timeout", "0"},
        {"log_stats", "0"},
    };
    const config::LoadOutcome outcome = config::load(request);
    for (const auto& diagnostic : outcome.diagnostics) {
        if (outcome.config == nullptr) {
            log::error("{}", diagnostic.text());
        }
    }
    ASSERT(outcome.config != nullptr);
    auto config = std::make_shared<config::Config>(*outcome.config);
    for (const char* user : {"alice", "bob"}) {
        config->users.try_emplace(user);
    }
    return config;
}

class World {
  public:
    World(std::uint64_t seed, Sabotage sabotage)
        : plan_(seed),
          loop_(seed, plan_.faults),
          prng_(seed ^ 0xc4a05),
          model_(loop_, model_options(sabotage)),
          shared_(make_config(plan_)),
          worker_(loop_, shared_, 0),
          scene_{.loop = loop_, .proxy = proxy_address()} {
        shared_.workers.push_back(&worker_);
        scene_.batches = plan_.batches;
        scene_.rough = plan_.rough;
        scene_.departures = plan_.departures;
        scene_.view = model_.options().view;
        loop_.on_turn = [this] { check_limits(); };
        listen_server();
        proxy_fd_ = loop_.listen(proxy_address());
        loop_.start_accept(proxy_fd_,
                           [this](net::Accepted accepted) { worker_.accept(std::move(accepted)); });
        house_.spawn(worker_.keep_house());
        for (int i = 0; i < plan_.clients; ++i) {
            clients_.push_back(std::make_unique<SimClient>(
                scene_, seed * 1000 + static_cast<std::uint64_t>(i), i + 1));
            crowd_.spawn(clients_.back()->run());
        }
        if (plan_.rough) {
            house_.spawn(trouble());
        }
    }

    RunResult run() {
        if (!loop_.run_until([this] { return crowd_.running() == 0; }, kServeMax)) {
            for (const auto& client : clients_) {
                if (!client->done()) {
                    scene_.fail("not served: " + client->describe());
                }
            }
            return result();  // what hangs cannot be torn down: the caller reports and stops
        }
        drained_ = true;
        check_rest();
        house_.spawn(worker_.shut_down());
        if (!loop_.run_until([this] { return house_.running() == 0; }, kStopMax)) {
            scene_.fail("shut_down() did not end");
            drained_ = false;
            return result();
        }
        loop_.close_listener(proxy_fd_);
        loop_.run_until([this] { return servers_.running() == 0; }, kStopMax);
        loop_.run_until([this] { return loop_.open_connections() == 0; }, kStopMax);
        drained_ = servers_.running() == 0;
        check_empty();
        return result();
    }
    bool drained() const { return drained_; }

  private:
    ModelOptions model_options(Sabotage sabotage) {
        ModelOptions options;
        options.sabotage = sabotage;
        options.view = plan_.view || sabotage == Sabotage::kHideView;
        if (plan_.thinks) {
            options.think = [this] {
                return net::Duration(static_cast<std::int64_t>(prng_.below(3000)));
            };
        }
        return options;
    }

    void listen_server() {
        server_fd_ = loop_.listen(server_address());
        loop_.start_accept(server_fd_, [this](net::Accepted accepted) {
            servers_.spawn(model_.serve(loop_.adopt(accepted.fd, accepted.peer)));
        });
    }

    // Crashes, restarts and refusals for some seconds; then everything is in order.
    net::Task<void> trouble() {
        const auto end = loop_.now() + 1s * static_cast<std::int64_t>(prng_.between(1, 20));
        while (loop_.now() < end && crowd_.running() > 0) {
            co_await loop_.sleep(1ms * static_cast<std::int64_t>(prng_.between(20, 3000)));
            if (plan_.crashes) {
                co_await crash();
            }
        }
        loop_.set_faults(plan_.calm);
        co_await loop_.sleep(kGrace);
        scene_.rough = false;
    }

    net::Task<void> crash() {
        switch (prng_.below(4)) {
            case 0:
                model_.shut_down();
                break;
            case 1:
                loop_.reset_connections(server_address());
                break;
            case 2:
                model_.refuse_logins(true);
                model_.shut_down();
                co_await loop_.sleep(1ms * static_cast<std::int64_t>(prng_.between(20, 2000)));
                model_.refuse_logins(false);
                break;
            default:
                loop_.close_listener(server_fd_);
                loop_.reset_connections(server_address());
                co_await loop_.sleep(1ms * static_cast<std::int64_t>(prng_.between(20, 2000)));
                listen_server();
        }
    }

    void check_limits() {
        std::map<std::string, int> of_database;
        for (const auto& [key, entry] : worker_.pools()) {
            const pool::Counts counts = entry->pool().counts();
            of_database[key.first] += counts.total();
            if (counts.total() > plan_.pool_size + plan_.reserve) {
                scene_.fail("pool " + key.first + "/" + key.second + " has " +
                            std::to_string(counts.total()) + " connections");
            }
        }
        for (const auto& [database, connections] : of_database) {
            if (plan_.database_max > 0 && connections > plan_.database_max) {
                scene_.fail("database " + database + " has " + std::to_string(connections) +
                            " connections");
            }
        }
    }

    // Every client is gone: nothing may be lent, waited for or in a transaction, soon.
    void check_rest() {
        const auto at_rest = [this] {
            return std::all_of(worker_.pools().begin(), worker_.pools().end(),
                               [](const auto& item) {
                                   const pool::Counts counts = item.second->pool().counts();
                                   return counts.leased == 0 && counts.waiting == 0 &&
                                          counts.resetting == 0 && counts.checking == 0;
                               }) &&
                   worker_.sessions().empty();
        };
        if (!loop_.run_until(at_rest, kStopMax)) {
            scene_.fail("clients are gone, and their servers or sessions are not free");
        }
    }

    void check_empty() {
        const auto expect_none = [this](std::size_t count, const std::string& what) {
            if (count != 0) {
                scene_.fail("at the end: " + std::to_string(count) + " " + what);
            }
        };
        expect_none(model_.counters().connections, "connections to the server");
        expect_none(loop_.open_connections(), "open connections");
        expect_none(worker_.sessions().size(), "sessions");
        expect_none(loop_.blocks().blocks_in_use(), "blocks in use");
        expect_none(model_.counters().protocol_violations,
                    "protocol violations seen by the server");
    }

    RunResult result() {
        return {.failures = scene_.failures,
                .hash = scene_.hash,
                .answers = scene_.answers,
                .sessions_lost = scene_.sessions_lost,
                .cancelled = scene_.cancelled,
                .server = model_.counters()};
    }

    const Plan plan_;
    net::SimLoop loop_;
    Prng prng_;
    ModelServer model_;
    proxy::Shared shared_;
    proxy::Worker worker_;
    Scene scene_;
    std::vector<std::unique_ptr<SimClient>> clients_;
    net::TaskGroup crowd_;
    net::TaskGroup house_;
    net::TaskGroup servers_;
    int server_fd_ = 0;
    int proxy_fd_ = 0;
    bool drained_ = false;
};

}  // namespace

RunResult run_simulation(std::uint64_t seed, Sabotage sabotage) {
    auto world = std::make_unique<World>(seed, sabotage);
    RunResult result = world->run();
    if (!world->drained()) {
        // Coroutines hang in it: it can be neither ended nor destroyed.
        static_cast<void>(world.release());
    }
    return result;
}

std::string describe(std::uint64_t seed, const RunResult& result) {
    std::string text = "seed " + std::to_string(seed) + " failed:\n";
    for (const std::string& failure : result.failures) {
        text += "  " + failure + "\n";
    }
    return text + "replay: ./dev sim --seed " + std::to_string(seed) + "\n";
}

}  // namespace howdah::sim
