// The io_uring backend, private to this module: multishot receive into a ring of provided blocks
// (an idle connection holds none), sends gathered into the one submission of a turn, completions
// deferred to it.
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
//
// A multishot receive that has emptied its socket waits for the next event, and looks no further.
// Where the peer was reset before that, there is none: the end would never be told. So a connection
// from which bytes came is looked at once more a moment later, with poll(), and received from anew
// if it has ended: a new receive looks for itself.

#pragma once

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "net/loop.hpp"
#include "net/socket_util.hpp"
#include "net/stream.hpp"

namespace howdah::net::uring {

constexpr unsigned kEntries = 1024;
constexpr unsigned kCompletions = 8192;
// Blocks the kernel may fill at any moment: 128 x 8 KiB = 1 MiB a loop.
constexpr unsigned kProvidedBlocks = 128;
constexpr int kBufferGroup = 0;
constexpr int kSendPiecesMax = 64;
// Closed streams with unsent output, resting listeners and connections that have fallen silent are
// looked at this often.
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
    // Since when nothing came, while the loop has it in its list of those to look at.
    TimePoint silent_since() const { return silent_since_; }
    static constexpr std::size_t kNotListed = SIZE_MAX;
    std::size_t silent_index = kNotListed;
    // It has ended, or failed, as poll() says: whoever waits for it to be received is to hear so.
    void receive_anew();

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
        void on_complete(int result, std::uint32_t) override {
            owner.on_send(result, owner.loop_.now());
        }
        UringTransport& owner;
    };

    void on_receive(int result, std::uint32_t flags);
    void on_send(int result, TimePoint at);
    void arm_receive();
    void send_at_once();
    void send_patiently();
    std::size_t gather(Gather& into) const;
    void retire_if_idle();
    void end_output();
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
    TimePoint silent_since_{};
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
        : uring(loop),
          fd(listening),
          address(bound_address(listening)),
          handler(std::move(on_accept)) {}
    void on_complete(int result, std::uint32_t flags) override;
    void arm();
    UringLoop& uring;
    int fd;
    Address address;
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
    // Bytes came from it: it is looked at once more when no others follow.
    void look_later(UringTransport& transport) {
        if (transport.silent_index == UringTransport::kNotListed) {
            transport.silent_index = silent_.size();
            silent_.push_back(&transport);
        }
    }
    void forget(UringTransport& transport) {
        std::erase(lingering_, &transport);
        unlist_silent(transport);
        for (auto* sends : {&queued_sends_, &submitted_sends_}) {
            for (SendAtOnce& send : *sends) {
                send.by = send.by == &transport ? nullptr : send.by;
            }
        }
        transports_.back()->index = transport.index;
        transports_[transport.index] = transports_.back();
        transports_.pop_back();
    }
    // When the kernel was given what submitted_sends_ holds.
    TimePoint submitted_at() const { return submitted_at_; }
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
    void look_at_silent();
    void unlist_silent(UringTransport& transport) {
        if (transport.silent_index != UringTransport::kNotListed) {
            silent_.back()->silent_index = transport.silent_index;
            silent_[transport.silent_index] = silent_.back();
            silent_.pop_back();
            transport.silent_index = UringTransport::kNotListed;
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
    std::vector<UringTransport*> silent_;  // or not yet
    std::vector<pollfd> looked_at_;
    std::vector<UringTransport*> looked_at_transports_;
    TimePoint chores_due_ = TimePoint::max();
    std::vector<std::unique_ptr<WritableWait>> waits_;
    std::vector<SendAtOnce> queued_sends_;     // since the last submission
    std::vector<SendAtOnce> submitted_sends_;  // in it
    TimePoint submitted_at_{};
    std::uint64_t send_number_ = 0;
    std::vector<std::unique_ptr<Gather>> gathers_;
    std::size_t gathers_used_ = 0;
    bool resting_ = false;
};

}  // namespace howdah::net::uring
