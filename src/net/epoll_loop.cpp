// The epoll backend: edge-triggered, one receive a wake-up, sends tried at once.
//
// Edge-triggered, for the kernel looks at a level-triggered socket a second time, in the wait that
// follows its event, to find that nothing is left. So whatever may be left in a socket when
// receive() returns must be told again: a receive that did not fill its block has emptied the
// socket, what comes later is a new edge, and only leaving off early (rearm()) or a change of what
// is watched makes the kernel look anew. Listening and connecting sockets stay level-triggered.

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "net/backends.hpp"
#include "net/socket_util.hpp"
#include "net/stream.hpp"

namespace howdah::net {
namespace {

// Unsent output of a closed stream gets this long.
constexpr Duration kLingerMax = std::chrono::seconds(5);
// What a turn has to say goes out at its end: of many events the first would wait for the last
// (ADR 0001 has figures).
constexpr int kEventsMax = 16;
constexpr int kSendPiecesMax = 64;
// Receives of full blocks in one wake-up, before others get their turn.
constexpr int kReceivesMax = 4;
// Connections of one wake-up, before others get their turn.
constexpr int kAcceptsMax = 64;
// Closed streams with unsent output and resting listeners are looked at this often.
constexpr Duration kChoresEvery = std::chrono::milliseconds(100);

class EpollLoop;

struct Target {
    virtual ~Target() = default;
    virtual void on_events(std::uint32_t events) = 0;
};

class EpollTransport final : public Transport, public Target {
  public:
    EpollTransport(EpollLoop& loop, int fd);
    ~EpollTransport() override;

    void start_receive() override;
    void stop_receive() override;
    void send_queued() override;
    void release() override;
    void abort() override;
    int fd() const override { return fd_; }
    int detach() override;
    void on_events(std::uint32_t events) override;
    TimePoint linger_until() const { return linger_until_; }

  private:
    void send_now();
    void receive(std::uint32_t events);
    void end(int error);
    void update_interest();
    void rearm();
    void retire();

    EpollLoop& epoll_;
    int fd_;
    bool receiving_ = false;
    bool want_write_ = false;
    bool registered_ = false;
    bool retired_ = false;
    bool detaching_ = false;
    bool ended_ = false;
    std::uint32_t interest_ = 0;
    TimePoint linger_until_ = TimePoint::max();
};

// Waits once until a descriptor is writable.
struct WritableWait final : Target {
    explicit WritableWait(Event& waiter) : event(waiter) {}
    void on_events(std::uint32_t) override {
        done = true;
        event.notify();
    }
    Event& event;
    bool done = false;
};

struct Acceptor final : Target {
    Acceptor(EpollLoop& owner, int listening, AcceptHandler on_accept)
        : loop(owner),
          fd(listening),
          address(bound_address(listening)),
          handler(std::move(on_accept)) {}
    void on_events(std::uint32_t events) override;
    EpollLoop& loop;
    int fd;
    Address address;
    AcceptHandler handler;
    int at_once = 1;
    std::uint64_t last_sweep = 0;
    bool stopped = false;
    TimePoint rest_until = TimePoint::max();  // max: listening
};

struct Waker final : Target {
    explicit Waker(int eventfd) : fd(eventfd) {}
    void on_events(std::uint32_t) override {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t n = ::read(fd, &count, sizeof count);
    }
    int fd;
};

class EpollLoop final : public Loop {
  public:
    EpollLoop(int epoll_fd, int event_fd) : epoll_fd_(epoll_fd), waker_(event_fd) {
        set(EPOLL_CTL_ADD, event_fd, EPOLLIN, waker_);
    }
    ~EpollLoop() override {
        graveyard_.clear();
        for (EpollTransport* transport : lingering_) {
            delete transport;
        }
        ::close(waker_.fd);
        ::close(epoll_fd_);
    }

    std::string_view backend_name() const override { return "epoll"; }
    std::unique_ptr<Stream> adopt(int fd, PeerInfo peer) override {
        return std::make_unique<Stream>(*this, new EpollTransport(*this, fd), std::move(peer));
    }
    Task<Result<std::unique_ptr<Stream>>> connect(Address address, TimePoint deadline) override;
    void start_accept(int fd, AcceptHandler handler) override {
        auto acceptor = std::make_unique<Acceptor>(*this, fd, std::move(handler));
        listen(*acceptor);
        acceptors_[fd] = std::move(acceptor);
    }
    void stop_accept(int fd) override {
        const auto found = acceptors_.find(fd);
        if (found != acceptors_.end()) {
            unset(fd);
            found->second->stopped = true;
            graveyard_.push_back(std::move(found->second));
            acceptors_.erase(found);
        }
    }

    void set(int operation, int fd, std::uint32_t events, Target& target) {
        epoll_event event{};
        event.events = events;
        event.data.ptr = &target;
        ::epoll_ctl(epoll_fd_, operation, fd, &event);
    }
    void unset(int fd) { ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr); }
    // Events of this turn may still point at it: it dies at the end of the turn.
    void bury(std::unique_ptr<Target> target) { graveyard_.push_back(std::move(target)); }
    // No descriptor or memory is left: the socket stays readable, so do not watch it for a while.
    void rest(Acceptor& acceptor, int error) {
        count_accept_failure(error);
        unset(acceptor.fd);
        acceptor.rest_until = now() + kAcceptRest;
        resting_ = true;
    }
    void linger(EpollTransport* transport) { lingering_.push_back(transport); }
    void end_linger(EpollTransport* transport) { std::erase(lingering_, transport); }
    // Counts how often the kernel had told all that was ready.
    std::uint64_t sweep() const { return sweep_; }

  protected:
    void wait_and_dispatch(TimePoint until) override;
    bool lingering() const override { return !lingering_.empty(); }
    void wake() override {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t n = ::write(waker_.fd, &one, sizeof one);
    }

  private:
    // Several loops may watch one listening socket: one of them is enough for a connection.
    void listen(Acceptor& acceptor) {
        set(EPOLL_CTL_ADD, acceptor.fd, std::uint32_t{EPOLLIN} | EPOLLEXCLUSIVE, acceptor);
    }
    void expire_lingering();
    void wake_resting();

    int epoll_fd_;
    std::uint64_t sweep_ = 0;
    Waker waker_;
    std::unordered_map<int, std::unique_ptr<Acceptor>> acceptors_;
    std::vector<std::unique_ptr<Target>> graveyard_;
    std::vector<EpollTransport*> lingering_;
    bool resting_ = false;
};

void Acceptor::on_events(std::uint32_t) {
    // One, for most come alone, and to ask for a second would be a call in vain. What is left makes
    // an event again before all is told once more, and then twice as many are taken. A bound, so
    // that a storm of connects does not starve the connected. The handler may stop us.
    at_once = loop.sweep() <= last_sweep + 1 ? std::min(2 * at_once, kAcceptsMax) : 1;
    last_sweep = loop.sweep();
    for (int i = 0; i < at_once && !stopped; ++i) {
        sockaddr_storage storage{};
        auto* raw = reinterpret_cast<sockaddr*>(&storage);
        socklen_t size = sizeof storage;
        const int accepted = ::accept4(fd, raw, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            const Address from = Address::from_sockaddr(raw, size);
            handler(Accepted{accepted, describe_accepted(accepted, address, &from)});
        } else if (errno == EAGAIN) {
            return;
        } else if (!is_lost_connection(errno)) {
            loop.rest(*this, errno);
            return;
        }
    }
}

EpollTransport::EpollTransport(EpollLoop& loop, int fd) : Transport(loop), epoll_(loop), fd_(fd) {}

EpollTransport::~EpollTransport() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void EpollTransport::update_interest() {
    const std::uint32_t wanted = (receiving_ ? std::uint32_t{EPOLLIN} | EPOLLRDHUP : 0U) |
                                 (want_write_ ? std::uint32_t{EPOLLOUT} : 0U) | EPOLLET;
    if (registered_ && wanted == interest_) {
        return;
    }
    interest_ = wanted;
    rearm();
}

// The kernel looks at the socket now: what is ready is an event of the next turn.
void EpollTransport::rearm() {
    epoll_.set(registered_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd_, interest_, *this);
    registered_ = true;
}

void EpollTransport::start_receive() {
    receiving_ = true;
    update_interest();
}

void EpollTransport::stop_receive() {
    receiving_ = false;
    update_interest();
}

void EpollTransport::send_queued() {
    if (!want_write_) {  // else the kernel says when
        send_now();
    }
}

void EpollTransport::send_now() {
    if (fd_ < 0) {
        consume_sent(unsent_bytes_);  // given away
    }
    while (queue_head_ < queue_.size()) {
        iovec pieces[kSendPiecesMax];
        int count = 0;
        for (std::size_t i = queue_head_; i < queue_.size() && count < kSendPiecesMax; ++i) {
            pieces[count++] = {const_cast<std::uint8_t*>(queue_[i].data()), queue_[i].size()};
        }
        msghdr message{};
        message.msg_iov = pieces;
        message.msg_iovlen = static_cast<std::size_t>(count);
        const ssize_t n = count == 1 ? net::send_now(fd_, queue_[queue_head_].bytes())
                                     : net::send_now(fd_, message);
        if (n >= 0) {
            consume_sent(static_cast<std::size_t>(n));
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EAGAIN) {
            want_write_ = true;
            update_interest();
            notify_sent();  // may have fallen below the mark
            return;
        }
        consume_sent(unsent_bytes_);  // the peer is gone; the receive side reports it
        break;
    }
    if (want_write_) {
        want_write_ = false;
        update_interest();
    }
    notify_sent();
    if (detaching_) {
        detaching_ = false;
        notify_idle();
    }
    if (stream_ == nullptr && !retired_) {
        if (gentle_ && receiving_) {
            ::shutdown(fd_, SHUT_WR);  // all is said; the peer closes its end
        } else {
            retire();
        }
    }
}

// The end is behind the last byte; the kernel has no more to say about it.
void EpollTransport::end(int error) {
    receiving_ = false;
    ended_ = true;
    deliver_end(error);
}

void EpollTransport::receive(std::uint32_t events) {
    bool emptied = false;
    for (int i = 0; i < kReceivesMax && receiving_ && !emptied; ++i) {
        Block* block = loop_.blocks().allocate();
        const ssize_t n = receive_now(fd_, {block->data(), block->capacity});
        const int error = n < 0 ? errno : 0;
        Slice slice(block, 0, n > 0 ? static_cast<std::size_t>(n) : 0);
        if (n > 0) {
            emptied = slice.size() < block->capacity;
            deliver(std::move(slice));
            // No later event will say that the peer has closed its end, or why.
            if (emptied && receiving_ && (events & (EPOLLERR | EPOLLHUP)) != 0) {
                emptied = false;
            } else if (emptied && receiving_ && (events & EPOLLRDHUP) != 0) {
                end(0);
            }
        } else if (error == EAGAIN) {
            emptied = true;
        } else if (error != EINTR) {
            end(error);
        }
    }
    if (receiving_ && !emptied) {
        rearm();  // others get their turn
    }
    if (stream_ == nullptr && !receiving_ && !retired_) {
        retire();
    }
}

void EpollTransport::on_events(std::uint32_t events) {
    if (retired_) {
        return;
    }
    if ((events & EPOLLOUT) != 0 || (stream_ == nullptr && (events & (EPOLLERR | EPOLLHUP)) != 0)) {
        send_now();
    }
    if (!retired_ && receiving_ && (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) {
        receive(events);
    } else if (!retired_ && !receiving_ && (events & (EPOLLERR | EPOLLHUP)) != 0) {
        // Paused or ended, but the kernel reports it anyway: stop watching. What came before it is
        // still to be read, so the end is not reported until then, as with io_uring.
        epoll_.unset(fd_);
        registered_ = false;
    }
}

void EpollTransport::retire() {
    retired_ = true;
    epoll_.end_linger(this);
    if (registered_) {
        epoll_.unset(fd_);
        registered_ = false;
    }
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
    queue_.clear();
    queue_head_ = 0;
    unsent_bytes_ = 0;
    epoll_.bury(std::unique_ptr<Target>(this));
}

void EpollTransport::release() {
    // Watched by nobody any more: the end was seen, or is being kept from the owner.
    const bool waits = gentle_ && registered_ && !ended_;
    receiving_ = waits;
    if (fd_ < 0) {
        retire();
        return;
    }
    if (unsent_bytes_ > 0 || waits) {
        linger_until_ = loop_.now() + kLingerMax;
        epoll_.linger(this);
        update_interest();
        send_queued();
    } else {
        retire();
    }
}

void EpollTransport::abort() {
    retire();
}

int EpollTransport::detach() {
    if (unsent_bytes_ > 0) {
        detaching_ = true;
        return -1;
    }
    receiving_ = false;
    if (registered_) {
        epoll_.unset(fd_);
        registered_ = false;
    }
    return std::exchange(fd_, -1);
}

Task<Result<std::unique_ptr<Stream>>> EpollLoop::connect(Address address, TimePoint deadline_at) {
    CO_TRY(StartedConnect started, start_connect(address, tcp_options()));
    while (started.fd < 0 && now() < deadline_at) {
        co_await sleep(kConnectRetry);
        auto again = start_connect(address, tcp_options());
        if (!again) {
            co_return std::unexpected(std::move(again).error());
        }
        started = *again;
    }
    if (started.fd < 0) {
        co_return connect_timed_out(address);
    }
    if (!started.connected) {
        Event event(*this);
        Deadline deadline(event);
        deadline.arm(deadline_at);
        auto waiting = std::make_unique<WritableWait>(event);
        set(EPOLL_CTL_ADD, started.fd, EPOLLOUT | EPOLLONESHOT, *waiting);
        while (!waiting->done && !deadline.expired()) {
            co_await event.wait();
        }
        unset(started.fd);
        const bool done = waiting->done;
        bury(std::move(waiting));
        if (!done) {
            ::close(started.fd);
            co_return connect_timed_out(address);
        }
        if (auto finished = finish_connect(started.fd, address); !finished) {
            ::close(started.fd);
            co_return std::unexpected(std::move(finished).error());
        }
    }
    PeerInfo peer = describe_peer(started.fd);
    peer.address = address;
    co_return adopt(started.fd, std::move(peer));
}

void EpollLoop::expire_lingering() {
    const std::vector<EpollTransport*> candidates = lingering_;
    for (EpollTransport* transport : candidates) {
        if (transport->linger_until() <= now()) {
            transport->abort();
        }
    }
}

void EpollLoop::wake_resting() {
    resting_ = false;
    for (auto& [fd, acceptor] : acceptors_) {
        if (acceptor->rest_until <= now()) {
            acceptor->rest_until = TimePoint::max();
            listen(*acceptor);
        }
        resting_ = resting_ || acceptor->rest_until != TimePoint::max();
    }
}

void EpollLoop::wait_and_dispatch(TimePoint until) {
    if (!lingering_.empty() || resting_) {
        until = std::min(until, now() + kChoresEvery);
    }
    int timeout_ms = -1;
    if (until != TimePoint::max()) {
        // A day at most, which an int holds.
        const auto left = std::min<Duration>(until - now(), std::chrono::hours(24));
        timeout_ms = left.count() <= 0 ? 0 : static_cast<int>((left.count() + 999) / 1000);
    }
    epoll_event events[kEventsMax];
    const int count = wait_for_events(epoll_fd_, events, timeout_ms);
    sweep_ += count < kEventsMax ? 1U : 0U;
    set_now(read_clock());
    for (int i = 0; i < count; ++i) {
        static_cast<Target*>(events[i].data.ptr)->on_events(events[i].events);
    }
    if (!lingering_.empty()) {
        expire_lingering();
    }
    if (resting_) {
        wake_resting();
    }
    graveyard_.clear();
}

}  // namespace

Result<std::unique_ptr<Loop>> make_epoll_loop() {
    const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
    const int event_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (epoll_fd < 0 || event_fd < 0) {
        return fail(ErrorCode::kIo,
                    std::string("could not create an epoll loop: ") + std::strerror(errno));
    }
    return std::make_unique<EpollLoop>(epoll_fd, event_fd);
}

}  // namespace howdah::net
