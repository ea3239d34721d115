#include "web/server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <thread>
#include <utility>

#include "base/log.hpp"
#include "base/thread_name.hpp"
#include "web/guard.hpp"
#include "web/routes.hpp"

namespace howdah::web {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

constexpr auto kRequestMax = 10s;
constexpr auto kIdleMax = 30s;
constexpr std::uint32_t kHeaderBytesMax = 16 * 1024;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

Response refusal(http::status status) {
    Response response(status, 11);
    response.keep_alive(false);
    response.prepare_payload();
    return response;
}

// What is wrong with a request that could not be read; nothing where the peer just left.
std::optional<http::status> status_of(beast::error_code error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return http::status::request_header_fields_too_large;
    }
    if (error == http::error::body_limit) {
        return http::status::payload_too_large;
    }
    if (error == beast::error::timeout) {
        return std::nullopt;
    }
    const bool parsing = error.category() == beast::error_code(http::error::bad_method).category();
    if (parsing && error != http::error::end_of_stream && error != http::error::partial_message) {
        return http::status::bad_request;
    }
    return std::nullopt;
}

std::string address_text(const tcp::endpoint& endpoint) {
    const std::string host = endpoint.address().to_string();
    return endpoint.address().is_v6() ? fmt::format("[{}]:{}", host, endpoint.port())
                                      : fmt::format("{}:{}", host, endpoint.port());
}

// Port 0 stands for any.
bool bound_to(int fd, const tcp::endpoint& endpoint) {
    tcp::endpoint own;
    auto size = static_cast<socklen_t>(own.capacity());
    if (::getsockname(fd, own.data(), &size) != 0) {
        return false;
    }
    own.resize(size);
    return own.address() == endpoint.address() &&
           (endpoint.port() == 0 || own.port() == endpoint.port());
}

}  // namespace

struct Server::State {
    State(proxy::Shared& shared_state, const monitor::EventTotals& event_totals)
        : shared(shared_state), totals(event_totals) {}

    Result<> bind(const std::string& text, ServerOptions& options);
    Result<tcp::acceptor> listen(const tcp::endpoint& endpoint, const std::string& text);
    Result<> adopt(int fd);
    asio::awaitable<void> accept(std::size_t index);
    asio::awaitable<void> serve(tcp::socket socket);

    proxy::Shared& shared;
    const monitor::EventTotals& totals;
    std::vector<std::string> listening_on;
    std::vector<int> descriptors;  // of the acceptors, for the thread that owns the server
    std::unique_ptr<Routes> routes;
    std::size_t connections = 0;
    bool leaving = false;
    std::thread thread;
    // Destroyed first: coroutines that are still asleep in it refer to what stands above.
    std::vector<tcp::acceptor> acceptors;
    std::shared_ptr<asio::io_context> context = std::make_shared<asio::io_context>(1);
};

Result<> Server::State::bind(const std::string& text, ServerOptions& options) {
    TRY(const ListenAddress address, listen_address(text, !options.token.empty()));
    const tcp::endpoint endpoint(asio::ip::make_address(address.host), address.port);
    for (const int fd : options.taken) {
        if (bound_to(fd, endpoint)) {
            std::erase(options.taken, fd);
            return adopt(fd);
        }
    }
    TRY(tcp::acceptor acceptor, listen(endpoint, text));
    ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
    listening_on.push_back(address_text(acceptor.local_endpoint()));
    acceptors.push_back(std::move(acceptor));
    return {};
}

Result<tcp::acceptor> Server::State::listen(const tcp::endpoint& endpoint,
                                            const std::string& text) {
    beast::error_code error;
    tcp::acceptor acceptor(*context);
    acceptor.open(endpoint.protocol(), error);
    if (!error) {
        acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error) {
        acceptor.bind(endpoint, error);
    }
    if (!error) {
        acceptor.listen(128, error);
    }
    if (error) {
        return fail(ErrorCode::kIo,
                    fmt::format("http_listen: cannot listen on {}: {}", text, error.message()));
    }
    return acceptor;
}

// A socket that systemd or the process before us listens on.
Result<> Server::State::adopt(int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    const bool named = ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    if (!named || (address.ss_family != AF_INET && address.ss_family != AF_INET6)) {
        return fail(ErrorCode::kInvalidInput, "the inherited http socket is not a TCP socket");
    }
    beast::error_code error;
    tcp::acceptor acceptor(*context);
    acceptor.assign(address.ss_family == AF_INET ? tcp::v4() : tcp::v6(), fd, error);
    if (error) {
        return fail(ErrorCode::kIo, "the inherited http socket: " + error.message());
    }
    listening_on.push_back(address_text(acceptor.local_endpoint()));
    acceptors.push_back(std::move(acceptor));
    return {};
}

asio::awaitable<void> Server::State::accept(std::size_t index) {
    while (true) {
        auto [error, socket] = co_await acceptors[index].async_accept(kAwait);
        if (error == asio::error::operation_aborted) {
            co_return;
        }
        if (error) {  // out of descriptors, say: not at full speed
            asio::steady_timer timer(*context, 100ms);
            co_await timer.async_wait(kAwait);
            continue;
        }
        if (connections >= kConnectionsMax) {
            continue;  // closed by going out of scope
        }
        ++connections;
        asio::co_spawn(*context, serve(std::move(socket)),
                       [this](const std::exception_ptr&) { --connections; });
    }
}

asio::awaitable<void> Server::State::serve(tcp::socket socket) {
    beast::tcp_stream stream(std::move(socket));
    beast::flat_buffer buffer(kHeaderBytesMax + 1024);
    bool first = true;
    while (true) {
        http::request_parser<http::empty_body> parser;
        parser.header_limit(kHeaderBytesMax);
        parser.body_limit(0);
        stream.expires_after(first ? kRequestMax : kIdleMax);
        first = false;
        auto [error, bytes] = co_await http::async_read(stream, buffer, parser, kAwait);
        stream.expires_after(kRequestMax);
        if (error) {
            if (const auto status = status_of(error)) {
                routes->count_refusal(*status);
                Response response = refusal(*status);
                co_await http::async_write(stream, response, kAwait);
            }
            break;
        }
        Response response = co_await routes->answer(parser.get());
        response.keep_alive(response.keep_alive() && !leaving);
        stream.expires_after(kRequestMax);
        const bool last = !response.keep_alive();
        http::response_serializer<http::string_body> serializer(response);
        const bool head = parser.get().method() == http::verb::head;
        auto [failed, written] = head
                                     ? co_await http::async_write_header(stream, serializer, kAwait)
                                     : co_await http::async_write(stream, serializer, kAwait);
        if (failed || last) {
            break;
        }
    }
    beast::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

Server::Server(proxy::Shared& shared, const monitor::EventTotals& totals)
    : state_(std::make_unique<State>(shared, totals)) {}

Server::~Server() {
    stop();
}

Result<> Server::start(ServerOptions options) {
    for (const int fd : options.inherited) {
        TRY_VOID(state_->adopt(fd));
    }
    if (options.inherited.empty()) {
        for (const std::string& address : options.listen) {
            TRY_VOID(state_->bind(address, options));
        }
    }
    for (const int fd : std::exchange(options.taken, {})) {
        ::close(fd);
    }
    state_->routes = std::make_unique<Routes>(state_->context, state_->shared, state_->totals,
                                              std::move(options));
    for (std::size_t i = 0; i < state_->acceptors.size(); ++i) {
        log::info("http on {}", state_->listening_on[i]);
        state_->descriptors.push_back(state_->acceptors[i].native_handle());
        asio::co_spawn(*state_->context, state_->accept(i), asio::detached);
    }
    state_->thread = std::thread([this] {
        name_this_thread("howdah-http");
        state_->context->run();
    });
    return {};
}

void Server::stop() {
    if (state_->thread.joinable()) {
        state_->context->stop();
        state_->thread.join();
    }
    state_->acceptors.clear();
}

std::vector<int> Server::sockets() const {
    std::vector<int> duplicates;
    for (const int fd : state_->descriptors) {
        if (const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0); copy >= 0) {
            duplicates.push_back(copy);
        }
    }
    return duplicates;
}

void Server::leave() {
    state_->descriptors.clear();
    asio::post(*state_->context, [state = state_.get()] {
        state->leaving = true;
        for (tcp::acceptor& acceptor : state->acceptors) {
            beast::error_code ignored;
            acceptor.close(ignored);
        }
    });
}

const std::vector<std::string>& Server::listening_on() const {
    return state_->listening_on;
}

}  // namespace howdah::web
