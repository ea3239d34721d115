// Worker: everything of the proxy on one loop: its sessions, its pools, its caches of statements.
// The loop's thread owns it; others talk to it by posting to the loop.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/query_event.hpp"
#include "base/ring.hpp"
#include "config/config.hpp"
#include "net/loop.hpp"
#include "proxy/auth_lookup.hpp"
#include "proxy/pool_entry.hpp"
#include "proxy/prepared.hpp"
#include "proxy/recorder.hpp"
#include "proxy/session.hpp"
#include "proxy/shared.hpp"
#include "proxy/stats.hpp"
#include "proxy/tag_table.hpp"
#include "proxy/tap.hpp"
#include "proxy/verifier_cache.hpp"
#include "server/parameters.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::proxy {

// The console's database, as SHOW has it: "pgbouncer" where PgBouncer's place was taken.
const std::string& console_name(const config::Config& config);

class Worker {
  public:
    Worker(net::Loop& loop, Shared& shared, std::uint32_t index);
    ~Worker();

    // A new connection, on this loop.
    void accept(net::Accepted accepted);
    void accept(std::unique_ptr<net::Stream> stream, bool out_of_descriptors = false);
    // A client of the process before us.
    void adopt(ClientState state, int fd, int server_fd);
    // From now on clients go to the process that takes over, each between two transactions.
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
    // Never the same again, on any loop.
    std::uint64_t next_stamp() { return std::uint64_t{index_} << 48 | ++stamps_; }
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

    // Finds the session a cancel request names, on whatever loop, and cancels it there. Whoever
    // asked is told by Session::cancel_taken() when the server has it, or when nothing is to be
    // done.
    void route_cancel(std::uint32_t pid, std::string key, std::uint64_t asking_session);
    // The process id a client is told; may mark its key so that peers know whose it is.
    std::uint32_t cancel_pid_for(std::uint64_t session_id, std::string& key) const;
    // Sends a cancel for what `server` runs; it is not lent again before that is over.
    void cancel_server(PoolEntry& entry, pool::Pooled* server, Asker asker);
    // Gives a server back to its pool, once no cancel request for it is under way.
    void give_back(PoolEntry& entry, pool::Pooled* server);
    // Brings a server whose client is gone to rest and back to its pool.
    void recover(PoolEntry& entry, pool::Pooled* server, Recovery recovery);
    // Parameter values that some server has taken: a client with these need not wait for one.
    bool parameters_known_good(const server::ParameterSetPtr& parameters) const {
        return good_parameters_.contains(parameters);
    }
    void note_good_parameters(const server::ParameterSetPtr& parameters);

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
    void refuse_waiting();
    void tend_pools();
    void keep_minimum_pools();
    void close_outdated();
    net::Task<void> forward_cancel(int peer_id, std::uint32_t pid, std::string key, Asker asker);
    net::Task<void> recover_task(PoolEntry& entry, pool::Pooled* server, Recovery recovery);
    net::Task<bool> drain_server(PoolEntry& entry, pool::Pooled& server, Recovery recovery);
    void hear_answer(PoolEntry& entry, char type, std::span<const std::uint8_t> body,
                     std::optional<HiddenCode::Question>& question);
    net::TimePoint cancel_deadline() const;
    net::Task<void> cancel_task(PoolEntry& entry, pool::Pooled* server, Asker asker);

    net::Loop& loop_;
    Shared& shared_;
    const std::uint32_t index_;
    std::uint64_t stamps_ = 0;
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
    net::TimePoint lends_no_more_since_{};
    std::map<int, int> peer_cancels_;
    net::TimePoint minimum_kept_at_{};
    net::TimePoint stats_newer_at_{};
    net::TimePoint stats_older_at_{};
    net::TaskGroup tasks_;
};

// A client of another process, with its server or -1: to the loop that its cancel requests will be
// sent to, if there is one of that number. Takes the descriptors. Any thread.
void adopt_client(const std::vector<Worker*>& workers, ClientState state, int fd, int server_fd);

}  // namespace howdah::proxy
