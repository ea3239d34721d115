// Proxy: the data plane as a whole. Starts the loops, listens, hands each new connection to the
// loop with the fewest clients; stops all of it in order. Called from one thread (main).
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "config/config.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

class Proxy {
  public:
    explicit Proxy(config::ConfigPtr config);
    ~Proxy();
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    // Listens and starts the loops. Errors name the address or file that could not be used.
    Result<> start(std::vector<int> inherited_sockets = {});
    // Puts a new configuration in force; the old one stays when it cannot be. keep_old_tls: what
    // cannot be used of the TLS files is reported, the rest of the configuration taken.
    Result<> reconfigure(config::ConfigPtr config, bool keep_old_tls = false);
    // A client of the process before us; takes the descriptor. Any thread.
    void adopt(ClientState state, int fd, int server_fd);
    // Accepts no more; with `keep_unix` the unix socket stays, for the console.
    void stop_listening(bool keep_unix);
    // Every client leaves as soon as it holds no transaction.
    void ask_clients_to_leave();
    // Every pool lends or holds back as Shared::control() says now.
    void apply_pauses();
    std::size_t servers();
    // Ends everything at once; returns when all threads are gone.
    void stop();

    Shared& shared() { return shared_; }
    std::string_view backend_name() const { return backend_name_; }
    const std::vector<std::string>& listening_on() const { return listening_on_; }
    // Runs `work` on every loop and returns when all have run it.
    void on_every_worker(const std::function<void(Worker&)>& work);

  private:
    struct LoopThread {
        std::unique_ptr<net::Loop> loop;
        std::unique_ptr<Worker> worker;
        std::unique_ptr<net::TaskGroup> tasks;
        std::thread thread;
    };

    Result<> listen();
    Result<> start_loops();
    // What an entry of listen_addr stands for.
    Result<std::vector<net::Address>> addresses_of(const std::string& host) const;
    Result<> listen_tcp();
    Result<> listen_unix();
    void adopt_listener(int fd);
    void publish_listeners();
    void set_tcp_options(const config::Settings& settings);
    Result<> load_tls(const config::Config& config);
    void reserve_descriptors(const config::Settings& settings);
    void shut_down_workers();

    Shared shared_;
    std::vector<std::unique_ptr<LoopThread>> loops_;
    struct Listener {
        int fd = -1;
        bool is_unix = false;
        bool inherited = false;
    };
    void start_accept(const Listener& listener);
    void place(net::Accepted accepted);
    std::vector<Listener> listeners_;
    std::vector<std::string> listening_on_;
    std::vector<std::string> unix_paths_;
    std::string backend_name_;
    std::size_t next_loop_ = 0;
    bool stopped_ = false;
};

}  // namespace howdah::proxy
