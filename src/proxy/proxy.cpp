#include "proxy/proxy.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include <atomic>
#include <latch>
#include <mutex>
#include <thread>

#include "base/log.hpp"
#include "base/thread_name.hpp"

namespace howdah::proxy {

using namespace std::chrono_literals;

namespace {

int loop_count(const config::Settings& settings) {
    constexpr int kMost = static_cast<int>(pool::kLoopsMax);
    if (settings.loops > 0) {
        return std::min(settings.loops, kMost);
    }
    return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMost);
}

net::Backend backend_of(config::LoopBackend backend) {
    switch (backend) {
        case config::LoopBackend::kIoUring:
            return net::Backend::kUring;
        case config::LoopBackend::kEpoll:
            return net::Backend::kEpoll;
        case config::LoopBackend::kAuto:
            break;
    }
    return net::Backend::kAuto;
}

auto of_family(int family) {
    return [family](const net::Address& address) { return address.family() == family; };
}

// Whether who listens on `own` has the connections to this address already.
bool covers(const std::vector<net::Address>& own, const net::Address& address) {
    return std::ranges::any_of(own, [&](const net::Address& one) {
        return one == address || (one.is_any() && one.family() == address.family());
    });
}

}  // namespace

Proxy::Proxy(config::ConfigPtr config) : shared_(std::move(config)) {}

Proxy::~Proxy() {
    stop();
}

Result<> Proxy::load_tls(const config::Config& config) {
    auto contexts = TlsContexts::create(config);
    if (!contexts) {
        log::error("TLS setup failed: {}", contexts.error().message);
        return fail_in("TLS setup failed", std::move(contexts).error());
    }
    shared_.publish_tls(std::move(*contexts));
    return {};
}

Result<std::vector<net::Address>> Proxy::addresses_of(const std::string& host) const {
    const auto port = static_cast<std::uint16_t>(shared_.config()->settings.listen_port);
    if (host == "*") {
        return std::vector{*net::Address::numeric("0.0.0.0", port),
                           *net::Address::numeric("::", port)};
    }
    if (auto numeric = net::Address::numeric(host, port)) {
        return std::vector{*numeric};
    }
    return net::resolve_blocking(host, port);
}

// As PgBouncer: one address of several that cannot be had is a warning. What a machine lacks today
// (an interface, IPv6) should not keep away who comes by another way.
Result<> Proxy::listen_tcp() {
    const config::ConfigPtr config = shared_.config();
    net::ListenOptions options;
    options.backlog = config->settings.listen_backlog;
    options.reuse_port = config->settings.so_reuseport;
    options.tcp = tcp_options(config->settings);
    std::vector<net::Address> own;
    std::vector<Error> failures;
    for (const std::string& host : config->settings.listen_addr.names) {
        TRY(const std::vector<net::Address> addresses, addresses_of(host));
        for (const net::Address& address : addresses) {
            if (covers(own, address)) {
                log::warning("listen_addr names {} more than once", address.to_string());
                continue;
            }
            auto fd = net::listen_on(address, options);
            if (!fd) {
                failures.push_back(std::move(fd).error());
                if (address.is_any() && std::ranges::any_of(own, of_family(address.family()))) {
                    failures.back().hint = "listen_addr names a part of it before";
                }
                continue;
            }
            own.push_back(address);
            net::set_defer_accept(*fd, config->settings.tcp_defer_accept);
            listeners_.push_back({*fd, false});
            listening_on_.push_back(address.to_string());
            log::info("listening on {}", address.to_string());
        }
    }
    if (!failures.empty() && own.empty()) {
        return fail(std::move(failures.front()));
    }
    for (const Error& failure : failures) {
        log::warning("{}{}", failure.message, failure.hint.empty() ? "" : ": " + failure.hint);
    }
    return {};
}

Result<> Proxy::listen_unix() {
    const config::ConfigPtr config = shared_.config();
    const config::Settings& settings = config->settings;
    if (settings.unix_socket_dir.empty() || settings.listen_port == 0) {
        return {};
    }
    const std::string path =
        fmt::format("{}/.s.PGSQL.{}", settings.unix_socket_dir, settings.listen_port);
    net::ListenOptions options;
    options.backlog = settings.listen_backlog;
    options.unix_mode = static_cast<std::uint32_t>(settings.unix_socket_mode);
    options.unix_group = settings.unix_socket_group;
    TRY(const int fd, net::listen_on(net::Address::unix_path(path), options));
    listeners_.push_back({fd, true});
    listening_on_.push_back(path);
    unix_paths_.push_back(path);
    log::info("listening on unix:{}", path);
    return {};
}

Result<> Proxy::listen() {
    TRY_VOID(listen_tcp());
    return listen_unix();
}

// Clients get what the process may open but for a reserve: without connections to servers they
// could do nothing.
void Proxy::reserve_descriptors(const config::Settings& settings) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    const auto soft = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1'000'000'000));
    const int reserve = std::clamp(soft / 10, 16, 1000);
    shared_.client_descriptors_max = std::max(soft - reserve, 1);
    log::info("kernel file descriptor limit: {}; max_client_conn: {}, kept for servers: {}", soft,
              settings.max_client_conn, reserve);
    if (settings.max_client_conn > shared_.client_descriptors_max) {
        log::warning("max_client_conn is {}, but {} file descriptors leave room for {} clients",
                     settings.max_client_conn, soft, shared_.client_descriptors_max);
    }
}

void Proxy::adopt_listener(int fd) {
    const net::Address address = net::bound_address(fd);
    listeners_.push_back({.fd = fd, .is_unix = address.is_unix(), .inherited = true});
    listening_on_.push_back(address.to_string());
    if (address.is_unix() && !address.host().starts_with("@")) {
        unix_paths_.push_back(address.host());
    }
    log::info("listening on {}{}", address.is_unix() ? "unix:" : "", address.to_string());
}

// Connections to come have the options of their listening socket.
void Proxy::set_tcp_options(const config::Settings& settings) {
    for (const Listener& listener : listeners_) {
        net::apply_tcp_options(listener.fd, tcp_options(settings));
    }
}

// What SHOW FDS gives to a process that takes over.
void Proxy::publish_listeners() {
    std::vector<ListeningSocket> sockets;
    for (const Listener& listener : listeners_) {
        const net::Address address = net::bound_address(listener.fd);
        sockets.push_back(
            {listener.fd, listener.is_unix ? "unix" : address.host(),
             listener.is_unix ? shared_.config()->settings.listen_port : int{address.port()}});
    }
    shared_.control().set_listeners(std::move(sockets));
}

Result<> Proxy::start(std::vector<int> inherited_sockets) {
    const config::ConfigPtr config = shared_.config();
    TRY_VOID(load_tls(*config));
    reserve_descriptors(config->settings);
    if (inherited_sockets.empty()) {
        TRY_VOID(listen());
    } else {
        for (const int fd : inherited_sockets) {
            adopt_listener(fd);
        }
    }
    if (listeners_.empty()) {
        return fail(ErrorCode::kInvalidInput,
                    "nothing to listen on: set listen_addr and listen_port, or unix_socket_dir");
    }
    publish_listeners();
    TRY_VOID(start_loops());
    backend_name_ = loops_[0]->loop->backend_name();
    for (const auto& loop : loops_) {
        shared_.workers.push_back(loop->worker.get());
    }
    on_every_worker([this](Worker& worker) {
        if (worker.index() == 0) {
            for (const Listener& listener : listeners_) {
                start_accept(listener);
            }
        }
    });
    return {};
}

// All of them, or none: one that cannot be made ends the others before they have begun.
Result<> Proxy::start_loops() {
    const config::ConfigPtr config = shared_.config();
    const auto count = static_cast<std::size_t>(loop_count(config->settings));
    std::latch made(static_cast<std::ptrdiff_t>(count));
    std::latch decided(1);
    std::latch ready(static_cast<std::ptrdiff_t>(count));
    std::vector<std::string> failures(count);
    bool all_made = false;
    for (std::size_t i = 0; i < count; ++i) {
        loops_.push_back(std::make_unique<LoopThread>());
    }
    const net::Backend backend = backend_of(config->settings.backend);
    for (std::size_t i = 0; i < count; ++i) {
        // io_uring binds a ring to the thread that made it: each loop is made where it runs.
        loops_[i]->thread = std::thread([&, this, i] {
            name_this_thread("howdah-loop-" + std::to_string(i));
            LoopThread& own = *loops_[i];
            auto loop = net::make_loop(backend);
            if (!loop) {
                failures[i] = loop.error().message;
            }
            made.count_down();
            decided.wait();
            if (!all_made) {
                return;
            }
            own.loop = std::move(*loop);
            own.worker =
                std::make_unique<Worker>(*own.loop, shared_, static_cast<std::uint32_t>(i));
            own.tasks = std::make_unique<net::TaskGroup>();
            own.tasks->spawn(own.worker->keep_house());
            ready.count_down();  // what start_loops() holds is gone from here on
            own.loop->run();
            own.tasks.reset();
            own.worker.reset();
            own.loop.reset();
        });
    }
    made.wait();
    const auto failed =
        std::ranges::find_if(failures, [](const auto& one) { return !one.empty(); });
    all_made = failed == failures.end();
    decided.count_down();
    if (all_made) {
        ready.wait();
        return {};
    }
    for (const auto& entry : loops_) {
        entry->thread.join();
    }
    return fail(ErrorCode::kUnavailable, "could not start an event loop: " + *failed);
}

// Runs on the first loop.
void Proxy::start_accept(const Listener& listener) {
    loops_[0]->loop->start_accept(
        listener.fd, [this, inherited = listener.inherited](net::Accepted accepted) {
            if (inherited) {  // it waited there, perhaps, since before the socket had our options
                net::apply_tcp_options(accepted.fd, tcp_options(shared_.config()->settings));
            }
            place(accepted);
        });
}

// Runs on the first loop.
void Proxy::place(net::Accepted accepted) {
    Worker* worker = shared_.workers[next_loop_++ % shared_.workers.size()];
    if (worker->index() == 0) {
        worker->accept(accepted);
    } else {
        worker->loop().post([worker, accepted] { worker->accept(accepted); });
    }
}

void Proxy::adopt(ClientState state, int fd, int server_fd) {
    adopt_client(shared_.workers, std::move(state), fd, server_fd);
}

void Proxy::on_every_worker(const std::function<void(Worker&)>& work) {
    std::latch done(static_cast<std::ptrdiff_t>(loops_.size()));
    for (const auto& entry : loops_) {
        Worker* worker = entry->worker.get();
        worker->loop().post([worker, &work, &done] {
            work(*worker);
            done.count_down();
        });
    }
    done.wait();
}

Result<> Proxy::reconfigure(config::ConfigPtr config, bool keep_old_tls) {
    if (auto loaded = load_tls(*config); !loaded && !keep_old_tls) {
        return loaded;
    }
    set_tcp_options(config->settings);
    shared_.publish(std::move(config));
    on_every_worker([](Worker& worker) { worker.reconfigure(); });
    log::debug("the new configuration is in force");
    return {};
}
void Proxy::stop_listening(bool keep_unix) {
    keep_unix = keep_unix && !shared_.control().handed_over();
    std::vector<Listener> closing;
    for (const Listener& listener : listeners_) {
        if (!keep_unix || !listener.is_unix) {
            closing.push_back(listener);
        }
    }
    std::erase_if(listeners_, [&](const Listener& own) { return !keep_unix || !own.is_unix; });
    on_every_worker([&closing](Worker& worker) {
        for (const Listener& listener : closing) {
            if (worker.index() == 0) {
                worker.loop().stop_accept(listener.fd);
            }
        }
    });
    for (const Listener& listener : closing) {
        ::close(listener.fd);
    }
    // What another process has taken over is its own to remove.
    if (!keep_unix && !shared_.control().handed_over()) {
        for (const std::string& path : std::exchange(unix_paths_, {})) {
            ::unlink(path.c_str());
        }
    }
}

void Proxy::ask_clients_to_leave() {
    on_every_worker([](Worker& worker) {
        for (const auto& [id, session] : worker.sessions()) {
            session->end_when_idle("57P01", "the proxy is shutting down");
        }
    });
}

void Proxy::apply_pauses() {
    on_every_worker([](Worker& worker) { worker.apply_pauses(); });
}

std::size_t Proxy::servers() {
    std::atomic<std::size_t> count{0};
    on_every_worker([&count](Worker& worker) {
        for (const auto& [key, entry] : worker.pools()) {
            count += entry->pool().servers().size();
        }
    });
    return count;
}

// Loops end together, after the last session anywhere: the console asks all of them.
void Proxy::shut_down_workers() {
    std::latch all_down(static_cast<std::ptrdiff_t>(loops_.size()));
    for (const auto& entry : loops_) {
        LoopThread* own = entry.get();
        own->loop->post([own, &all_down] {
            own->tasks->spawn([](LoopThread& self, std::latch& down) -> net::Task<void> {
                co_await self.worker->shut_down();
                down.count_down();
            }(*own, all_down));
        });
    }
    all_down.wait();
    for (const auto& entry : loops_) {
        LoopThread* own = entry.get();
        own->loop->post([own] {
            own->tasks->spawn([](LoopThread& self) -> net::Task<void> {
                // keep_house() ends by itself; the loop stops when it has.
                co_await self.loop->sleep(150ms);
                self.loop->stop();
            }(*own));
        });
    }
}

void Proxy::stop() {
    if (std::exchange(stopped_, true)) {
        return;
    }
    if (!shared_.workers.empty()) {
        stop_listening(false);
        shut_down_workers();
    }
    for (const auto& entry : loops_) {
        if (entry->thread.joinable()) {
            entry->thread.join();
        }
    }
}

}  // namespace howdah::proxy
