// One connection on the ring: receives, the two kinds of sends, and the end.

#include <sys/socket.h>

#include <cerrno>

#include "net/uring_loop.hpp"

namespace howdah::net::uring {
namespace {

// Unsent output of a closed stream gets this long.
constexpr Duration kLingerMax = std::chrono::seconds(5);

}  // namespace

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

void UringTransport::receive_anew() {
    if (receiving_ && !cancelling_) {
        cancelling_ = true;
        uring_.cancel(receive_);  // its completion arms the next
    }
}

void UringTransport::on_receive(int result, std::uint32_t flags) {
    if (result > 0) {
        Slice slice = uring_.take_provided(flags, result);
        silent_since_ = uring_.now();
        uring_.look_later(*this);
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
    if (released_ && (aborted_ || ended_ || !gentle_)) {
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
        on_send(static_cast<int>(at_once_bytes_), uring_.submitted_at());
    }
}

void UringTransport::on_send(int result, TimePoint at) {
    const bool whole = at_once_ != 0 && result == static_cast<int>(at_once_bytes_);
    sending_ = false;
    at_once_ = 0;
    if (result > 0 && !aborted_) {
        consume_sent(static_cast<std::size_t>(result), at);
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
        end_output();
        retire_if_idle();
    } else {
        report_detachable();
    }
}

void UringTransport::release() {
    released_ = true;
    if (gentle_ && fd_ >= 0 && !ended_) {
        start_receive();
    } else {
        stop_receive();
    }
    send_queued();
    end_output();
    if (sending_ || (gentle_ && receiving_)) {
        linger_until_ = loop_.now() + kLingerMax;
        uring_.linger(this);
    }
    retire_if_idle();
}

// All is said: the peer hears so at once, and closes its end.
void UringTransport::end_output() {
    if (gentle_ && !sending_ && unsent_slices() == 0 && fd_ >= 0) {
        ::shutdown(fd_, SHUT_WR);
    }
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

}  // namespace howdah::net::uring
