// The ring itself: submission, completion, accept and connect.

#include "net/uring_loop.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "net/backends.hpp"

namespace howdah::net {
namespace uring {

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
            handler(Accepted{result, describe_accepted(result, address, nullptr)});
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
        // Rings count against what a user may lock in memory, all processes together.
        return fail(ErrorCode::kUnavailable,
                    std::string("io_uring_setup: ") + std::strerror(-status) +
                        (status == -ENOMEM ? " (raise the limit of locked memory, ulimit -l or "
                                             "LimitMEMLOCK=, or use backend = \"epoll\")"
                                           : ""));
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

void UringLoop::look_at_silent() {
    looked_at_.clear();
    for (std::size_t i = 0; i < silent_.size();) {
        UringTransport& transport = *silent_[i];
        if (transport.fd() >= 0 && transport.silent_since() + kChoresEvery > now()) {
            ++i;
            continue;
        }
        unlist_silent(transport);  // another is at this place now
        if (transport.fd() >= 0) {
            looked_at_.push_back({transport.fd(), 0, 0});
            looked_at_transports_.push_back(&transport);
        }
    }
    if (!looked_at_.empty() && ::poll(looked_at_.data(), looked_at_.size(), 0) > 0) {
        for (std::size_t i = 0; i < looked_at_.size(); ++i) {
            if ((looked_at_[i].revents & (POLLHUP | POLLERR)) != 0) {
                looked_at_transports_[i]->receive_anew();
            }
        }
    }
    looked_at_transports_.clear();
}

void UringLoop::do_chores() {
    look_at_silent();
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
    if (lingering_.empty() && silent_.empty() && !resting_) {
        chores_due_ = TimePoint::max();
    } else if (chores_due_ == TimePoint::max()) {
        chores_due_ = now() + kChoresEvery;
    }
    until = std::min(until, chores_due_);
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
    submitted_at_ = now();
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
    if (chores_due_ <= now()) {
        chores_due_ = TimePoint::max();
        do_chores();
    }
}

}  // namespace uring

Result<std::unique_ptr<Loop>> make_uring_loop() {
    auto loop = std::make_unique<uring::UringLoop>();
    TRY_VOID(loop->start());
    return loop;
}

}  // namespace howdah::net
