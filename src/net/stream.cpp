#include "net/stream.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace howdah::net {

namespace {

// Slices before `head` are spent. Without this a queue that never runs empty grows for ever.
void compact(std::vector<Slice>& queue, std::size_t& head) {
    constexpr std::size_t kSpentMax = 64;
    if (head == queue.size()) {
        queue.clear();
        head = 0;
        if (queue.capacity() > kSpentMax) {
            queue.shrink_to_fit();
        }
    } else if (head >= kSpentMax) {
        queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(head));
        head = 0;
    }
}

}  // namespace

void Transport::enqueue(Slice slice) {
    if (slice.empty()) {
        return;  // a send of nothing would never be done
    }
    if (extend_queued(slice, slice.size())) {
        return;  // frames forwarded one by one leave as one piece
    }
    unsent_bytes_ += slice.size();
    queue_.push_back(std::move(slice));
}

bool Transport::extend_queued(const Slice& next, std::size_t n) {
    if (queue_head_ == queue_.size() || !queue_.back().adjoins(next)) {
        return false;
    }
    queue_.back().extend(n);
    unsent_bytes_ += n;
    return true;
}

void Transport::consume_sent(std::size_t bytes, TimePoint at) {
    taken_at_ = at;
    unsent_bytes_ -= bytes;
    while (bytes > 0) {
        Slice& first = queue_[queue_head_];
        if (bytes < first.size()) {
            first.drop_front(bytes);
            break;
        }
        bytes -= first.size();
        first.reset();
        ++queue_head_;
    }
    compact(queue_, queue_head_);
}

void Transport::deliver(Slice slice) {
    if (stream_ != nullptr) {
        stream_->on_received(std::move(slice));
    }
}

void Transport::deliver_end(int error) {
    if (stream_ != nullptr) {
        stream_->on_end(error);
    }
}

void Transport::notify_sent() {
    if (stream_ != nullptr) {
        stream_->on_sent();
    }
}

void Transport::notify_idle() {
    if (stream_ != nullptr) {
        stream_->notify();
    }
}

bool Transport::awaited() const {
    return stream_ == nullptr || stream_->notify_drained_;
}

Stream::Stream(Loop& loop, Transport* transport, PeerInfo peer)
    : loop_(loop), transport_(transport), peer_(std::move(peer)) {
    transport_->stream_ = this;
    transport_->start_receive();
}

Stream::~Stream() {
    listener_ = nullptr;  // may be gone already
    if (dirty_) {
        loop_.forget_dirty(*this);
    }
    if (tls_ != nullptr && end_error_ == 0) {
        encrypt_pending();
        tls_->shut_down();
        tls_->take_output(loop_.blocks(),
                          [this](Slice slice) { transport_->enqueue(std::move(slice)); });
    }
    seal_tail();
    transport_->stream_ = nullptr;
    if (ended_ && end_error_ != 0) {
        transport_->abort();
    } else {
        transport_->release();
    }
}

void Stream::abort() {
    end_error_ = ECONNABORTED;
    if (!ended_) {
        ended_ = true;
        transport_->stop_receive();
    }
}

const std::uint8_t* Stream::peek_across(std::size_t n) {
    if (input_bytes_ < n) {
        return nullptr;
    }
    if (n == 0) {
        static constexpr std::uint8_t kNothing = 0;
        return &kNothing;
    }
    Block* block = loop_.blocks().allocate(n);
    std::size_t copied = 0;
    while (copied < n) {
        Slice& slice = input_[input_head_];
        const std::size_t part = std::min(slice.size(), n - copied);
        std::memcpy(block->data() + copied, slice.data(), part);
        copied += part;
        slice.drop_front(part);
        if (slice.empty()) {
            slice.reset();
            ++input_head_;
        }
    }
    Slice whole(block, 0, n);
    if (input_head_ > 0) {
        input_[--input_head_] = std::move(whole);
    } else {
        input_.insert(input_.begin(), std::move(whole));
    }
    return input_[input_head_].data();
}

std::span<const std::uint8_t> Stream::front() const {
    return input_head_ < input_.size() ? input_[input_head_].bytes()
                                       : std::span<const std::uint8_t>();
}

void Stream::compact_input() {
    compact(input_, input_head_);
}

void Stream::drop(std::size_t n) {
    ASSERT(n <= input_bytes_);
    input_bytes_ -= n;
    while (n > 0) {
        Slice& slice = input_[input_head_];
        const std::size_t part = std::min(slice.size(), n);
        slice.drop_front(part);
        n -= part;
        if (slice.empty()) {
            slice.reset();
            ++input_head_;
        }
    }
    compact_input();
}

void Stream::forward(std::size_t n, Stream& to) {
    ASSERT(n <= input_bytes_);
    input_bytes_ -= n;
    // The next frame of an answer, behind the one that is queued already: no slice of its own.
    if (to.tail_ == nullptr && to.tls_ == nullptr && input_head_ < input_.size() &&
        n < input_[input_head_].size() && to.transport_->extend_queued(input_[input_head_], n)) {
        input_[input_head_].drop_front(n);
        to.bytes_written_ += n;
        to.mark_dirty();
        return;
    }
    while (n > 0) {
        Slice& slice = input_[input_head_];
        if (slice.size() <= n) {
            n -= slice.size();
            to.write(std::move(slice));
            ++input_head_;
        } else {
            to.write(slice.share_front(n));
            slice.drop_front(n);
            n = 0;
        }
    }
    compact_input();
}

void Stream::take(std::size_t n, std::vector<Slice>& into) {
    ASSERT(n <= input_bytes_);
    input_bytes_ -= n;
    while (n > 0) {
        Slice& slice = input_[input_head_];
        if (slice.size() <= n) {
            n -= slice.size();
            into.push_back(std::move(slice));
            ++input_head_;
        } else {
            into.push_back(slice.share_front(n));
            slice.drop_front(n);
            n = 0;
        }
    }
    compact_input();
}

void Stream::pause() {
    if (!paused_ && !ended_) {
        paused_ = true;
        transport_->stop_receive();
    }
}

void Stream::resume() {
    if (paused_) {
        paused_ = false;
        if (!ended_) {
            transport_->start_receive();
        }
    }
}

void Stream::mark_dirty() {
    if (!dirty_) {
        dirty_ = true;
        loop_.mark_dirty(*this);
    }
}

void Stream::seal_tail() {
    if (tail_ == nullptr) {
        return;
    }
    Slice slice(tail_, tail_begin_, tail_end_ - tail_begin_);  // takes over our reference
    tail_ = nullptr;
    if (slice.empty()) {
        return;
    }
    if (tls_ != nullptr) {
        plain_.push_back(std::move(slice));
    } else {
        pending_bytes_ -= slice.size();
        transport_->enqueue(std::move(slice));
    }
}

void Stream::write(std::span<const std::uint8_t> bytes) {
    bytes_written_ += bytes.size();
    while (!bytes.empty()) {
        if (tail_ == nullptr) {
            tail_ = loop_.blocks().allocate();
            tail_begin_ = tail_end_ = 0;
        }
        const std::size_t part = std::min(bytes.size(), tail_->capacity - tail_end_);
        std::memcpy(tail_->data() + tail_end_, bytes.data(), part);
        tail_end_ += part;
        pending_bytes_ += part;
        bytes = bytes.subspan(part);
        if (tail_end_ == tail_->capacity) {
            seal_tail();
        }
    }
    mark_dirty();
}

void Stream::write(Slice slice) {
    // Behind bytes of our own, or to be encrypted, a small piece is cheaper copied: one send of one
    // piece, one TLS record.
    const bool join = tail_ != nullptr ? tail_->capacity - tail_end_ >= slice.size()
                                       : tls_ != nullptr && tls_->established();
    if (slice.empty() || (join && slice.size() <= kJoinMax)) {
        write(slice.bytes());
        return;
    }
    seal_tail();
    bytes_written_ += slice.size();
    if (tls_ != nullptr) {
        pending_bytes_ += slice.size();
        plain_.push_back(std::move(slice));
    } else {
        transport_->enqueue(std::move(slice));
    }
    mark_dirty();
}

void Stream::flush() {
    seal_tail();
    if (tls_ != nullptr) {
        encrypt_pending();
    }
    if (ended_ && end_error_ != 0) {
        return;
    }
    transport_->send_queued();
}

void Stream::on_received(Slice slice) {
    if (ended_) {
        return;  // given up, or closed by TLS: nobody will look at it
    }
    bytes_received_ += slice.size();
    if (tls_ != nullptr) {
        decrypt(std::move(slice));
    } else {
        push_input(std::move(slice));
    }
    notify();
}

void Stream::push_input(Slice slice) {
    input_bytes_ += slice.size();
    if (slice.size() <= kJoinMax && input_head_ < input_.size() &&
        input_.back().append(slice.bytes())) {
        return;
    }
    input_.push_back(std::move(slice));
}

void Stream::on_end(int error) {
    if (!ended_) {
        ended_ = true;
        end_error_ = error;
        notify();
    }
}

// The end as TLS sees it, before the transport's.
void Stream::end_with(int error) {
    ended_ = true;
    end_error_ = error;
    transport_->stop_receive();
}

void Stream::on_sent() {
    if (notify_drained_ && !congested()) {
        notify_drained_ = false;
        notify();
    }
}

void Stream::encrypt_pending() {
    seal_tail();
    for (Slice& slice : plain_) {
        pending_bytes_ -= slice.size();
        if (!tls_->encrypt(slice.bytes()) && !ended_) {
            end_with(EPROTO);
            notify();
        }
    }
    plain_.clear();
    tls_->take_output(loop_.blocks(),
                      [this](Slice slice) { transport_->enqueue(std::move(slice)); });
}

void Stream::decrypt(Slice slice) {
    tls_->feed(slice.bytes());
    slice.reset();
    if (!tls_->established()) {
        return;  // start_tls() goes on with the handshake
    }
    const auto outcome =
        tls_->decrypt(loop_.blocks(), [this](Slice plain) { push_input(std::move(plain)); });
    if (tls_->has_output()) {
        mark_dirty();  // a key update or renegotiation answer
    }
    if (outcome == TlsSession::Outcome::kClosed) {
        end_with(0);
    } else if (outcome == TlsSession::Outcome::kFailed) {
        end_with(EPROTO);
    }
}

Detached::~Detached() {
    if (fd >= 0) {
        ::close(fd);
    }
}

std::optional<Detached> Stream::detach() {
    if (ended_) {
        return std::nullopt;
    }
    flush();
    const int fd = transport_->detach();
    if (fd < 0) {
        paused_ = true;  // whoever thinks better of it says resume()
        return std::nullopt;
    }
    Detached detached;
    detached.fd = fd;
    detached.peer = peer_;
    detached.tls = std::move(tls_);
    detached.input.reserve(input_bytes_);
    while (input_bytes_ > 0) {
        const auto piece = front();
        detached.input.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        drop(piece.size());
    }
    ended_ = true;
    return detached;
}

std::unique_ptr<Stream> attach(Loop& loop, Detached detached) {
    auto stream = loop.adopt(std::exchange(detached.fd, -1), std::move(detached.peer));
    if (!detached.input.empty()) {
        Block* block = loop.blocks().allocate(detached.input.size());
        std::memcpy(block->data(), detached.input.data(), detached.input.size());
        stream->push_input(Slice(block, 0, detached.input.size()));
    }
    stream->tls_ = std::move(detached.tls);
    return stream;
}

Task<Result<>> Stream::start_tls(TlsRole role, std::shared_ptr<const TlsContext> context,
                                 std::string server_name, TimePoint deadline_at) {
    auto session = TlsSession::create(role, std::move(context), server_name);
    if (!session) {
        co_return std::unexpected(std::move(session).error());
    }
    resume();
    seal_tail();
    transport_->send_queued();
    tls_ = std::move(*session);
    // Bytes that came with the request (direct TLS) are the first of the handshake.
    while (input_head_ < input_.size()) {
        tls_->feed(input_[input_head_].bytes());
        input_[input_head_].reset();
        ++input_head_;
    }
    input_bytes_ = 0;
    compact_input();

    Event event(loop_);
    Event* const previous = std::exchange(listener_, &event);
    Deadline deadline(event);
    deadline.arm(deadline_at);
    Result<> result;
    while (true) {
        auto step = tls_->handshake();
        tls_->take_output(loop_.blocks(),
                          [this](Slice slice) { transport_->enqueue(std::move(slice)); });
        mark_dirty();
        if (!step) {
            result = std::unexpected(std::move(step).error());
            break;
        }
        if (*step) {
            break;
        }
        if (ended_) {
            result =
                fail(ErrorCode::kIo, "the peer closed the connection during the TLS handshake");
            break;
        }
        if (deadline.expired()) {
            result = fail(ErrorCode::kTimeout, "the TLS handshake took too long");
            break;
        }
        co_await event.wait();
    }
    listener_ = previous;
    if (result) {
        decrypt(Slice());
    }
    co_return result;
}

}  // namespace howdah::net
