// Worker: everything of the proxy on one loop: its sessions, its pools, its caches of statements.
// The loop's thread owns it; others talk to it by posting to the loop.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/query_event.hpp"
#include "base/ring.hpp"
#include "config/config.hpp"
#include "net/loop.hpp"
#include "pool/pool.hpp"
#include "proxy/auth_lookup.hpp"
#include "proxy/client_counts.hpp"
#include "proxy/control.hpp"
#include "proxy/name_table.hpp"
#include "proxy/prepared.hpp"
#include "proxy/recorder.hpp"
#include "proxy/resolver.hpp"
#include "proxy/session.hpp"
#include "proxy/stats.hpp"
#include "proxy/tag_table.hpp"
#include "proxy/tap.hpp"
#include "proxy/tls_contexts.hpp"
#include "proxy/verifier_cache.hpp"
#include "server/parameters.hpp"
#include "sql/statement_cache.hpp"
#include "wire/password.hpp"

namespace howdah::proxy {

class Worker;

// The pool of one database and user, with what its sessions need to know of it.
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
    // What a client of this pool's user proved itself with, for logging in to the server in its
    // name. Wiped when nobody has used the pool for kOfferedMax.
    void offer_credentials(server::Credentials credentials);
    const server::Credentials& offered() const { return offered_; }
    // Several times a second.
    void keep_house();

    // pool::Host
    net::Task<Result<server::Target>> next_target() override;
    bool evict_idle(const pool::Quota& quota) override;
    void send_over(std::size_t seat, std::unique_ptr<ServerConnection> connection,
                   net::Detached detached) override;
    void ask_neighbour(std::size_t seat, pool::Plea plea) override;
    void on_connected(pool::Pooled& server) override;
    bool may_retry_now() override;
    void on_reserve_used() override;
    void on_connect_failed(const pool::Pooled& server, const Error& error) override;
    void on_closed(pool::Pooled& server, const std::string& reason) override;
    std::uint64_t next_id() override;
    // Whether nobody has used it for pool_idle_timeout.
    bool unused_for(net::Duration limit);

    PoolStats stats;
    StatsHistory history;
    std::uint32_t database_id = 0;
    std::uint32_t user_id = 0;
    int clients = 0;  // sessions that use it
    net::Duration query_wait_timeout{};
    net::Duration query_timeout{};
    net::Duration transaction_timeout{};
    net::Duration idle_transaction_timeout{};
    net::Duration client_idle_timeout{};
    bool any_timeout = false;
    bool reads_sequences = false;  // currval() or lastval() was asked for: see note_sequences()
    bool database_disabled = false;

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
    net::TimePoint offered_used_{};
    // Keys made from a password at the last login, and that password.
    std::optional<wire::ScramKeys> known_keys_;
    wire::Secret known_keys_password_;
    std::set<std::string> missing_;  // addresses that DNS did not tell the last time
    net::TimePoint dns_followed_at_{};
    bool keeps_minimum_ = false;
    bool following_dns_ = false;
    std::size_t next_record_ = 0;
    std::size_t failures_in_row_ = 0;
    std::size_t next_address_ = 0;
    std::size_t attempted_ = 0;
    std::size_t next_good_ = 0;
    std::unique_ptr<pool::Pool> pool_;
};

// What all workers share: read-mostly, or behind its own lock, never on the query path.
class Shared {
  public:
    explicit Shared(config::ConfigPtr config);
    config::ConfigPtr config() const;
    void publish(config::ConfigPtr config);
    std::atomic<int> clients{0};  // logged in or logging in, over all loops
    ClientCounts client_counts;   // by database and by user
    // Random, as long as the process lives: unknown users look like known ones, on every loop.
    const wire::Secret secret;
    // Clients whose descriptor is not below this are refused: servers need some too.
    int client_descriptors_max = 0;
    Resolver resolver;
    std::atomic<std::uint64_t> next_session{1};
    std::atomic<std::uint64_t> next_transaction{1};
    std::vector<Worker*> workers;  // set before the loops run
    // What the numbers in QueryEvents stand for.
    NameTable names{16'384};  // databases and users
    NameTable applications{4096};
    NameTable addresses{4096};  // of clients, without ports
    const std::uint64_t salt;   // of hashes in QueryEvents
    HandoverQueue& handover() { return handover_; }
    Control& control() { return control_; }
    const Control& control() const { return control_; }

    // What pools and limits have in common over all loops; made on first use, never taken away.
    std::shared_ptr<pool::Commons> commons(const std::string& database, const std::string& user);
    pool::Quota& database_quota(const std::string& database);
    pool::Quota& user_quota(const std::string& user);

    // Never null; replaced whole on reload.
    std::shared_ptr<const TlsContexts> tls() const;
    void publish_tls(std::shared_ptr<const TlsContexts> tls);

  private:
    mutable std::mutex mutex_;
    std::map<std::pair<std::string, std::string>, std::shared_ptr<pool::Commons>> commons_;
    std::map<std::string, std::unique_ptr<pool::Quota>> database_quotas_;
    std::map<std::string, std::unique_ptr<pool::Quota>> user_quotas_;
    config::ConfigPtr config_;
    Control control_;
    HandoverQueue handover_;
    std::shared_ptr<const TlsContexts> tls_ = std::make_shared<const TlsContexts>();
};

class Worker {
  public:
    Worker(net::Loop& loop, Shared& shared, std::uint32_t index);
    ~Worker();

    // A new connection, on this loop.
    void accept(net::Accepted accepted);
    void accept(std::unique_ptr<net::Stream> stream, bool out_of_descriptors = false);
    // A client of the process before us.
    void adopt(ClientState state, int fd);
    // From now on clients go to the process that takes over, as soon as they hold no server.
    void set_handing_over(bool on);
    bool handing_over() const { return handing_over_; }
    // Takes over the configuration that Shared holds now.
    void reconfigure();
    // Ends every session and pool. Suspends until all are gone.
    net::Task<void> shut_down();
    // Several times a second, by its own coroutine.
    net::Task<void> keep_house();

    net::Loop& loop() { return loop_; }
    Shared& shared() { return shared_; }
    std::uint32_t index() const { return index_; }
    const config::Config& config() const { return *config_; }
    const config::Settings& settings() const { return config_->settings; }
    const config::ConfigPtr& config_ptr() const { return config_; }
    server::ParameterInterner& parameters() { return parameters_; }
    PreparedRegistry& prepared() { return prepared_; }
    sql::StatementCache& statements() { return statements_; }
    net::TaskGroup& tasks() { return tasks_; }
    SpscRing<QueryEvent>& events() { return events_; }
    AuthLookups& auth_lookups() { return auth_lookups_; }
    VerifierCache& verifiers() { return verifiers_; }
    FingerprintStats& fingerprints() { return fingerprints_; }
    Recorder& recorder() { return recorder_; }
    TagTable& tags() { return tags_; }
    Tap& tap() { return tap_; }

    // The pool for a client's database and user; made on first use. Null: no such database.
    PoolEntry* pool_for(const std::string& database, const std::string& user);
    // The pool of this very user on the server, whatever user the database forces on its clients.
    PoolEntry* pool_as(const std::string& database, const std::string& server_user);
    std::map<std::pair<std::string, std::string>, std::unique_ptr<PoolEntry>>& pools() {
        return pools_;
    }
    std::unordered_map<std::uint64_t, std::unique_ptr<Session>>& sessions() { return sessions_; }
    std::uint32_t intern_name(const std::string& name) { return shared_.names.intern(name); }
    void count_client(int change);

    // Finds the session a cancel request names, on whatever loop, and cancels it there.
    void route_cancel(std::uint32_t pid, std::string key);
    // The process id a client is told; may mark its key so that peers know whose it is.
    std::uint32_t cancel_pid_for(std::uint64_t session_id, std::string& key) const;
    // Sends a cancel for what `server` runs; it is not lent again before that is over.
    void cancel_server(PoolEntry& entry, pool::Pooled* server);
    // Gives a server back to its pool, once no cancel request for it is under way.
    void give_back(PoolEntry& entry, pool::Pooled* server);
    // Brings a server whose client is gone to rest and back to its pool.
    void recover(PoolEntry& entry, pool::Pooled* server, Recovery recovery);
    // How the server of a session with these reported parameters reads a text.
    static sql::TextRules text_rules(const server::ParameterSet& reported);
    // Parameter values that some server has taken: a client with these need not wait for one.
    bool parameters_known_good(const server::ParameterSetPtr& parameters) const {
        return good_parameters_.contains(parameters);
    }
    void note_good_parameters(const server::ParameterSetPtr& parameters);
    static void fill_random(std::string& bytes);

    // --- For the console ---
    // The console's database: "howdah", or "pgbouncer" under a pgbouncer.ini.
    const std::string& console_name() const;
    // Every pool lends or holds back, and every session goes on or stands still, as Control says.
    void apply_pauses();
    bool suspended() const { return suspended_; }
    // SHUTDOWN WAIT_FOR_SERVERS: who has no server gets none.
    bool lends_no_more() const { return lends_no_more_; }
    // While suspended: nothing half sent is left; with `force` what is left is cut off.
    bool suspend_done(bool force);
    // Brings the pools' byte counters up to date.
    void settle_bytes();
    // How long ago the counters of StatsHistory::older were read.
    std::int64_t stats_age_us() const;
    // Cancel requests under way to this peer.
    int peer_cancels(int peer_id) const;

    PoolStats console_stats;
    StatsHistory console_history;
    std::uint64_t sessions_total = 0;
    std::uint64_t protocol_errors = 0;
    bool stopping = false;

  private:
    net::Task<void> run_session(Session* session);
    net::Task<void> roll_stats();
    net::Task<void> retire(std::unique_ptr<PoolEntry> entry);
    void tend_pools();
    void keep_minimum_pools();
    void close_outdated();
    net::Task<void> forward_cancel(int peer_id, std::uint32_t pid, std::string key);
    net::Task<void> recover_task(PoolEntry& entry, pool::Pooled* server, Recovery recovery);
    net::Task<bool> drain_server(pool::Pooled& server, Recovery recovery);
    net::TimePoint cancel_deadline() const;
    net::Task<void> cancel_task(PoolEntry& entry, pool::Pooled* server);

    net::Loop& loop_;
    Shared& shared_;
    const std::uint32_t index_;
    config::ConfigPtr config_;
    server::ParameterInterner parameters_;
    PreparedRegistry prepared_;
    sql::StatementCache statements_;
    FingerprintStats fingerprints_;
    SpscRing<QueryEvent> events_;
    Recorder recorder_;
    TagTable tags_;
    Tap tap_;
    VerifierCache verifiers_;
    AuthLookups auth_lookups_;
    std::map<std::pair<std::string, std::string>, std::unique_ptr<PoolEntry>> pools_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
    std::unordered_set<server::ParameterSetPtr> good_parameters_;
    bool suspended_ = false;
    bool handing_over_ = false;
    bool lends_no_more_ = false;
    std::map<int, int> peer_cancels_;
    net::TimePoint minimum_kept_at_{};
    net::TimePoint stats_newer_at_{};
    net::TimePoint stats_older_at_{};
    net::TaskGroup tasks_;
};

}  // namespace howdah::proxy
