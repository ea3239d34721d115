#include "web/routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "monitor/collect.hpp"
#include "monitor/exposition.hpp"
#include "web/guard.hpp"
#include "web/insight_json.hpp"

namespace howdah::web {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto kLoopDeadline = 1000ms;
constexpr std::array<std::string_view, 7> kPaths = {
    "/", "/metrics", "/healthz", "/readyz", "/api/pools", "/api/queries", "/api/findings"};
constexpr std::string_view kJson = "application/json";

constexpr std::string_view kIndex =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
    "charset=\"utf-8\"><title>howdah</title></head>\n"
    "<body><h1>howdah " HOWDAH_VERSION
    "</h1><ul>\n"
    "<li><a href=\"/metrics\">/metrics</a>: for Prometheus</li>\n"
    "<li><a href=\"/healthz\">/healthz</a>: the event loops are alive</li>\n"
    "<li><a href=\"/readyz\">/readyz</a>: every configured database can be reached</li>\n"
    "<li><a href=\"/api/pools\">/api/pools</a>: pools now</li>\n"
    "<li><a href=\"/api/queries\">/api/queries</a>: statistics by statement</li>\n"
    "<li><a href=\"/api/findings\">/api/findings</a>: what live traffic shows</li>\n"
    "</ul></body></html>\n";

Response make(http::status status, std::string_view type, std::string body) {
    Response response(status, 11);
    response.set(http::field::content_type, {type.data(), type.size()});
    response.body() = std::move(body);
    return response;
}

Response failure(http::status status, std::string_view message) {
    return make(status, kJson, error_json(message));
}

Response stuck() {
    return failure(http::status::service_unavailable, "an event loop does not answer");
}

std::string_view view(boost::beast::string_view text) {
    return {text.data(), text.size()};
}

// Without the query, and without a slash at the end: /api/pools/ is meant as /api/pools.
std::string_view path_of(std::string_view target) {
    std::string_view path = target.substr(0, target.find('?'));
    while (path.size() > 1 && path.ends_with('/')) {
        path.remove_suffix(1);
    }
    return path;
}

// What every loop makes of `work`; nullopt when one does not answer in time. The answer may come
// after the one who asked has gone: what it needs then is shared.
template <typename T>
asio::awaitable<std::optional<std::vector<T>>> ask_loops(std::shared_ptr<asio::io_context> context,
                                                         proxy::Shared& shared,
                                                         T (*work)(proxy::Worker&)) {
    struct Answer {
        explicit Answer(asio::io_context& io) : timer(io, kLoopDeadline) {}
        asio::steady_timer timer;
        std::optional<std::vector<T>> result;
    };
    auto answer = std::make_shared<Answer>(*context);
    std::weak_ptr<asio::io_context> weak = context;
    monitor::ask_every_loop<T>(shared, work, [answer, weak](std::vector<T> result) mutable {
        const auto io = weak.lock();
        if (io != nullptr) {
            asio::post(*io, [answer = std::move(answer), result = std::move(result)]() mutable {
                answer->result = std::move(result);
                answer->timer.cancel();
            });
        }
    });
    co_await answer->timer.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return std::move(answer->result);
}

// Not bool: the loops write their answers side by side, and vector<bool> packs them.
int ask_alive(proxy::Worker&) {
    return 1;
}

}  // namespace

Routes::Routes(std::shared_ptr<asio::io_context> context, proxy::Shared& shared,
               const monitor::EventTotals& totals, ServerOptions options)
    : context_(std::move(context)),
      shared_(shared),
      totals_(totals),
      options_(std::move(options)),
      probe_(shared.config()->settings.unix_socket_dir) {}

// Paths that nobody serves are one series, however many there are.
void Routes::count(std::string_view path, unsigned code) {
    const bool known = std::ranges::find(kPaths, path) != kPaths.end();
    ++counts_[{known ? std::string(path) : "(other)", code}];
}

void Routes::count_refusal(http::status status) {
    count({}, static_cast<unsigned>(status));
}

asio::awaitable<Response> Routes::answer(const Request& request) {
    const std::string_view target = view(request.target());
    const std::string_view path = path_of(target);
    const bool authorized =
        options_.token.empty() ||
        token_accepted(view(request[http::field::authorization]), options_.token);
    Response response;
    const std::size_t hosts = request.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && request.version() >= 11)) {
        response = failure(http::status::bad_request, "one Host header is needed");
    } else if (hosts == 1 && !host_allowed(view(request[http::field::host]), options_.host_names)) {
        response = failure(http::status::misdirected_request,
                           "this Host is not served: http_hosts allows names");
    } else if (request.method() != http::verb::get && request.method() != http::verb::head) {
        response = failure(http::status::method_not_allowed, "only GET and HEAD");
        response.set(http::field::allow, "GET, HEAD");
    } else if (!authorized && path != "/healthz" && path != "/readyz") {
        response = failure(http::status::unauthorized, "a token is needed");
        response.set(http::field::www_authenticate, "Bearer realm=\"howdah\"");
    } else {
        response = co_await route(request, path, authorized);
    }
    count(path, response.result_int());
    response.version(request.version());
    response.set(http::field::server, "howdah");
    response.set(http::field::cache_control, "no-store");
    response.set("X-Content-Type-Options", "nosniff");
    response.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    response.set("Referrer-Policy", "no-referrer");
    response.set("Cross-Origin-Resource-Policy", "same-origin");
    response.keep_alive(request.keep_alive());
    response.prepare_payload();
    if (request.method() == http::verb::head) {
        response.body().clear();  // Content-Length stays what GET's would be
    }
    co_return response;
}

asio::awaitable<Response> Routes::route(const Request& request, std::string_view path,
                                        bool authorized) {
    if (path == "/") {
        co_return make(http::status::ok, "text/html; charset=utf-8", std::string(kIndex));
    }
    if (path == "/metrics") {
        co_return co_await metrics(request);
    }
    if (path == "/healthz") {
        co_return co_await healthz();
    }
    if (path == "/readyz") {
        co_return co_await readyz(authorized);
    }
    if (path == "/api/pools") {
        co_return co_await pools();
    }
    const std::string_view target = view(request.target());
    const std::size_t mark = std::min(target.find('?'), target.size() - 1);
    const std::string_view query = target.substr(mark + 1);
    if (path == "/api/queries") {
        co_return co_await queries(query);
    }
    if (path == "/api/findings") {
        co_return findings(query);
    }
    co_return failure(http::status::not_found, "no such page: / lists them");
}

asio::awaitable<Response> Routes::metrics(const Request& request) {
    auto loops = co_await ask_loops(context_, shared_, proxy::take_snapshot);
    if (!loops) {
        co_return stuck();
    }
    const config::ConfigPtr config = shared_.config();
    monitor::Inputs inputs{config.get(),
                           &shared_,
                           &totals_,
                           options_.backend,
                           std::move(*loops),
                           monitor::process_usage(),
                           {},
                           {}};
    if (config->settings.metrics_top_queries > 0) {
        auto statements = co_await ask_loops(context_, shared_, proxy::take_statements);
        if (!statements) {
            co_return stuck();
        }
        proxy::FingerprintEntry other;
        const auto merged = monitor::merged_statements(std::move(*statements), other);
        inputs.statements = statement_series_.look(
            merged, other, static_cast<std::size_t>(config->settings.metrics_top_queries));
    }
    for (const auto& [key, count] : counts_) {
        inputs.http.push_back({key.first, static_cast<int>(key.second), count});
    }
    const monitor::Exposition format = monitor::negotiate(view(request[http::field::accept]));
    co_return make(http::status::ok, monitor::content_type(format),
                   monitor::expose(monitor::collect(inputs), format));
}

asio::awaitable<Response> Routes::healthz() {
    const auto loops = co_await ask_loops(context_, shared_, ask_alive);
    co_return make(loops ? http::status::ok : http::status::service_unavailable, kJson,
                   health_json(loops.has_value(), shared_.workers.size()));
}

asio::awaitable<Readiness> Routes::readiness() {
    Readiness readiness;
    const proxy::Control& control = shared_.control();
    if (control.shutdown_mode() != proxy::ShutdownMode::kNone) {
        readiness.reason = "shutting down";
        co_return readiness;
    }
    const auto loops = co_await ask_loops(context_, shared_, proxy::take_snapshot);
    if (!loops) {
        readiness.reason = "an event loop does not answer";
        co_return readiness;
    }
    std::map<std::string, int> servers;  // logged in, by database
    for (const proxy::PoolSnapshot& pool : monitor::merged_pools(*loops)) {
        servers[pool.database] += pool.servers.total() - pool.servers.connecting;
    }
    const config::ConfigPtr config = shared_.config();
    std::vector<const config::DatabaseSettings*> wanted;
    for (const auto& [name, settings] : config->databases) {
        wanted.push_back(&settings);
    }
    if (config->autodb) {
        wanted.push_back(&*config->autodb);
    }
    std::size_t bad = 0;
    for (const config::DatabaseSettings* settings : wanted) {
        DatabaseReadiness database{settings->name.empty() ? "*" : settings->name, "connected"};
        if (control.disabled(settings->name)) {
            database.state = "disabled";
        } else if (control.paused(settings->name)) {
            database.state = "paused";
        } else if (servers[settings->name] == 0) {
            const bool answers = co_await probe_.any_answers(settings->addresses);
            database.state = answers ? "reachable" : "unreachable";
        }
        bad += database.ready() ? 0 : 1;
        readiness.databases.push_back(std::move(database));
    }
    readiness.ready = bad == 0;
    if (bad > 0) {
        readiness.reason =
            fmt::format("{} of {} databases cannot be reached or are paused", bad, wanted.size());
    }
    co_return readiness;
}

asio::awaitable<Response> Routes::readyz(bool detail) {
    const Readiness found = co_await readiness();
    co_return make(found.ready ? http::status::ok : http::status::service_unavailable, kJson,
                   ready_json(found, detail));
}

asio::awaitable<Response> Routes::pools() {
    const auto loops = co_await ask_loops(context_, shared_, proxy::take_snapshot);
    if (!loops) {
        co_return stuck();
    }
    co_return make(http::status::ok, kJson,
                   pools_json(monitor::merged_pools(*loops),
                              shared_.control().shutdown_mode() != proxy::ShutdownMode::kNone));
}

Response Routes::findings(std::string_view query) {
    const auto page = parse_finding_page(query);
    if (!page) {
        return failure(http::status::bad_request, page.error().message);
    }
    std::vector<insight::live::LiveFinding> list;
    if (options_.insight != nullptr) {
        list = options_.insight->findings();
    }
    return make(http::status::ok, kJson, findings_json(list, *page));
}

asio::awaitable<Response> Routes::queries(std::string_view query) {
    const auto page = parse_query_page(query);
    if (!page) {
        co_return failure(http::status::bad_request, page.error().message);
    }
    auto loops = co_await ask_loops(context_, shared_, proxy::take_statements);
    if (!loops) {
        co_return stuck();
    }
    proxy::FingerprintEntry other;
    auto statements = monitor::merged_statements(std::move(*loops), other);
    co_return make(http::status::ok, kJson,
                   queries_json(std::move(statements), other, *page, options_.insight));
}

}  // namespace howdah::web
