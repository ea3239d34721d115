#include "net/sim_loop.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>

namespace howdah::net {

// One end of a connection. What the other one sent waits in `inbox` until the reader wants it.
struct SimLoop::End {
    std::uint64_t number = 0;
    Address listener;
    PeerInfo peer;  // as this end sees the other one
    std::weak_ptr<End> other;
    Transport* transport = nullptr;  // null: nobody adopted it yet, or its stream is closed
    std::deque<std::string> inbox;
    std::size_t in_flight = 0;  // sent by this end, not taken by the other one
    std::size_t window = kWindow;
    TimePoint last_arrival{};  // of what this end sent: bytes keep their order
    bool receiving = false;
    bool finished = false;  // this end has said that it sends no more
    bool ended = false;     // the other end's end has come
    bool end_told = false;  // and was reported
    int end_error = 0;
};

struct SimLoop::Listener {
    Address address;
    AcceptHandler handler;
    std::deque<std::shared_ptr<End>> backlog;
};

// Unsent output of a closed stream gets this long, as with the real ones.
constexpr Duration kLingerMax = std::chrono::seconds(5);

// The half of a stream; deletes itself when the last byte has left.
class SimTransport final : public Transport {
  public:
    SimTransport(SimLoop& loop, std::shared_ptr<SimLoop::End> end)
        : Transport(loop), sim_(loop), end_(std::move(end)) {
        end_->transport = this;
    }

    void start_receive() override {
        if (end_ == nullptr) {
            return;
        }
        end_->receiving = true;
        // Not from within the caller: like the real ones, only when the loop looks.
        sim_.at(sim_.now(), [this_end = end_, this] {
            if (this_end->transport == this) {
                take();
            }
        });
    }
    void stop_receive() override {
        if (end_ != nullptr) {
            end_->receiving = false;
        }
    }
    void send_queued() override {
        if (end_ == nullptr || end_->end_error != 0) {
            consume_sent(unsent_bytes_);  // to nobody
        }
        while (unsent_bytes_ > 0 && end_->in_flight < end_->window) {
            const Slice& first = queue_[queue_head_];
            std::size_t size = std::min(first.size(), end_->window - end_->in_flight);
            size = std::min<std::size_t>(
                size, 1 + sim_.prng_.below(std::max<std::size_t>(sim_.faults_.piece_max, 1)));
            sim_.send(end_, std::string(reinterpret_cast<const char*>(first.data()), size));
            consume_sent(size);
        }
        notify_sent();
        finish_if_released();
    }
    void release() override {
        released_ = true;
        ++sim_.lingering_;
        if (end_ != nullptr) {
            end_->receiving = false;
            sim_.at(sim_.now() + kLingerMax, [this_end = end_, this] {
                if (this_end->transport == this) {
                    --sim_.lingering_;
                    abort();
                }
            });
        }
        send_queued();
    }
    void abort() override {
        if (end_ != nullptr) {
            sim_.send_end(end_, ECONNRESET);
            end_->transport = nullptr;
            sim_.close(end_);
        }
        delete this;
    }
    int fd() const override { return end_ != nullptr ? static_cast<int>(end_->number) : -1; }
    int detach() override {
        if (end_ == nullptr || unsent_bytes_ > 0) {
            return -1;
        }
        end_->receiving = false;
        end_->transport = nullptr;
        const int fd = sim_.next_fd_++;
        sim_.unadopted_[fd] = std::move(end_);
        end_ = nullptr;
        return fd;
    }

    // Hands what has come to the stream, as long as it wants it.
    void take() {
        while (end_->receiving && !end_->inbox.empty()) {
            const std::string bytes = std::move(end_->inbox.front());
            end_->inbox.pop_front();
            Block* block = loop_.blocks().allocate(bytes.size());
            std::memcpy(block->data(), bytes.data(), bytes.size());
            sim_.make_room(end_, bytes.size());
            deliver(Slice(block, 0, bytes.size()));
        }
        if (end_->receiving && end_->inbox.empty() && end_->ended && !end_->end_told) {
            end_->end_told = true;
            end_->receiving = false;
            deliver_end(end_->end_error);
        }
    }

  private:
    void finish_if_released() {
        if (!released_ || unsent_bytes_ > 0) {
            return;
        }
        --sim_.lingering_;
        if (end_ != nullptr) {
            // What came and was not read resets the connection, as in TCP.
            sim_.send_end(end_, end_->inbox.empty() || gentle_ ? 0 : ECONNRESET);
            end_->transport = nullptr;
            sim_.close(end_);
        }
        delete this;
    }

    SimLoop& sim_;
    std::shared_ptr<SimLoop::End> end_;  // null: given away
    bool released_ = false;
};

SimLoop::SimLoop(std::uint64_t seed, SimFaults faults) : prng_(seed), faults_(faults) {
    set_now(TimePoint(std::chrono::seconds(1)));
    timers().advance(now());
}

SimLoop::~SimLoop() {
    for (const auto& [number, end] : ends_) {
        delete end->transport;  // still sending the rest when the loop ended
    }
}

std::int64_t SimLoop::wall_us() const {
    constexpr std::int64_t kNewYear2026 = 1'767'225'600'000'000;
    return kNewYear2026 + now().time_since_epoch().count();
}

void SimLoop::at(TimePoint when, std::move_only_function<void()> work) {
    queue_.emplace(std::pair(when, ++event_number_), std::move(work));
}

void SimLoop::trace(What what, std::uint64_t connection, std::string_view bytes) {
    const auto mix = [this](std::uint64_t value) {
        trace_ = (trace_ ^ value) * 0x100000001b3ULL;
        trace_ ^= trace_ >> 29;
    };
    mix(static_cast<std::uint64_t>(now().time_since_epoch().count()));
    mix(static_cast<std::uint64_t>(what));
    mix(connection);
    for (const char c : bytes) {
        mix(static_cast<unsigned char>(c));
    }
}

Duration SimLoop::draw_delay() {
    const auto least = static_cast<std::uint64_t>(faults_.delay_min.count());
    const auto most = static_cast<std::uint64_t>(faults_.delay_max.count());
    return Duration(static_cast<std::int64_t>(prng_.between(least, std::max(least, most))));
}

int SimLoop::listen(const Address& address) {
    for (const auto& [fd, listener] : listeners_) {
        ASSERT(!(listener->address == address));
    }
    const int fd = next_fd_++;
    listeners_[fd] = std::make_unique<Listener>();
    listeners_[fd]->address = address;
    return fd;
}

void SimLoop::close_listener(int fd) {
    const auto found = listeners_.find(fd);
    ASSERT(found != listeners_.end());
    for (const auto& waiting : found->second->backlog) {
        send_end(waiting, ECONNRESET);
        close(waiting);
    }
    listeners_.erase(found);
}

void SimLoop::drop(int fd) {
    const auto found = unadopted_.find(fd);
    if (found != unadopted_.end()) {
        send_end(found->second, 0);
        close(found->second);
        unadopted_.erase(found);
    }
}

void SimLoop::reset_connections(const Address& address) {
    const auto all = ends_;
    for (const auto& [number, end] : all) {
        if (end->listener == address) {
            send_end(end, ECONNRESET);
        }
    }
}

void SimLoop::start_accept(int fd, AcceptHandler handler) {
    Listener& listener = *listeners_.at(fd);
    listener.handler = std::move(handler);
    at(now(), [this, fd] {
        if (const auto found = listeners_.find(fd); found != listeners_.end()) {
            hand_over(*found->second);
        }
    });
}

void SimLoop::stop_accept(int fd) {
    if (const auto found = listeners_.find(fd); found != listeners_.end()) {
        found->second->handler = nullptr;
    }
}

void SimLoop::hand_over(Listener& listener) {
    while (listener.handler && !listener.backlog.empty()) {
        const std::shared_ptr<End> end = std::move(listener.backlog.front());
        listener.backlog.pop_front();
        const int fd = next_fd_++;
        unadopted_[fd] = end;
        trace(What::kAccept, end->number);
        const AcceptHandler handler = listener.handler;  // it may stop us while it runs
        handler(Accepted{fd, end->peer});
    }
}

std::unique_ptr<Stream> SimLoop::adopt(int fd, PeerInfo peer) {
    const auto found = unadopted_.find(fd);
    ASSERT(found != unadopted_.end());
    // The transport deletes itself when it has been released.
    auto* transport = std::make_unique<SimTransport>(*this, std::move(found->second)).release();
    unadopted_.erase(found);
    return std::make_unique<Stream>(*this, transport, std::move(peer));
}

// Both ends of a new connection; the far one waits in the listener's queue. Null when refused.
std::shared_ptr<SimLoop::End> SimLoop::connect_now(const Address& address) {
    Listener* listener = nullptr;
    for (const auto& [fd, candidate] : listeners_) {
        listener = candidate->address == address ? candidate.get() : listener;
    }
    if (prng_.chance(faults_.refuse) || listener == nullptr) {
        trace(What::kRefuse, 0);
        return nullptr;
    }
    const auto near = std::make_shared<End>();
    const auto far = std::make_shared<End>();
    for (const auto& end : {near, far}) {
        end->number = ++end_number_;
        end->listener = address;
        end->window = prng_.chance(faults_.slow) ? kSlowWindow : kWindow;
        ends_[end->number] = end;
    }
    near->other = far;
    far->other = near;
    near->peer.address = address;
    far->peer.local = address;
    // The client's address: a port of its own, so that logs tell connections apart.
    far->peer.address =
        *Address::numeric("127.0.0.1", static_cast<std::uint16_t>(1024 + near->number % 60000));
    near->peer.local = far->peer.address;
    trace(What::kConnect, near->number);
    listener->backlog.push_back(far);
    hand_over(*listener);
    return near;
}

Task<Result<std::unique_ptr<Stream>>> SimLoop::connect(Address address, TimePoint deadline_at) {
    Event event(*this);
    Deadline deadline(event);
    deadline.arm(deadline_at);
    struct Outcome {
        std::shared_ptr<End> end;
        bool done = false;
        Event* waiter = nullptr;
    };
    const auto outcome = std::make_shared<Outcome>();
    outcome->waiter = &event;
    at(now() + draw_delay(), [this, outcome, address] {
        if (outcome->waiter != nullptr) {
            outcome->end = connect_now(address);
            outcome->done = true;
            outcome->waiter->notify();
        }
    });
    while (!outcome->done && !deadline.expired()) {
        co_await event.wait();
    }
    outcome->waiter = nullptr;
    if (!outcome->done) {
        co_return fail(Error(ErrorCode::kTimeout, "08001",
                             "could not connect to " + address.to_string() + ": timed out"));
    }
    if (outcome->end == nullptr) {
        co_return fail(Error(ErrorCode::kUnavailable, "08001",
                             "could not connect to " + address.to_string() + ": Connection refused",
                             "Is the server running on that host and accepting connections?"));
    }
    PeerInfo peer = outcome->end->peer;
    auto* transport = std::make_unique<SimTransport>(*this, std::move(outcome->end)).release();
    co_return std::make_unique<Stream>(*this, transport, std::move(peer));
}

void SimLoop::send(const std::shared_ptr<End>& from, std::string bytes) {
    from->in_flight += bytes.size();
    TimePoint when = now() + draw_delay();
    if (prng_.chance(faults_.stall)) {
        when += Duration(static_cast<std::int64_t>(
            prng_.below(static_cast<std::uint64_t>(faults_.stall_max.count()))));
    }
    from->last_arrival = std::max(from->last_arrival, when);
    if (prng_.chance(faults_.reset)) {
        at(from->last_arrival, [this, from] {
            // Both at once: nothing that was sent behind the lost piece may still arrive.
            if (const auto other = from->other.lock()) {
                end_now(other, ECONNRESET);
            }
            end_now(from, ECONNRESET);
        });
        return;
    }
    at(from->last_arrival, [this, from, text = std::move(bytes)]() mutable {
        if (const auto other = from->other.lock()) {
            arrive(other, std::move(text));
        } else {
            end_at(from, ECONNRESET, now() + draw_delay());
        }
    });
}

void SimLoop::arrive(const std::shared_ptr<End>& to, std::string bytes) {
    if (to->ended) {
        return;
    }
    trace(What::kBytes, to->number, bytes);
    to->inbox.push_back(std::move(bytes));
    if (to->transport != nullptr) {
        static_cast<SimTransport*>(to->transport)->take();
    } else if (!ends_.contains(to->number)) {
        // Its stream is closed: the bytes meet nobody, and the sender hears of it.
        send_end(to, ECONNRESET);
    }
}

// error 0: an orderly end behind all that was sent. Else a reset, which loses what is under way.
void SimLoop::send_end(const std::shared_ptr<End>& from, int error) {
    if (from->finished && error == 0) {
        return;
    }
    from->finished = true;
    const TimePoint when =
        error == 0 ? std::max(from->last_arrival, now() + draw_delay()) : now() + draw_delay();
    end_at(from->other, error, when);
}

void SimLoop::end_at(std::weak_ptr<End> end, int error, TimePoint when) {
    at(when, [this, weak = std::move(end), error] {
        if (const auto to = weak.lock()) {
            end_now(to, error);
        }
    });
}

void SimLoop::end_now(const std::shared_ptr<End>& end, int error) {
    if (end->ended) {
        // Behind an orderly end a reset is heard by who sends.
        if (error != 0 && end->end_error == 0) {
            end->end_error = error;
            if (end->transport != nullptr) {
                end->transport->send_queued();
            }
        }
        return;
    }
    trace(error == 0 ? What::kEnd : What::kReset, end->number);
    end->ended = true;
    end->end_error = error;
    if (error != 0) {
        end->inbox.clear();
    }
    if (end->transport != nullptr) {
        static_cast<SimTransport*>(end->transport)->take();
        if (error != 0) {
            end->transport->send_queued();  // to nobody, but who waits for it is told
        }
    }
}

// The reader took bytes: the sender may send more, when word has gone back.
void SimLoop::make_room(const std::shared_ptr<End>& reader, std::size_t bytes) {
    at(now() + draw_delay(), [this, sender_end = reader->other, bytes] {
        const auto sender = sender_end.lock();
        if (sender == nullptr) {
            return;
        }
        sender->in_flight -= std::min(bytes, sender->in_flight);
        trace(What::kRoom, sender->number);
        if (sender->transport != nullptr && sender->transport->unsent_bytes() > 0) {
            sender->transport->send_queued();
        }
    });
}

void SimLoop::close(const std::shared_ptr<End>& end) {
    ends_.erase(end->number);
    // Keep it until its last bytes have arrived: they look for the other end through it.
    at(end->last_arrival + faults_.delay_max, [end] {});
}

void SimLoop::wait_and_dispatch(TimePoint until) {
    TimePoint next = until;
    if (!queue_.empty()) {
        next = std::min(next, queue_.begin()->first.first);
    }
    if (next == TimePoint::max()) {
        stalled_ = true;
        if (!stepping_) {
            stop();  // run() would wait for ever
        }
        return;
    }
    stalled_ = false;
    next = std::min(next, limit_);
    set_now(std::max(now(), next));
    while (!queue_.empty() && queue_.begin()->first.first <= now()) {
        auto work = std::move(queue_.begin()->second);
        queue_.erase(queue_.begin());
        work();
    }
}

bool SimLoop::run_until(const std::function<bool()>& done, Duration limit) {
    limit_ = now() + limit;
    stalled_ = false;
    stepping_ = true;
    while (!done() && !stalled_ && now() < limit_) {
        turn(TimePoint::max());
    }
    stepping_ = false;
    limit_ = TimePoint::max();
    return done();
}

bool SimLoop::step() {
    stepping_ = true;
    turn(TimePoint::max());
    stepping_ = false;
    return !stalled_;
}

}  // namespace howdah::net
