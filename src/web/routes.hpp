// What each path answers. On the server's thread, in coroutines.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/http.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "monitor/event_totals.hpp"
#include "monitor/statement_series.hpp"
#include "proxy/worker.hpp"
#include "web/json.hpp"
#include "web/probe.hpp"
#include "web/server.hpp"

namespace howdah::web {

namespace http = boost::beast::http;
using Request = http::request<http::empty_body>;
using Response = http::response<http::string_body>;

class Routes {
  public:
    Routes(std::shared_ptr<boost::asio::io_context> context, proxy::Shared& shared,
           const monitor::EventTotals& totals, ServerOptions options);

    // The answer to a request, whatever it is. HEAD has the headers of GET.
    boost::asio::awaitable<Response> answer(const Request& request);
    // A request that could not be read was answered with this.
    void count_refusal(http::status status);

  private:
    boost::asio::awaitable<Response> route(const Request& request, std::string_view path,
                                           bool authorized);
    boost::asio::awaitable<Response> metrics(const Request& request);
    boost::asio::awaitable<Response> healthz();
    boost::asio::awaitable<Response> readyz(bool detail);
    boost::asio::awaitable<Response> pools();
    boost::asio::awaitable<Response> queries(std::string_view query);
    Response findings(std::string_view query);
    boost::asio::awaitable<Readiness> readiness();
    void count(std::string_view path, unsigned code);

    std::shared_ptr<boost::asio::io_context> context_;
    proxy::Shared& shared_;
    const monitor::EventTotals& totals_;
    ServerOptions options_;
    Probe probe_;
    std::map<std::pair<std::string, unsigned>, std::uint64_t> counts_;
    monitor::StatementSeries statement_series_;
};

}  // namespace howdah::web
