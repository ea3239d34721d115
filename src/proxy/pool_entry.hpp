// PoolEntry: the pool of one database and user on one loop, with what its sessions need to know of
// it: limits and credentials from the configuration, addresses, counters.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "config/config.hpp"
#include "net/loop.hpp"
#include "pool/pool.hpp"
#include "proxy/hidden_code.hpp"
#include "proxy/stats.hpp"
#include "proxy/welcome_cache.hpp"
#include "server/server_connection.hpp"
#include "wire/password.hpp"

namespace howdah::proxy {

class Worker;
using server::ServerConnection;

net::TcpOptions tcp_options(const config::Settings& settings);

class PoolEntry final : public pool::Host {
  public:
    PoolEntry(Worker& worker, std::string database, std::string user);
    ~PoolEntry() override;

    pool::Pool& pool() { return *pool_; }
    const std::string& database() const { return database_; }
    const std::string& user() const { return user_; }
    const config::DatabaseSettings& database_settings() const { return settings_; }
    config::PoolMode mode() const { return mode_; }
    // Who we are on the server: the database's forced user, or the client's.
    const std::string& server_user() const { return user_; }
    // Takes over the current configuration.
    void reconfigure();
    // The database is configured no more: servers are closed as they come back, none is opened for
    // min_pool_size. Until reconfigure().
    void remove();
    bool removed() const { return removed_; }
    // What a client of this pool's user proved itself with, for logging in to the server in its
    // name. Wiped when nobody has used the pool for kOfferedMax.
    // `before_stored`: they go before the password that the auth_file has.
    void offer_credentials(server::Credentials credentials, bool before_stored = false);
    const server::Credentials& offered() const { return offered_; }
    // Several times a second.
    void keep_house();

    // Whether what texts do not tell of matters here: see hidden_code.hpp.
    bool watches_hidden_code() const;

    // pool::Host
    net::Task<Result<server::Target>> next_target() override;
    bool evict_idle(const pool::Quota& quota) override;
    void send_over(std::size_t seat, std::unique_ptr<ServerConnection> connection,
                   net::Detached detached) override;
    void ask_neighbour(std::size_t seat, pool::Plea plea) override;
    std::string question() override;
    void on_connected(pool::Pooled& server) override;
    bool may_retry_now() override;
    void on_reserve_used() override;
    void on_connect_failed(const pool::Pooled& server, const Error& error) override;
    void on_closed(pool::Pooled& server, const std::string& reason) override;
    std::uint64_t next_id() override;
    // Whether currval() or lastval() was asked for, on any loop: see Session::note_sequences().
    bool reads_sequences() const {
        return commons_->reads_sequences.load(std::memory_order_relaxed);
    }
    void note_sequences_read() { commons_->reads_sequences.store(true, std::memory_order_relaxed); }
    // Whether nobody has used it for pool_idle_timeout.
    bool unused_for(net::Duration limit);

    PoolStats stats;
    StatsHistory history;
    WelcomeCache welcomes;
    std::uint32_t database_id = 0;
    std::uint32_t user_id = 0;
    int clients = 0;                   // sessions that use it
    int cancels_under_way = 0;         // to its servers
    int client_cancels_under_way = 0;  // of these: a client waits for it
    net::Duration query_wait_timeout{};
    net::Duration query_timeout{};
    net::Duration transaction_timeout{};
    net::Duration idle_transaction_timeout{};
    net::Duration client_idle_timeout{};
    bool any_timeout = false;
    bool database_disabled = false;
    HiddenCode& hidden_code;  // of the database, on all loops

  private:
    pool::Options pool_options() const;
    net::Task<Result<>> choose_address(server::Target& target);
    void describe_target(server::Target& target) const;
    net::Task<void> follow_dns();
    void expire_credentials();
    bool has_scram_secret() const;
    Result<server::Credentials> server_credentials() const;
    std::string attempted_host() const;

    Worker& worker_;
    net::TimePoint last_used_{};
    std::string database_;
    std::string user_;
    config::DatabaseSettings settings_;
    config::PoolMode mode_ = config::PoolMode::kTransaction;
    server::Credentials offered_;
    bool offered_before_stored_ = false;
    net::TimePoint offered_used_{};
    // Keys made from a password at the last login, and that password.
    std::optional<wire::ScramKeys> known_keys_;
    wire::Secret known_keys_password_;
    std::set<std::string> missing_;  // addresses that DNS did not tell the last time
    net::TimePoint dns_followed_at_{};
    std::optional<HiddenCode::Question> question_;  // to a server that is logging in
    bool keeps_minimum_ = false;
    bool removed_ = false;
    bool following_dns_ = false;
    std::size_t next_record_ = 0;
    std::size_t failures_in_row_ = 0;
    std::size_t next_address_ = 0;
    std::size_t attempted_ = 0;
    std::size_t next_good_ = 0;
    std::shared_ptr<pool::Commons> commons_;
    std::unique_ptr<pool::Pool> pool_;
};

}  // namespace howdah::proxy
