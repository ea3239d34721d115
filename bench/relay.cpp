// A bare byte relay over src/net: for each client one connection upstream, bytes both ways, nothing
// else. What it costs is what no proxy on the same loop can go below.
//
//     relay --backend io_uring|epoll --listen PORT --upstream HOST:PORT   (or a unix socket's path)

#include <fmt/core.h>

#include <charconv>
#include <csignal>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop.hpp"
#include "net/stream.hpp"

namespace howdah {
namespace {

using namespace std::chrono_literals;

struct Options {
    net::Backend backend = net::Backend::kAuto;
    std::uint16_t listen = 0;
    net::Address upstream;
};

// Moves what has come from one side to the other; while that one is congested, stops reading.
void pump(net::Stream& from, net::Stream& to) {
    if (to.congested()) {
        from.pause();
        to.notify_when_drained();
        return;
    }
    from.resume();
    if (from.buffered() > 0) {
        from.forward(from.buffered(), to);
    }
}

net::Task<void> relay(std::unique_ptr<net::Stream> client, net::Address upstream) {
    net::Loop& loop = client->loop();
    auto connected = co_await loop.connect(upstream, loop.now() + 5s);
    if (!connected) {
        fmt::print(stderr, "{}\n", connected.error().message);
        co_return;
    }
    const std::unique_ptr<net::Stream> server = std::move(*connected);
    net::Event event(loop);
    client->set_listener(&event);
    server->set_listener(&event);
    while (true) {
        pump(*client, *server);
        pump(*server, *client);
        const bool client_done = client->ended() && client->buffered() == 0;
        const bool server_done = server->ended() && server->buffered() == 0;
        if (client_done || server_done) {
            break;
        }
        co_await event.wait();
    }
    client->set_listener(nullptr);
    server->set_listener(nullptr);
}

Result<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size()) {
        return fail(ErrorCode::kInvalidInput, fmt::format("\"{}\" is not a port", text));
    }
    return port;
}

Result<net::Address> parse_address(const std::string& text) {
    if (text.starts_with("/")) {
        return net::Address::unix_path(text);
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) {
        return fail(ErrorCode::kInvalidInput, fmt::format("\"{}\" has no port", text));
    }
    TRY(const std::uint16_t port, parse_port(std::string_view(text).substr(colon + 1)));
    return net::Address::numeric(text.substr(0, colon), port);
}

Result<Options> parse(const std::vector<std::string>& words) {
    Options options;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        const std::string& value = words[i + 1];
        if (words[i] == "--backend" && (value == "io_uring" || value == "epoll")) {
            options.backend = value == "epoll" ? net::Backend::kEpoll : net::Backend::kUring;
        } else if (words[i] == "--listen") {
            TRY(options.listen, parse_port(value));
        } else if (words[i] == "--upstream") {
            TRY(options.upstream, parse_address(value));
        } else {
            return fail(ErrorCode::kInvalidInput, fmt::format("what is \"{}\"?", words[i]));
        }
    }
    if (options.listen == 0 || options.upstream.size() == 0) {
        return fail(ErrorCode::kInvalidInput,
                    "relay --backend io_uring|epoll --listen PORT --upstream HOST:PORT");
    }
    return options;
}

Result<> run(const std::vector<std::string>& words) {
    TRY(const Options options, parse(words));
    TRY(const auto loop, net::make_loop(options.backend));
    TRY(const net::Address address, net::Address::numeric("127.0.0.1", options.listen));
    TRY(const int listening, net::listen_on(address, {}));
    fmt::print("relay on {} to {}, {}\n", address.to_string(), options.upstream.to_string(),
               loop->backend_name());
    std::fflush(stdout);
    net::TaskGroup sessions;
    loop->start_accept(listening, [&](net::Accepted accepted) {
        sessions.spawn(relay(loop->adopt(accepted.fd, accepted.peer), options.upstream));
    });
    loop->run();  // until a signal ends the process
    return {};
}

}  // namespace
}  // namespace howdah

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    const auto done = howdah::run(std::vector<std::string>(argv + 1, argv + argc));
    if (!done) {
        fmt::print(stderr, "{}\n", done.error().message);
        return 2;
    }
    return 0;
}
