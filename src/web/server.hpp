// The HTTP server: metrics, health and the API, on a thread of its own. Nothing here is in a
// query's way: numbers come from snapshots (monitor/collect.hpp).
//
//     GET /metrics      Prometheus text or OpenMetrics, by Accept
//     GET /healthz      the loops are alive
//     GET /readyz       every configured database can be reached, and nobody told us to end
//     GET /api/pools    pools now
//     GET /api/queries  statistics by statement: sort, order, limit, offset, search, and callers
//     GET /api/findings what live traffic shows: limit, offset, search, rule, severity, and callers
//
// 1. Only GET and HEAD: nothing changes state.
// 2. An address that is not loopback is refused unless there is a token; /healthz and /readyz
//    answer without it, and then name no database.
// 3. Bounded: kConnectionsMax connections, 16 KiB of headers, no body, 10 s a request, 30 s idle.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "insight/live/engine.hpp"
#include "monitor/event_totals.hpp"
#include "proxy/worker.hpp"

namespace howdah::web {

struct ServerOptions {
    std::vector<std::string> listen;  // "127.0.0.1:6433"
    std::vector<int> inherited;       // listening sockets from systemd; in place of `listen`
    std::vector<int> taken;  // of the process before us: for those of `listen` that they stand for
    std::vector<std::string> host_names;  // allowed in Host, beside addresses and localhost
    std::string token;                    // empty: none
    std::string backend;                  // the event loop's kind, for howdah_build_info
    const insight::live::Engine* insight = nullptr;  // must outlive the server
};

class Server {
  public:
    static constexpr std::size_t kConnectionsMax = 64;

    // Both must outlive it.
    Server(proxy::Shared& shared, const monitor::EventTotals& totals);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Listens and starts the thread. Errors name the address.
    Result<> start(ServerOptions options);
    // Closes everything and ends the thread. Before Proxy::stop().
    void stop();
    // The listening sockets, duplicated: for the process that takes over.
    [[nodiscard]] std::vector<int> sockets() const;
    // No connection is accepted any more; those there are get one more answer. Asynchronous.
    void leave();
    // As bound, "127.0.0.1:6433": port 0 has become a real one.
    [[nodiscard]] const std::vector<std::string>& listening_on() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace howdah::web
