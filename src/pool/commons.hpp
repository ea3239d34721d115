// Commons: what the pools of one database and user on different loops have in common: one limit,
// one queue in spirit, one greeting. Atomics, but for the greeting: nobody waits for anybody.
//
// 1. `connections` counts those open or being opened on all loops; who wants one more reserves it
//    with a compare-and-swap against the limit, so that a pool of 20 is 20 on any number of loops.
// 2. Each loop publishes in its seat since when its first client waits, and how many connections it
//    has idle. Publishing comes before looking at the others (both sequentially consistent), so of
//    one that goes idle and one that starts to wait at the same moment at least one sees the other.
// 3. A connection goes to another loop's client when nobody waits here, or when the other has
//    waited longer by kUnfairMax: first come, first served, to within that.
// 4. The greeting is what the latest server reported at its login, none before the first and after
//    RECONNECT, which every loop's pool is told: a login that is later than the last of them
//    counts. Its mutex is taken when a client or a server logs in, and at no other time.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace howdah::pool {

inline constexpr std::size_t kLoopsMax = 16;

// Moving a connection costs two wake-ups and a cancelled receive, some 10 us; waiting clients of
// one loop may be ahead of those of another by this much to save it.
inline constexpr std::chrono::microseconds kUnfairMax{2000};

// Parameters and their values, as a server spells them.
using Greeting = std::vector<std::pair<std::string, std::string>>;

struct Commons {
    static constexpr std::int64_t kNobody = std::numeric_limits<std::int64_t>::max();

    struct alignas(64) Seat {
        std::atomic<std::int64_t> waiting_since_us{kNobody};  // of the first in the queue
        std::atomic<int> idle{0};
    };

    std::atomic<int> connections{0};
    // Some client, on whatever loop, asked for currval() or lastval(): for who lends.
    std::atomic<bool> reads_sequences{false};
    std::array<Seat, kLoopsMax> seats;
    // Seats from here on were never taken: nobody looks at their cache lines.
    std::atomic<std::size_t> seats_taken{0};

    std::shared_ptr<const Greeting> greeting() const {
        const std::scoped_lock lock(greeting_mutex);
        return latest_greeting;
    }
    // Null: what was known may not be true any more.
    void set_greeting(std::shared_ptr<const Greeting> greeting) {
        const std::scoped_lock lock(greeting_mutex);
        latest_greeting.swap(greeting);
    }
    mutable std::mutex greeting_mutex;
    std::shared_ptr<const Greeting> latest_greeting;

    // Before a pool publishes anything in its seat.
    void take_seat(std::size_t seat) {
        std::size_t now = seats_taken.load();
        while (now <= seat && !seats_taken.compare_exchange_weak(now, seat + 1)) {
        }
    }

    // Takes a place under `limit`; false when there is none.
    bool reserve(int limit) {
        int now = connections.load();
        while (now < limit) {
            if (connections.compare_exchange_weak(now, now + 1)) {
                return true;
            }
        }
        return false;
    }
    // Takes one, limit or not.
    void take() { connections.fetch_add(1); }
    void give_up() { connections.fetch_sub(1); }

    // The other seat whose client has waited longest, if longer than since `mine`; -1: none.
    int longest_waiting(std::size_t own_seat, std::int64_t mine_us) const {
        int found = -1;
        std::int64_t oldest = mine_us;
        const std::size_t end = seats_taken.load();
        for (std::size_t seat = 0; seat < end; ++seat) {
            const std::int64_t since = seats[seat].waiting_since_us.load();
            if (seat != own_seat && since < oldest) {
                oldest = since;
                found = static_cast<int>(seat);
            }
        }
        return found;
    }
    // Another seat with an idle connection; -1: none.
    int idle_elsewhere(std::size_t own_seat) const {
        const std::size_t end = seats_taken.load();
        for (std::size_t seat = 0; seat < end; ++seat) {
            if (seat != own_seat && seats[seat].idle.load() > 0) {
                return static_cast<int>(seat);
            }
        }
        return -1;
    }
};

// Whom a set of connections counts for: max_db_connections, max_user_connections. 0 = no limit.
struct Quota {
    std::atomic<int> limit{0};
    std::atomic<int> used{0};
    bool full() const {
        const int most = limit.load(std::memory_order_relaxed);
        return most > 0 && used.load(std::memory_order_relaxed) >= most;
    }
    // Takes a place; false when there is none. Loops do so at the same time.
    bool reserve() {
        const int most = limit.load(std::memory_order_relaxed);
        int now = used.load(std::memory_order_relaxed);
        while (most <= 0 || now < most) {
            if (used.compare_exchange_weak(now, now + 1, std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }
    void take() { used.fetch_add(1, std::memory_order_relaxed); }
    void give_up() { used.fetch_sub(1, std::memory_order_relaxed); }
};

}  // namespace howdah::pool
