// SimLoop: the simulated backend. In-memory connections on a clock of its own that jumps to the
// next thing due, so that a day of timeouts takes milliseconds. Owned by a test, single-threaded.
//
// 1. One seed draws everything: how bytes are cut, delayed, stalled, reset. The same seed and the
//    same code give the same trace, hash and all.
// 2. Production code runs on it unchanged: connect, accept, adopt, streams, deadlines, TLS.
// 3. Descriptors are numbers of its own, from kFirstFd on; what closes one with ::close() closes
//    nothing (drop() does).
// 4. Work posted from other threads is not simulated.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>

#include "base/prng.hpp"
#include "net/loop.hpp"
#include "net/stream.hpp"

namespace howdah::net {

// What goes wrong, and how often. Probabilities are drawn for each piece of bytes that is sent, but
// for `refuse` (each connect) and `slow` (each new connection).
struct SimFaults {
    Duration delay_min = std::chrono::microseconds(10);
    Duration delay_max = std::chrono::microseconds(100);
    std::size_t piece_max = 16384;  // pieces are of 1 to this many bytes
    double reset = 0;
    double stall = 0;
    Duration stall_max = std::chrono::seconds(2);
    double refuse = 0;
    double slow = 0;  // a reader whose window is kSlowWindow
};

class SimLoop final : public Loop {
  public:
    explicit SimLoop(std::uint64_t seed, SimFaults faults = {});
    ~SimLoop() override;

    static constexpr int kFirstFd = 1'000'000;
    // Bytes sent and not yet taken by the reader; more waits at the sender.
    static constexpr std::size_t kWindow = 65536;
    static constexpr std::size_t kSlowWindow = 512;

    // --- What a test does with it ---
    // A listening descriptor for start_accept(). The address must be free.
    int listen(const Address& address);
    // Nobody listens any more: connects are refused from now on.
    void close_listener(int fd);
    // Closes an accepted connection that nobody adopted.
    void drop(int fd);
    // Resets every connection made to this address: its server crashed.
    void reset_connections(const Address& address);
    void set_faults(const SimFaults& faults) { faults_ = faults; }
    Prng& prng() { return prng_; }

    // Turns until `done` is true; false when that did not happen by `limit` of simulated time, or
    // when nothing is left that could happen (stalled()).
    bool run_until(const std::function<bool()>& done, Duration limit);
    // One turn; false when nothing was left that could happen.
    bool step();
    // Nothing is armed, under way or ready: without the test nothing will ever happen.
    bool stalled() const { return stalled_; }
    // Over everything that happened: what, when, on which connection, with which bytes.
    std::uint64_t trace_hash() const { return trace_; }
    std::uint64_t events() const { return event_number_; }
    std::size_t open_connections() const { return ends_.size(); }

    // --- Loop ---
    std::int64_t wall_us() const override;
    std::string_view backend_name() const override { return "simulated"; }
    std::unique_ptr<Stream> adopt(int fd, PeerInfo peer) override;
    Task<Result<std::unique_ptr<Stream>>> connect(Address address, TimePoint deadline) override;
    void start_accept(int fd, AcceptHandler handler) override;
    void stop_accept(int fd) override;

  protected:
    void wait_and_dispatch(TimePoint until) override;
    bool lingering() const override { return lingering_ > 0; }
    void wake() override {}
    TimePoint read_clock() const override { return now(); }

  private:
    friend class SimTransport;
    struct End;
    struct Listener;
    enum class What : std::uint8_t { kConnect, kAccept, kRefuse, kBytes, kEnd, kReset, kRoom };

    void at(TimePoint when, std::move_only_function<void()> work);
    void trace(What what, std::uint64_t connection, std::string_view bytes = {});
    Duration draw_delay();
    std::shared_ptr<End> connect_now(const Address& address);
    void hand_over(Listener& listener);
    void send(const std::shared_ptr<End>& from, std::string bytes);
    void send_end(const std::shared_ptr<End>& from, int error);
    void end_at(std::weak_ptr<End> end, int error, TimePoint when);
    void end_now(const std::shared_ptr<End>& end, int error);
    void arrive(const std::shared_ptr<End>& to, std::string bytes);
    void make_room(const std::shared_ptr<End>& reader, std::size_t bytes);
    void close(const std::shared_ptr<End>& end);

    Prng prng_;
    SimFaults faults_;
    std::map<std::pair<TimePoint, std::uint64_t>, std::move_only_function<void()>> queue_;
    std::map<int, std::unique_ptr<Listener>> listeners_;
    std::map<std::uint64_t, std::shared_ptr<End>> ends_;  // by number, for reset_connections()
    std::unordered_map<int, std::shared_ptr<End>> unadopted_;
    std::uint64_t end_number_ = 0;
    std::uint64_t event_number_ = 0;
    std::uint64_t trace_ = 0xcbf29ce484222325ULL;
    int next_fd_ = kFirstFd;
    std::size_t lingering_ = 0;
    bool stalled_ = false;
    bool stepping_ = false;
    TimePoint limit_ = TimePoint::max();  // of run_until()
};

}  // namespace howdah::net
