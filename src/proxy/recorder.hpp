// Recorder: counts finished statements on one loop: sums by fingerprint, and an event for the ring.
// On the loop's thread; no lock, and no allocation once it has warmed up.
//
// An event goes out when the client has taken its answer, for only then is network_us known. In
// between it waits here:
//
//     record()  the last byte came from the server
//     settle()  the end of a turn: whose bytes have all been handed to the kernel is published,
//               with the time at which that was, not the one at which it is seen
//     part()    the client leaves: its events go out with the time so far
//
// 1. At most kWaitingMax wait; beyond, the oldest goes out with the time so far.
// 2. settle() looks at each that is new, now and in the next turn, and at kLooksPerTurn more:
//    many slow readers do not slow a turn down, nor do those who come keep it from them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/query_event.hpp"
#include "base/ring.hpp"
#include "net/stream.hpp"
#include "proxy/stats.hpp"

namespace howdah::proxy {

class Recorder {
  public:
    static constexpr std::size_t kWaitingMax = 1024;
    static constexpr std::size_t kLooksPerTurn = 64;

    Recorder(FingerprintStats& fingerprints, SpscRing<QueryEvent>& ring)
        : fingerprints_(fingerprints), ring_(ring) {}

    // `statement` may be null: nothing is known of the text. `client` must stay until part().
    void record(const QueryEvent& event, const sql::Statement* statement,
                const net::Stream& client);
    void settle() {
        if (!waiting_.empty()) {
            settle_some();
        }
    }
    void part(const net::Stream& client, net::TimePoint now);
    // Everything goes out.
    void finish(net::TimePoint now);
    [[nodiscard]] std::uint64_t recorded() const { return recorded_; }

  private:
    struct Waiting {
        QueryEvent event;
        const net::Stream* client;
        net::TimePoint answered;
        std::uint64_t position;  // of the client's output when it was first looked at; 0: not yet
    };
    void settle_some();
    std::size_t settle_range(std::size_t begin, std::size_t end);
    void publish(Waiting& waiting, net::TimePoint end);
    static bool taken(Waiting& waiting);

    FingerprintStats& fingerprints_;
    SpscRing<QueryEvent>& ring_;
    std::vector<Waiting> waiting_;
    std::size_t next_look_ = 0;
    std::size_t fresh_ = 0;  // recorded since the last settle()
    std::uint64_t recorded_ = 0;
};

}  // namespace howdah::proxy
