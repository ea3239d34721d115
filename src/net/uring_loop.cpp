// The io_uring backend: multishot receive into a ring of provided blocks (an idle connection holds
// none), sends gathered into the one submission of a turn, completions deferred to it.
//
// Lifetimes are the ring's, not the scope's: a transport is deleted only when no operation of its
// own is under way, and what a send reads from stays queued until its completion.

#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "net/backends.hpp"
#include "net/socket_util.hpp"
#include "net/stream.hpp"

namespace howdah::net {
namespace {

constexpr Duration kLingerMax = std::chrono::seconds(5);
constexpr unsigned kEntries = 1024;
constexpr unsigned kCompletions = 8192;
// Blocks the kernel may fill at any moment: 128 x 8 KiB = 1 MiB a loop.
constexpr unsigned kProvidedBlocks = 128;
constexpr int kBufferGroup = 0;
constexpr int kSendPiecesMax = 16;

class UringLoop;

// What a completion belongs to. user_data of a submission is the address of one of these.
struct Operation {
    virtual ~Operation() = default;
    virtual void on_complete(int result, std::uint32_t flags) = 0;
};

class UringTransport final : public Transport {
  public:
    UringTransport(UringLoop& loop, int fd);
    ~UringTransport() override;

    void start_receive() override;
    void stop_receive() override;
    void send_queued() override;
    void release() override;
    void abort() override;
    int fd() const override { return fd_; }
    int detach() override;
    TimePoint linger_until() const { return linger_until_; }

  private:
    struct Receive final : Operation {
        explicit Receive(UringTransport& transport) : owner(transport) {}
        void on_complete(int result, std::uint32_t flags) override {
            owner.on_receive(result, flags);
        }
        UringTransport& owner;
    };
    struct Send final : Operation {
        explicit Send(UringTransport& transport) : owner(transport) {}
        void on_complete(int result, std::uint32_t) override { owner.on_send(result); }
        UringTransport& owner;
    };

    void on_receive(int result, std::uint32_t flags);
    void on_send(int result);
    void arm_receive();
    void submit_send();
    void retire_if_idle();

    UringLoop& uring_;
    int fd_;
    Receive receive_;
    Send send_;
    bool receiving_ = false;  // a multishot receive is armed
    bool want_receive_ = false;
    bool cancelling_ = false;
    bool sending_ = false;
    bool released_ = false;
    bool ended_ = false;
    TimePoint linger_until_ = TimePoint::max();
    struct Gather {
        msghdr message{};
        iovec pieces[kSendPiecesMax];
    };
    std::unique_ptr<Gather> gather_;  // only while several pieces are under way
};

// A one-shot wait for writability; deletes itself if nobody waits any more.
struct WritableWait final : Operation {
    explicit WritableWait(Event& waiter) : event(&waiter) {}
    void on_complete(int, std::uint32_t) override {
        done = true;
        if (event != nullptr) {
            event->notify();
        } else {
            delete this;
        }
    }
    Event* event;
    bool done = false;
};

struct Acceptor final : Operation {
    Acceptor(UringLoop& loop, int listening, AcceptHandler on_accept)
        : uring(loop), fd(listening), handler(std::move(on_accept)) {}
    void on_complete(int result, std::uint32_t flags) override;
    void arm();
    UringLoop& uring;
    int fd;
    AcceptHandler handler;
    bool stopped = false;
};

class UringLoop final : public Loop {
  public:
    UringLoop() : wake_operation_(*this) {}
    ~UringLoop() override;

    Result<> start();
    std::string_view backend_name() const override { return "io_uring"; }
    std::unique_ptr<Stream> adopt(int fd, PeerInfo peer) override {
        set_no_delay(fd, peer.address);
        auto* transport = new UringTransport(*this, fd);
        transports_.push_back(transport);
        return std::make_unique<Stream>(*this, transport, std::move(peer));
    }
    Task<Result<std::unique_ptr<Stream>>> connect(Address address, TimePoint deadline) override;
    void start_accept(int fd, AcceptHandler handler) override {
        auto* acceptor = new Acceptor(*this, fd, std::move(handler));
        acceptors_[fd] = acceptor;
        acceptor->arm();
    }
    void stop_accept(int fd) override;

    io_uring_sqe* next_sqe() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        while (sqe == nullptr) {
            io_uring_submit(&ring_);
            sqe = io_uring_get_sqe(&ring_);
        }
        return sqe;
    }
    void cancel(Operation& operation) {
        io_uring_sqe* sqe = next_sqe();
        io_uring_prep_cancel(sqe, &operation, 0);
        io_uring_sqe_set_data(sqe, nullptr);
    }
    // The block that the kernel filled, as a slice; a fresh one takes its place.
    Slice take_provided(std::uint32_t flags, int size) {
        const unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
        Slice slice(provided_[id], 0, static_cast<std::size_t>(size));
        provide(id);
        return slice;
    }
    void linger(UringTransport* transport) { lingering_.push_back(transport); }
    void forget(UringTransport* transport) {
        std::erase(lingering_, transport);
        const auto found = std::find(transports_.begin(), transports_.end(), transport);
        ASSERT(found != transports_.end());
        *found = transports_.back();
        transports_.pop_back();
    }
    void forget_acceptor(Acceptor* acceptor) { std::erase(stopped_acceptors_, acceptor); }

  protected:
    void wait_and_dispatch(TimePoint until) override;
    void wake() override {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t n = ::write(event_fd_, &one, sizeof one);
    }

  private:
    struct Wake final : Operation {
        explicit Wake(UringLoop& loop) : uring(loop) {}
        void on_complete(int, std::uint32_t) override { uring.arm_wake(); }
        UringLoop& uring;
    };
    void arm_wake() {
        io_uring_sqe* sqe = next_sqe();
        io_uring_prep_read(sqe, event_fd_, &wake_count_, sizeof wake_count_, 0);
        io_uring_sqe_set_data(sqe, &wake_operation_);
    }
    void provide(unsigned id) {
        provided_[id] = blocks().allocate();
        io_uring_buf_ring_add(buffer_ring_, provided_[id]->data(), kBlockBytes,
                              static_cast<unsigned short>(id),
                              io_uring_buf_ring_mask(kProvidedBlocks), static_cast<int>(added_));
        ++added_;
    }
    void publish_provided() {
        if (added_ > 0) {
            io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(added_));
            added_ = 0;
        }
    }

    io_uring ring_{};
    bool ring_ready_ = false;
    io_uring_buf_ring* buffer_ring_ = nullptr;
    std::vector<Block*> provided_;
    unsigned added_ = 0;
    int event_fd_ = -1;
    std::uint64_t wake_count_ = 0;
    Wake wake_operation_;
    std::unordered_map<int, Acceptor*> acceptors_;
    std::vector<Acceptor*> stopped_acceptors_;
    std::vector<UringTransport*> transports_;
    std::vector<UringTransport*> lingering_;
};

UringTransport::UringTransport(UringLoop& loop, int fd)
    : Transport(loop), uring_(loop), fd_(fd), receive_(*this), send_(*this) {}

UringTransport::~UringTransport() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void UringTransport::arm_receive() {
    io_uring_sqe* sqe = uring_.next_sqe();
    io_uring_prep_recv_multishot(sqe, fd_, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = kBufferGroup;
    io_uring_sqe_set_data(sqe, &receive_);
    receiving_ = true;
}

void UringTransport::start_receive() {
    want_receive_ = true;
    if (!receiving_ && !ended_) {
        arm_receive();
    }
}

void UringTransport::stop_receive() {
    want_receive_ = false;
    if (receiving_ && !cancelling_) {
        cancelling_ = true;
        uring_.cancel(receive_);
    }
}

void UringTransport::on_receive(int result, std::uint32_t flags) {
    if (result > 0) {
        Slice slice = uring_.take_provided(flags, result);
        deliver(std::move(slice));
    }
    if ((flags & IORING_CQE_F_MORE) != 0) {
        return;
    }
    receiving_ = false;
    cancelling_ = false;
    const bool again = result > 0 || result == -ENOBUFS || result == -ECANCELED ||
                       result == -EINTR || result == -EAGAIN;
    if (!again) {
        ended_ = true;
        deliver_end(result < 0 ? -result : 0);
    }
    if (released_) {
        retire_if_idle();
    } else if (want_receive_ && !ended_) {
        arm_receive();
    } else if (stream_ != nullptr && !ended_) {
        notify_sent();  // somebody may wait for detach()
    }
}

void UringTransport::submit_send() {
    io_uring_sqe* sqe = uring_.next_sqe();
    if (unsent_slices() == 1) {
        const Slice& slice = queue_[queue_head_];
        io_uring_prep_send(sqe, fd_, slice.data(), slice.size(), MSG_NOSIGNAL);
    } else {
        if (gather_ == nullptr) {
            gather_ = std::make_unique<Gather>();
        }
        std::size_t count = 0;
        for (std::size_t i = queue_head_; i < queue_.size() && count < kSendPiecesMax; ++i) {
            gather_->pieces[count++] = {const_cast<std::uint8_t*>(queue_[i].data()),
                                        queue_[i].size()};
        }
        gather_->message.msg_iov = gather_->pieces;
        gather_->message.msg_iovlen = count;
        io_uring_prep_sendmsg(sqe, fd_, &gather_->message, MSG_NOSIGNAL);
    }
    io_uring_sqe_set_data(sqe, &send_);
    sending_ = true;
}

void UringTransport::send_queued() {
    if (!sending_ && unsent_slices() > 0) {
        submit_send();
    }
}

void UringTransport::on_send(int result) {
    sending_ = false;
    if (result > 0) {
        consume_sent(static_cast<std::size_t>(result));
    } else if (result != -EINTR && result != -EAGAIN) {
        consume_sent(unsent_bytes_);  // the peer is gone; the receive side reports it
    }
    if (unsent_slices() > 0) {
        submit_send();
    } else {
        gather_.reset();
    }
    notify_sent();
    if (released_) {
        retire_if_idle();
    }
}

void UringTransport::release() {
    released_ = true;
    stop_receive();
    send_queued();
    if (sending_) {
        linger_until_ = loop_.now() + kLingerMax;
        uring_.linger(this);
    }
    retire_if_idle();
}

void UringTransport::abort() {
    released_ = true;
    stop_receive();
    if (sending_) {
        uring_.cancel(send_);
    } else {
        consume_sent(unsent_bytes_);
    }
    if (fd_ >= 0) {
        ::shutdown(fd_, SHUT_RDWR);
    }
    retire_if_idle();
}

void UringTransport::retire_if_idle() {
    if (receiving_ || sending_) {
        return;
    }
    uring_.forget(this);
    delete this;
}

int UringTransport::detach() {
    if (receiving_ || sending_ || unsent_bytes_ > 0) {
        stop_receive();
        return -1;
    }
    return std::exchange(fd_, -1);
}

void Acceptor::arm() {
    io_uring_sqe* sqe = uring.next_sqe();
    io_uring_prep_multishot_accept(sqe, fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, this);
}

void Acceptor::on_complete(int result, std::uint32_t flags) {
    if (result >= 0) {
        if (stopped) {
            ::close(result);
        } else {
            handler(Accepted{result, describe_peer(result)});
        }
    }
    if ((flags & IORING_CQE_F_MORE) == 0) {
        if (stopped) {
            uring.forget_acceptor(this);
            delete this;
        } else {
            arm();
        }
    }
}

void UringLoop::stop_accept(int fd) {
    const auto found = acceptors_.find(fd);
    if (found == acceptors_.end()) {
        return;
    }
    Acceptor* acceptor = found->second;
    acceptors_.erase(found);
    acceptor->stopped = true;
    stopped_acceptors_.push_back(acceptor);
    cancel(*acceptor);
    // The kernel's own reference to the listening socket ends with the cancel: do not wait for
    // the next turn, for the caller may be about to close or hand over the descriptor.
    io_uring_submit(&ring_);
}

Result<> UringLoop::start() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                   IORING_SETUP_SUBMIT_ALL;
    params.cq_entries = kCompletions;
    int status = io_uring_queue_init_params(kEntries, &ring_, &params);
    if (status < 0) {
        return fail(ErrorCode::kUnavailable,
                    std::string("io_uring_setup: ") + std::strerror(-status));
    }
    ring_ready_ = true;
    void* memory = nullptr;
    if (::posix_memalign(&memory, 4096, kProvidedBlocks * sizeof(io_uring_buf)) != 0) {
        return fail(ErrorCode::kUnavailable, "no memory for the buffer ring");
    }
    buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_ring_init(buffer_ring_);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(buffer_ring_);
    registration.ring_entries = kProvidedBlocks;
    registration.bgid = kBufferGroup;
    status = io_uring_register_buf_ring(&ring_, &registration, 0);
    if (status < 0) {
        return fail(ErrorCode::kUnavailable,
                    std::string("io_uring buffer rings: ") + std::strerror(-status));
    }
    provided_.resize(kProvidedBlocks);
    for (unsigned id = 0; id < kProvidedBlocks; ++id) {
        provide(id);
    }
    publish_provided();
    io_uring_register_ring_fd(&ring_);
    event_fd_ = ::eventfd(0, EFD_CLOEXEC);
    if (event_fd_ < 0) {
        return fail(ErrorCode::kUnavailable, std::string("eventfd: ") + std::strerror(errno));
    }
    arm_wake();
    return {};
}

UringLoop::~UringLoop() {
    if (ring_ready_) {
        io_uring_queue_exit(&ring_);  // ends whatever is still under way
    }
    for (UringTransport* transport : transports_) {
        delete transport;
    }
    for (auto& [fd, acceptor] : acceptors_) {
        delete acceptor;
    }
    for (Acceptor* acceptor : stopped_acceptors_) {
        delete acceptor;
    }
    for (Block* block : provided_) {
        blocks().release(block);
    }
    std::free(buffer_ring_);
    if (event_fd_ >= 0) {
        ::close(event_fd_);
    }
}

Task<Result<std::unique_ptr<Stream>>> UringLoop::connect(Address address, TimePoint deadline_at) {
    CO_TRY(const StartedConnect started, start_connect(address));
    if (!started.connected) {
        Event event(*this);
        Deadline deadline(event);
        deadline.arm(deadline_at);
        auto* waiting = new WritableWait(event);
        io_uring_sqe* sqe = next_sqe();
        io_uring_prep_poll_add(sqe, started.fd, POLLOUT);
        io_uring_sqe_set_data(sqe, static_cast<Operation*>(waiting));
        while (!waiting->done && !deadline.expired()) {
            co_await event.wait();
        }
        if (!waiting->done) {
            waiting->event = nullptr;  // deletes itself when the cancel completes it
            cancel(*waiting);
            ::close(started.fd);
            co_return fail(Error(ErrorCode::kTimeout, "08001",
                                 "could not connect to " + address.to_string() + ": timed out"));
        }
        delete waiting;
        if (auto finished = finish_connect(started.fd, address); !finished) {
            ::close(started.fd);
            co_return std::unexpected(std::move(finished).error());
        }
    }
    PeerInfo peer = describe_peer(started.fd);
    peer.address = address;
    co_return adopt(started.fd, std::move(peer));
}

void UringLoop::wait_and_dispatch(TimePoint until) {
    io_uring_cqe* first = nullptr;
    TimePoint wait_until = until;
    if (!lingering_.empty()) {
        wait_until = std::min(wait_until, now() + std::chrono::seconds(1));
    }
    if (wait_until == TimePoint::max()) {
        io_uring_submit_and_wait(&ring_, 1);
    } else {
        const auto left = std::max(wait_until - read_clock(), Duration(0));
        __kernel_timespec timeout{left.count() / 1'000'000, (left.count() % 1'000'000) * 1000};
        if (left.count() == 0) {
            io_uring_submit_and_get_events(&ring_);
        } else {
            io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
        }
    }
    set_now(read_clock());
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
        ++count;
        auto* operation = static_cast<Operation*>(io_uring_cqe_get_data(cqe));
        if (operation != nullptr) {
            operation->on_complete(cqe->res, cqe->flags);
        }
    }
    io_uring_cq_advance(&ring_, count);
    publish_provided();
    if (!lingering_.empty()) {
        const std::vector<UringTransport*> candidates = lingering_;
        for (UringTransport* transport : candidates) {
            if (transport->linger_until() <= now()) {
                transport->abort();
            }
        }
    }
}

}  // namespace

Result<std::unique_ptr<Loop>> make_uring_loop() {
    auto loop = std::make_unique<UringLoop>();
    TRY_VOID(loop->start());
    return loop;
}

}  // namespace howdah::net
