#include "proxy/recorder.hpp"

#include <algorithm>
#include <utility>

namespace howdah::proxy {

void Recorder::record(const QueryEvent& event, const sql::Statement* statement,
                      const net::Stream& client) {
    ++recorded_;
    ++fresh_;
    FingerprintEntry& entry =
        statement != nullptr ? fingerprints_.entry(*statement) : fingerprints_.other();
    ++entry.calls;
    entry.errors += event.sqlstate[0] != '\0' ? 1U : 0U;
    entry.rows += event.rows;
    entry.bytes_in += event.bytes_in;
    entry.bytes_out += event.bytes_out;
    entry.queue_us += event.queue_us;
    entry.server_us += event.server_us;
    entry.cache_us += event.cache_us;
    entry.server_us_max = std::max<std::uint64_t>(entry.server_us_max, event.server_us);
    const net::TimePoint now = client.loop().now();
    if (waiting_.size() >= kWaitingMax) {
        publish(waiting_.front(), now);
        waiting_.erase(waiting_.begin());
    }
    waiting_.push_back({event, &client, now, 0});
}

// Whether the client's kernel has all that was written up to the first look.
bool Recorder::taken(Waiting& waiting) {
    const std::uint64_t written = waiting.client->bytes_written();
    const std::uint64_t unsent = waiting.client->unsent();
    if (unsent == 0) {
        return true;
    }
    if (waiting.position == 0) {
        waiting.position = written;
    }
    return written >= waiting.position + unsent;
}

void Recorder::publish(Waiting& waiting, net::TimePoint end) {
    const auto took = (end - waiting.answered).count();
    if (took > 0) {
        waiting.event.network_us =
            static_cast<std::uint32_t>(std::min<std::int64_t>(took, UINT32_MAX));
        fingerprints_.add_network(waiting.event.fingerprint, waiting.event.network_us);
    }
    ring_.push(waiting.event);
}

void Recorder::settle_some() {
    // A statement whose client reads is looked at twice at most: at the end of its own turn and at
    // the next one's, when io_uring tells what it has sent.
    std::size_t looks = kLooksPerTurn + 2 * std::exchange(fresh_, 0);
    if (next_look_ >= waiting_.size()) {
        next_look_ = 0;
    }
    const std::size_t begin = next_look_;
    const std::size_t end = std::min(waiting_.size(), begin + looks);
    looks -= end - begin;
    next_look_ = settle_range(begin, end);
    if (next_look_ == waiting_.size()) {  // once round, for those behind come anew in every turn
        next_look_ = settle_range(0, std::min(begin, looks));
    }
}

// Publishes those of [begin, end) that were taken; where the range ends then.
std::size_t Recorder::settle_range(std::size_t begin, std::size_t end) {
    std::size_t kept = begin;
    for (std::size_t i = begin; i < end; ++i) {
        if (taken(waiting_[i])) {
            publish(waiting_[i], waiting_[i].client->taken_at());
        } else {
            if (kept != i) {
                waiting_[kept] = waiting_[i];
            }
            ++kept;
        }
    }
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(kept),
                   waiting_.begin() + static_cast<std::ptrdiff_t>(end));
    return kept;
}

void Recorder::part(const net::Stream& client, net::TimePoint now) {
    std::erase_if(waiting_, [&](Waiting& waiting) {
        if (waiting.client != &client) {
            return false;
        }
        publish(waiting, taken(waiting) ? client.taken_at() : now);
        return true;
    });
}

void Recorder::finish(net::TimePoint now) {
    for (Waiting& waiting : waiting_) {
        publish(waiting, now);
    }
    waiting_.clear();
}

}  // namespace howdah::proxy
