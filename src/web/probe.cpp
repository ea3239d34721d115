#include "web/probe.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace howdah::web {

namespace asio = boost::asio;
using asio::use_awaitable;

namespace {

constexpr std::size_t kKnownMax = 1024;

// SSLRequest, protocol section 55.7: length 8, code 80877103. The answer is one byte.
template <typename Socket>
asio::awaitable<bool> speaks_postgres(Socket& socket) {
    static constexpr std::array<unsigned char, 8> kSslRequest{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
    co_await asio::async_write(socket, asio::buffer(kSslRequest), use_awaitable);
    char answer = 0;
    co_await asio::async_read(socket, asio::buffer(&answer, 1), use_awaitable);
    co_return answer == 'S' || answer == 'N' || answer == 'E';
}

asio::awaitable<bool> try_unix(std::string path) {
    asio::local::stream_protocol::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(asio::local::stream_protocol::endpoint(path), use_awaitable);
    co_return co_await speaks_postgres(socket);
}

asio::awaitable<bool> try_tcp(std::string host, std::string port) {
    const auto executor = co_await asio::this_coro::executor;
    asio::ip::tcp::resolver resolver(executor);
    const auto found = co_await resolver.async_resolve(host, port, use_awaitable);
    asio::ip::tcp::socket socket(executor);
    co_await asio::async_connect(socket, found, use_awaitable);
    co_return co_await speaks_postgres(socket);
}

asio::awaitable<bool> in_time(asio::awaitable<bool> work) {
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer timer(co_await asio::this_coro::executor, Probe::kDeadline);
    try {
        const auto first = co_await (std::move(work) || timer.async_wait(use_awaitable));
        co_return first.index() == 0 && std::get<0>(first);
    } catch (const std::exception&) {  // Asio's way to say: refused, unreachable, cut
        co_return false;
    }
}

}  // namespace

asio::awaitable<bool> Probe::answers(const config::ServerAddress& address) {
    const bool is_unix = address.host.empty() || address.host[0] == '/' || address.host[0] == '@';
    if (!is_unix) {
        co_return co_await in_time(try_tcp(address.host, std::to_string(address.port)));
    }
    std::string folder = address.host.empty() ? socket_folder_ : address.host;
    if (folder.empty()) {
        folder = "/tmp";
    }
    if (folder[0] == '@') {
        folder[0] = '\0';  // a name that is not in the file system
    }
    co_return co_await in_time(try_unix(fmt::format("{}/.s.PGSQL.{}", folder, address.port)));
}

asio::awaitable<bool> Probe::any_answers(std::vector<config::ServerAddress> addresses) {
    using Clock = std::chrono::steady_clock;
    for (const config::ServerAddress& address : addresses) {
        const std::string key = fmt::format("{}:{}", address.host, address.port);
        const auto found = known_.find(key);
        if (found != known_.end()) {
            const Known known = found->second;
            if (Clock::now() - known.at < (known.answers ? kKeepGood : kKeepBad)) {
                if (known.answers) {
                    co_return true;
                }
                continue;
            }
        }
        const bool answered = co_await answers(address);
        if (known_.size() >= kKnownMax) {
            known_.clear();
        }
        known_[key] = {answered, Clock::now()};
        if (answered) {
            co_return true;
        }
    }
    co_return false;
}

}  // namespace howdah::web
