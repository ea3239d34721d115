// The io_uring backend: multishot receive into a ring of provided blocks (an idle connection holds
// none), sends gathered into the one submission of a turn, completions deferred to it.
//
// Lifetimes are the ring's, not the scope's: a transport is deleted only when no operation of its
// own is under way, and what a send reads from stays queued until its completion.
//
// Sends come in two kinds. The usual one is submitted with MSG_DONTWAIT, MSG_WAITALL and
// CQE_SKIP_SUCCESS: the kernel does it while it takes the submission and reports it only if not all
// of it could be sent. So after the submission, whatever has no completion has been sent, and the
// same io_uring_enter() goes on to wait for receives: one call a turn. With a completion for each
// send it would return at once, and every turn would cost a second call. What could not be sent at
// once is sent the other way, by an operation that waits for the peer and completes.

#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
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

constexpr Duration kLingerMax = std::chrono::seconds(5);
constexpr unsigned kEntries = 1024;
constexpr unsigned kCompletions = 8192;
// Blocks the kernel may fill at any moment: 128 x 8 KiB = 1 MiB a loop.
constexpr unsigned kProvidedBlocks = 128;
constexpr int kBufferGroup = 0;
constexpr int kSendPiecesMax = 64;
// Closed streams with unsent output and resting listeners are looked at this often.
constexpr Duration kChoresEvery = std::chrono::milliseconds(100);

struct Gather {
    msghdr message{};
    iovec pieces[kSendPiecesMax];
};

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
    bool delays_nobody() const { return !awaited() && !detaching_; }
    // The submission that held the send of this number is through without a complaint.
    void on_sent_at_once(std::uint64_t number);
    std::size_t index = 0;  // in the loop's list

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
    void send_at_once();
    void send_patiently();
    std::size_t gather(Gather& into) const;
    void retire_if_idle();
    void report_detachable();

    UringLoop& uring_;
    int fd_;
    Receive receive_;
    Send send_;
    bool receiving_ = false;  // a multishot receive is armed
    bool want_receive_ = false;
    bool cancelling_ = false;
    bool sending_ = false;
    bool released_ = false;
    bool aborted_ = false;
    bool ended_ = false;
    bool detaching_ = false;
    TimePoint linger_until_ = TimePoint::max();
    // The send at once that is under way: 0 = none.
    std::uint64_t at_once_ = 0;
    std::size_t at_once_bytes_ = 0;
    std::unique_ptr<Gather> gather_;  // only while several pieces are sent patiently
};

// A one-shot wait for writability. The loop owns it, for its completion may come after the
// coroutine that waited has given up.
struct WritableWait final : Operation {
    WritableWait(UringLoop& owner, Event& waiter) : loop(owner), event(&waiter) {}
    void on_complete(int result, std::uint32_t flags) override;
    UringLoop& loop;
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
    TimePoint rest_until = TimePoint::max();  // max: listening
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
        transport->index = transports_.size();
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
        ASSERT((flags & IORING_CQE_F_BUFFER) != 0);
        const unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
        Slice slice(provided_[id], 0, static_cast<std::size_t>(size));
        provide(id);
        return slice;
    }
    void linger(UringTransport* transport) { lingering_.push_back(transport); }
    void forget(UringTransport& transport) {
        std::erase(lingering_, &transport);
        for (auto* sends : {&queued_sends_, &submitted_sends_}) {
            for (SendAtOnce& send : *sends) {
                send.by = send.by == &transport ? nullptr : send.by;
            }
        }
        transports_.back()->index = transport.index;
        transports_[transport.index] = transports_.back();
        transports_.pop_back();
    }
    // Notes a send at once; its number.
    std::uint64_t note_send(UringTransport& transport) {
        queued_sends_.push_back({&transport, ++send_number_});
        return send_number_;
    }
    // Pieces for a send at once: read by the kernel during the submission, then free.
    Gather& turn_gather() {
        if (gathers_used_ == gathers_.size()) {
            gathers_.push_back(std::make_unique<Gather>());
        }
        return *gathers_[gathers_used_++];
    }
    void rest(Acceptor& acceptor, int error) {
        count_accept_failure(error);
        acceptor.rest_until = now() + kAcceptRest;
        resting_ = true;
    }
    void forget_wait(WritableWait& wait) {
        std::erase_if(waits_, [&](const auto& owned) { return owned.get() == &wait; });
    }
    void forget_acceptor(Acceptor* acceptor) { std::erase(stopped_acceptors_, acceptor); }

  protected:
    void wait_and_dispatch(TimePoint until) override;
    bool lingering() const override { return !lingering_.empty(); }
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

    struct SendAtOnce {
        UringTransport* by;
        std::uint64_t number;
    };
    void enter(TimePoint until);
    void dispatch();
    void settle_sends();
    void do_chores();

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
    std::vector<std::unique_ptr<WritableWait>> waits_;
    std::vector<SendAtOnce> queued_sends_;     // since the last submission
    std::vector<SendAtOnce> submitted_sends_;  // in it
    std::uint64_t send_number_ = 0;
    std::vector<std::unique_ptr<Gather>> gathers_;
    std::size_t gathers_used_ = 0;
    bool resting_ = false;
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
    } else if ((flags & IORING_CQE_F_BUFFER) != 0) {
        uring_.take_provided(flags, 0).reset();  // picked for a receive that came to nothing
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
    } else {
        report_detachable();
    }
}

void UringTransport::report_detachable() {
    if (detaching_ && !receiving_ && !sending_) {
        detaching_ = false;
        notify_idle();
    }
}

std::size_t UringTransport::gather(Gather& into) const {
    std::size_t count = 0;
    std::size_t bytes = 0;
    for (std::size_t i = queue_head_; i < queue_.size() && count < kSendPiecesMax; ++i) {
        into.pieces[count++] = {const_cast<std::uint8_t*>(queue_[i].data()), queue_[i].size()};
        bytes += queue_[i].size();
    }
    into.message.msg_iov = into.pieces;
    into.message.msg_iovlen = count;
    return bytes;
}

void UringTransport::send_at_once() {
    constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
    io_uring_sqe* sqe = uring_.next_sqe();
    if (unsent_slices() == 1) {
        const Slice& slice = queue_[queue_head_];
        io_uring_prep_send(sqe, fd_, slice.data(), slice.size(), kFlags);
        at_once_bytes_ = slice.size();
    } else {
        Gather& pieces = uring_.turn_gather();
        at_once_bytes_ = gather(pieces);
        io_uring_prep_sendmsg(sqe, fd_, &pieces.message, kFlags);
    }
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data(sqe, &send_);
    sending_ = true;
    at_once_ = uring_.note_send(*this);
}

void UringTransport::send_patiently() {
    io_uring_sqe* sqe = uring_.next_sqe();
    if (unsent_slices() == 1) {
        const Slice& slice = queue_[queue_head_];
        io_uring_prep_send(sqe, fd_, slice.data(), slice.size(), MSG_NOSIGNAL);
    } else {
        if (gather_ == nullptr) {
            gather_ = std::make_unique<Gather>();
        }
        gather(*gather_);
        io_uring_prep_sendmsg(sqe, fd_, &gather_->message, MSG_NOSIGNAL);
    }
    io_uring_sqe_set_data(sqe, &send_);
    sending_ = true;
}

void UringTransport::send_queued() {
    if (fd_ < 0) {
        consume_sent(unsent_bytes_);  // given away
    } else if (!sending_ && unsent_slices() > 0) {
        send_at_once();
    }
}

void UringTransport::on_sent_at_once(std::uint64_t number) {
    if (at_once_ == number) {
        on_send(static_cast<int>(at_once_bytes_));
    }
}

void UringTransport::on_send(int result) {
    const bool whole = at_once_ != 0 && result == static_cast<int>(at_once_bytes_);
    sending_ = false;
    at_once_ = 0;
    if (result > 0 && !aborted_) {
        consume_sent(static_cast<std::size_t>(result));
    } else if (aborted_ || (result != -EINTR && result != -EAGAIN)) {
        consume_sent(unsent_bytes_);  // the peer is gone; the receive side reports it
    }
    if (unsent_slices() == 0) {
        gather_.reset();
    } else if (whole) {
        send_at_once();
    } else {
        send_patiently();
    }
    notify_sent();
    if (released_) {
        retire_if_idle();
    } else {
        report_detachable();
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
    aborted_ = true;
    stop_receive();
    if (!sending_) {
        consume_sent(unsent_bytes_);
    } else if (at_once_ == 0) {
        uring_.cancel(send_);
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
    uring_.forget(*this);
    delete this;
}

int UringTransport::detach() {
    stop_receive();
    if (receiving_ || sending_ || unsent_bytes_ > 0) {
        detaching_ = true;
        return -1;
    }
    return std::exchange(fd_, -1);
}

void WritableWait::on_complete(int, std::uint32_t) {
    done = true;
    if (event != nullptr) {
        event->notify();
    } else {
        loop.forget_wait(*this);
    }
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
    if ((flags & IORING_CQE_F_MORE) != 0) {
        return;
    }
    if (stopped) {
        uring.forget_acceptor(this);
        delete this;
    } else if (result >= 0 || is_lost_connection(-result)) {
        arm();
    } else {
        uring.rest(*this, -result);  // armed again at once it would fail at once, for ever
    }
}

void UringLoop::stop_accept(int fd) {
    const auto found = acceptors_.find(fd);
    if (found == acceptors_.end()) {
        return;
    }
    Acceptor* acceptor = found->second;
    acceptors_.erase(found);
    if (acceptor->rest_until != TimePoint::max()) {
        delete acceptor;  // not armed
        return;
    }
    acceptor->stopped = true;
    stopped_acceptors_.push_back(acceptor);
    cancel(*acceptor);
    // The kernel's own reference to the listening socket ends when the cancelled accept completes,
    // which takes the call that runs deferred work: not in the next turn, for the caller may be
    // about to close the descriptor and listen on the address again.
    io_uring_submit_and_get_events(&ring_);
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
    CO_TRY(StartedConnect started, start_connect(address));
    while (started.fd < 0 && now() < deadline_at) {
        co_await sleep(kConnectRetry);
        auto again = start_connect(address);
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
        waits_.push_back(std::make_unique<WritableWait>(*this, event));
        WritableWait& waiting = *waits_.back();
        io_uring_sqe* sqe = next_sqe();
        io_uring_prep_poll_add(sqe, started.fd, POLLOUT);
        io_uring_sqe_set_data(sqe, static_cast<Operation*>(&waiting));
        while (!waiting.done && !deadline.expired()) {
            co_await event.wait();
        }
        if (!waiting.done) {
            waiting.event = nullptr;  // goes when the cancel completes it
            cancel(waiting);
            ::close(started.fd);
            co_return connect_timed_out(address);
        }
        forget_wait(waiting);
        if (auto finished = finish_connect(started.fd, address); !finished) {
            ::close(started.fd);
            co_return std::unexpected(std::move(finished).error());
        }
    }
    PeerInfo peer = describe_peer(started.fd);
    peer.address = address;
    co_return adopt(started.fd, std::move(peer));
}

void UringLoop::enter(TimePoint until) {
    int status = 0;
    if (until == TimePoint::max()) {
        status = io_uring_submit_and_wait(&ring_, 1);
    } else if (until <= now()) {
        status = io_uring_submit_and_get_events(&ring_);
    } else {
        const auto left = until - now();
        __kernel_timespec timeout{left.count() / 1'000'000, (left.count() % 1'000'000) * 1000};
        io_uring_cqe* first = nullptr;
        status = io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
    }
    // The ring belongs to the thread that made it; used by another one it would do nothing, for
    // ever.
    ASSERT(status != -EEXIST && status != -EBADFD && status != -EBADF);
}

void UringLoop::dispatch() {
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
}

// Called when the completions of a submission have been seen: sends without one are done.
void UringLoop::settle_sends() {
    for (const SendAtOnce& send : submitted_sends_) {
        if (send.by != nullptr) {
            send.by->on_sent_at_once(send.number);
        }
    }
    submitted_sends_.clear();
}

void UringLoop::do_chores() {
    const std::vector<UringTransport*> candidates = lingering_;
    for (UringTransport* transport : candidates) {
        if (transport->linger_until() <= now()) {
            transport->abort();
        }
    }
    resting_ = false;
    for (auto& [fd, acceptor] : acceptors_) {
        if (acceptor->rest_until <= now()) {
            acceptor->rest_until = TimePoint::max();
            acceptor->arm();
        }
        resting_ = resting_ || acceptor->rest_until != TimePoint::max();
    }
}

void UringLoop::wait_and_dispatch(TimePoint until) {
    if (!lingering_.empty() || resting_) {
        until = std::min(until, now() + kChoresEvery);
    }
    if (!submitted_sends_.empty()) {
        until = now();  // left over, see below
    }
    for (const SendAtOnce& send : queued_sends_) {
        submitted_sends_.push_back(send);
        if (send.by != nullptr && !send.by->delays_nobody()) {
            until = now();  // somebody waits for this one: tell him before going to sleep
        }
    }
    queued_sends_.clear();
    enter(until);
    set_now(read_clock());
    // Should the kernel not have taken all, or hold completions back for want of room in the ring,
    // the sends are settled in the next turn, which does not wait then.
    const bool all_taken = io_uring_sq_ready(&ring_) == 0;
    const bool all_seen = all_taken && !io_uring_cq_has_overflow(&ring_);
    if (all_taken) {
        gathers_used_ = 0;
    }
    dispatch();
    if (all_seen) {
        settle_sends();
    }
    publish_provided();
    if (!lingering_.empty() || resting_) {
        do_chores();
    }
}

}  // namespace

Result<std::unique_ptr<Loop>> make_uring_loop() {
    auto loop = std::make_unique<UringLoop>();
    TRY_VOID(loop->start());
    return loop;
}

}  // namespace howdah::net
