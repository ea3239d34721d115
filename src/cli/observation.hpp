// Observation: everything that watches a running proxy: the pump with its observers, the HTTP
// server, systemd's watchdog. Made when the proxy runs, stopped before it stops.
#pragma once

#include <vector>

#include "cli/insight_feed.hpp"
#include "monitor/event_totals.hpp"
#include "monitor/pump.hpp"
#include "proxy/proxy.hpp"
#include "web/server.hpp"

namespace howdah::cli {

class Observation {
  public:
    explicit Observation(proxy::Proxy& proxy);

    // Errors: what http_listen or http_token_file say cannot be done. With the default http_listen,
    // an address that somebody else has is only a warning.
    // `taken_http`: of the process before us.
    Result<> start(std::vector<int> inherited_http, std::vector<int> taken_http);
    void stop();
    // To the process after us.
    std::vector<int> http_sockets() const { return server_.sockets(); }
    void leave_http() { server_.leave(); }

  private:
    Result<web::ServerOptions> server_options(const config::Settings& settings) const;

    proxy::Proxy& proxy_;
    monitor::EventTotals totals_;
    InsightFeed insight_;
    monitor::Pump pump_;
    web::Server server_;
};

}  // namespace howdah::cli
