// Pool: the server connections of one database and user, on one loop. Lends them to sessions, first
// come first served, and keeps them healthy.
//
//                    launch                 login ok            acquire
//     (nothing) ---------------> connecting -----------> idle <---------> leased
//                                     | failed             ^  release (clean)  |
//                                     v                    |                   | release (dirty)
//                                  (error to waiters)      +---- resetting <---+
//                                                          +---- checking  <--- acquire after
//                                                                               server_check_delay
//
// 1. A connection is in exactly one state; a leased one has exactly one holder.
// 2. Waiters are served in the order in which they came. While somebody waits, nothing is idle.
// 3. connections() never exceeds the pool's size plus its reserve, nor the quotas it counts in, but
//    by those that came with their holders from another process (adopt_lent()).
// 4. A connection that is not provably at rest (status I, no unread bytes) is closed, never lent.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/loop.hpp"
#include "pool/commons.hpp"
#include "pool/types.hpp"
#include "server/server_connection.hpp"

namespace howdah::pool {

// What one loop's pool asks of another's.
enum class Plea : std::uint8_t { kSpareOne, kLookAgain };

// What the pool asks of its surroundings.
class Host {
  public:
    virtual ~Host() = default;
    // The next server to connect to; may rotate over hosts. Suspends (names are resolved).
    virtual net::Task<Result<server::Target>> next_target() = 0;
    // A quota is full: close an idle connection of another pool that counts in it. True if done.
    virtual bool evict_idle(const Quota& quota) = 0;
    // A client on the loop of `seat` waits: send it this connection, or tell it to look again.
    virtual void send_over(std::size_t seat, std::unique_ptr<ServerConnection> connection,
                           net::Detached detached) = 0;
    // The loop of `seat` has an idle connection that this one could use, or may open one now.
    virtual void ask_neighbour(std::size_t seat, Plea plea) = 0;
    // What a connection that is being made is to be asked when it is logged in, if anything.
    virtual std::string question() { return {}; }
    virtual void on_connected(Pooled& server) = 0;
    // After on_connect_failed(): true when the next target may work at once (another host).
    virtual bool may_retry_now() = 0;
    virtual void on_connect_failed(const Pooled& server, const Error& error) = 0;
    virtual void on_closed(Pooled& server, const std::string& reason) = 0;
    // A connection beyond the pool's size is opened for those who wait.
    virtual void on_reserve_used() = 0;
    // Numbers for connections, unique in the process.
    virtual std::uint64_t next_id() = 0;
};

class Pool {
  public:
    // `commons` is shared by the pools of this database and user on all loops; `seat` is this
    // loop's place in it.
    Pool(net::Loop& loop, Host& host, Options options, std::vector<Quota*> quotas,
         std::shared_ptr<Commons> commons, std::size_t seat);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // A connection now, or null: then `waiter` is queued, and its event tells when `granted` or
    // `refused` is set.
    Pooled* acquire(Waiter& waiter, void* holder);
    // A connection of the waiter's own, logged in with these parameters, closed when given back.
    void acquire_dedicated(Waiter& waiter,
                           std::vector<std::pair<std::string, std::string>> startup);
    // Stops waiting; gives back what was granted meanwhile.
    void cancel(Waiter& waiter);
    // Gives a connection back. It must be at rest, else it is closed.
    void release(Pooled* server);
    void close(Pooled* server, const std::string& reason);
    // Closes one that was lent and is of no use. A new one may be no better than it: where it had
    // served nobody yet, the next is launched after a pause, as after a failed login.
    void close_spoiled(Pooled* server, const std::string& reason);

    // A few times a second: timeouts, minimum size, reserve.
    void tick();
    void reconfigure(Options options);
    // While paused nothing is lent, waiters wait, and connections are closed as they come back.
    void set_paused(bool paused);
    bool paused() const { return paused_; }
    // Every connection is closed once it is given back; idle ones now.
    void reconnect(const std::string& reason);
    // Fails all who wait.
    void refuse_waiters(const Error& error);
    // Suspends until nothing of this pool runs any more; every lease must have been returned.
    net::Task<void> shut_down();

    Counts counts() const;
    // Idle for so long that it is checked before it is lent.
    bool check_due(const Pooled& server) const { return needs_check(server); }
    bool leases_out() const { return leased_ > 0; }
    net::TimePoint oldest_wait() const;
    const Options& options() const { return options_; }
    // What invariant 3 allows, were the quotas this pool's alone.
    int connections_max() const;
    const std::vector<std::unique_ptr<Pooled>>& servers() const { return servers_; }
    const std::deque<Waiter*>& waiters() const { return waiters_; }
    // What a server of this database and user reported at login, to this loop or another, for
    // greeting clients; null before the first.
    std::shared_ptr<const Greeting> greeting() const { return commons_->greeting(); }
    const std::optional<Error>& last_failure() const { return last_failure_; }
    bool close_one_idle(const std::string& reason);
    // --- From and to other processes ---
    // A connection whose holder comes with it. It takes a place, and there need not be one free. It
    // is closed when it is given back: this pool's name may stand for another server.
    Pooled* adopt_lent(std::unique_ptr<ServerConnection> connection, void* holder);
    // Its holder goes, and takes it along: what its stream was is somebody else's.
    void part_with(Pooled* server);
    // --- From other loops, on this one ---
    void adopt(std::unique_ptr<ServerConnection> connection);
    void heed(Plea plea);
    net::Loop& loop() const { return loop_; }

  private:
    void launch_wanted();
    bool may_launch(bool reserve);
    void launch(bool reserve);
    Pooled* add_connecting();
    // pool_dedicated.cpp
    void launch_dedicated();
    net::Task<void> connect_dedicated(Pooled* server);
    void refuse_dedicated(Pooled* server, Waiter* waiter, Error error);
    void forget_dedicated(Waiter& waiter);
    net::Task<void> connect(Pooled* server);
    void connect_failed(Pooled* server, Error error);
    bool connected_any() const;
    bool none_will_come() const;
    Error cached_failure() const;
    void became_idle(Pooled* server);
    void grant(Pooled* server, Waiter& waiter);
    bool at_rest(const Pooled& server) const;
    bool needs_check(const Pooled& server) const;
    bool outlived(const Pooled& server) const;
    std::string why_closed(const Pooled& server) const;
    // pool_upkeep.cpp
    net::Task<void> check(Pooled* server);
    net::Task<void> reset(Pooled* server);
    net::Task<bool> run_query(Pooled& server, const std::string& sql, net::Duration limit);
    net::Task<void> watch_idle();
    void drain_idle(Pooled& server);
    void forget(Pooled* server);
    void empty_graveyard();
    int limit(bool reserve) const { return options_.size + (reserve ? options_.reserve_size : 0); }
    bool is_refusal(const Error& error) const;
    net::Duration pause_after(const Error& error);
    void grow_pause();
    bool server_may_be_back_soon() const;
    // A place in the commons and in every quota, or none at all.
    bool reserve_place(bool reserve);
    void give_up_place();
    // pool_neighbours.cpp
    void publish();
    bool send_to_neighbour(Pooled* server);
    net::Task<void> move(Pooled* server, std::size_t seat);
    void beg();

    net::Loop& loop_;
    Host& host_;
    Options options_;
    std::vector<Quota*> quotas_;
    std::shared_ptr<Commons> commons_;
    std::size_t seat_;
    std::vector<std::unique_ptr<Pooled>> servers_;
    std::vector<std::unique_ptr<Pooled>> graveyard_;  // closed; emptied by tick()
    std::deque<Pooled*> idle_;
    std::deque<Waiter*> waiters_;
    std::deque<Waiter*> dedicated_waiters_;
    std::optional<Error> last_failure_;  // of the latest login; none once one succeeded
    net::TimePoint retry_at_{};
    net::Duration retry_pause_{};  // before retry_at_
    net::Event idle_event_;
    net::TaskGroup tasks_;
    std::uint64_t reconnects_ = 0;  // how often reconnect() was called
    int leased_ = 0;
    int connecting_ = 0;
    bool paused_ = false;
    bool closing_ = false;
};

}  // namespace howdah::pool
