// Stream: one connection, as bytes in and bytes out, with or without TLS. Owned by one session or
// one server connection, on that owner's loop.
//
// 1. Input is a queue of slices; what is forwarded moves from the input of one stream to the output
//    of another without a copy.
// 2. Output written in a turn leaves at the end of the turn in one call.
// 3. Nothing here suspends but start_tls(): the owner looks, acts, and sleeps on its Event, which
//    this notifies when bytes came, the peer left, or the output drained below the mark.
// 4. Destroying a stream with unsent output sends the rest in the background for a few seconds at
//    most, then closes; abort() closes at once.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/loop.hpp"
#include "net/tls.hpp"
#include "net/transport.hpp"

namespace howdah::net {

// A connection between two loops: what Stream::detach() gives and attach() takes. Nothing in it
// belongs to a loop. Closes the descriptor if nobody takes it.
struct Detached {
    Detached() = default;
    Detached(Detached&& other) noexcept { *this = std::move(other); }
    Detached& operator=(Detached&& other) noexcept {
        std::swap(fd, other.fd);
        peer = std::move(other.peer);
        tls.swap(other.tls);
        input.swap(other.input);
        return *this;
    }
    ~Detached();

    int fd = -1;
    PeerInfo peer;
    std::unique_ptr<TlsSession> tls;
    std::string input;  // received, not yet looked at
};

class Stream {
  public:
    Stream(Loop& loop, Transport* transport, PeerInfo peer);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // Who is told when something changed; null = nobody.
    void set_listener(Event* listener) { listener_ = listener; }

    // --- Input ---
    std::size_t buffered() const { return input_bytes_; }
    // The first `n` bytes in one piece, or null while fewer have come. Copies only where the piece
    // straddles two slices. The pointer is good until the next call on this stream.
    const std::uint8_t* peek(std::size_t n) {
        const bool in_one = input_head_ < input_.size() && input_[input_head_].size() >= n;
        return in_one ? input_[input_head_].data() : peek_across(n);
    }
    // The first slice's bytes: what can be looked at without a copy. Empty when nothing is there.
    std::span<const std::uint8_t> front() const;
    void drop(std::size_t n);
    // Moves the first `n` buffered bytes to the output of `to`.
    void forward(std::size_t n, Stream& to);
    // Takes the first `n` buffered bytes out as slices, for later.
    void take(std::size_t n, std::vector<Slice>& into);
    // No more input will come: end of file or error. Buffered input may still be there.
    bool ended() const { return ended_; }
    // errno of the end, 0 for an orderly one.
    int end_error() const { return end_error_; }

    // Backpressure: stop and go on receiving.
    void pause();
    void resume();
    bool paused() const { return paused_; }

    // --- Output ---
    void write(std::span<const std::uint8_t> bytes);
    void write(std::string_view text) {
        write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    }
    void write(Slice slice);
    std::size_t unsent() const { return transport_->unsent_bytes() + pending_bytes_; }
    TimePoint taken_at() const { return transport_->taken_at(); }
    // Above this the other side is paused; the listener is told when it falls below.
    bool congested() const {
        return unsent() > kOutputMark || transport_->unsent_slices() > kOutputSlicesMark;
    }
    // Ask to be told, once, when the output has fallen below the mark.
    void notify_when_drained() { notify_drained_ = true; }
    // Sends now rather than at the end of the turn.
    void flush();
    // The end of the turn, for Loop.
    void flush_dirty() {
        dirty_ = false;
        flush();
    }
    void abort();
    // The peer is to read the last that was written, whatever it sends meanwhile.
    void close_gently() { transport_->close_gently(); }

    // --- TLS ---
    // Takes the stream over to TLS. Error kProtocol when the handshake fails. Suspends; the
    // listener must not be used by anybody else meanwhile.
    Task<Result<>> start_tls(TlsRole role, std::shared_ptr<const TlsContext> context,
                             std::string server_name, TimePoint deadline);
    TlsSession* tls() const { return tls_.get(); }

    // Takes the connection off this loop, TLS state and unread input with it; the stream is ended
    // then. Nothing while output or a receive is under way, or after the end: the listener is told
    // when to ask again, and nothing is received until then or until resume().
    std::optional<Detached> detach();

    const PeerInfo& peer() const { return peer_; }
    void set_peer(PeerInfo peer) { peer_ = std::move(peer); }
    Loop& loop() const { return loop_; }
    int fd() const { return transport_->fd(); }
    Transport& transport() { return *transport_; }
    std::uint64_t bytes_received() const { return bytes_received_; }
    std::uint64_t bytes_written() const { return bytes_written_; }

    // 64 KiB: as much as a reader that is only slow to be scheduled needs.
    static constexpr std::size_t kOutputMark = 65536;
    static constexpr std::size_t kOutputSlicesMark = 64;
    // Up to this, a slice is copied to join its neighbour rather than hold a block of its own: a
    // peer that sends a byte at a time would make 8 KiB of memory of each.
    static constexpr std::size_t kJoinMax = 512;

  private:
    friend class Transport;
    friend std::unique_ptr<Stream> attach(Loop& loop, Detached detached);
    const std::uint8_t* peek_across(std::size_t n);
    void on_received(Slice slice);
    void on_end(int error);
    void on_sent();
    void mark_dirty();
    void push_input(Slice slice);
    void decrypt(Slice slice);
    void encrypt_pending();
    void end_with(int error);
    void seal_tail();
    void compact_input();
    void notify() {
        if (listener_ != nullptr) {
            listener_->notify();
        }
    }

    Loop& loop_;
    Transport* transport_;
    PeerInfo peer_;
    Event* listener_ = nullptr;

    // Input: input_[input_head_..]; mostly one slice.
    std::vector<Slice> input_;
    std::size_t input_head_ = 0;
    std::size_t input_bytes_ = 0;

    // Small writes are gathered in one block; it is sealed when a slice follows or at the flush.
    Block* tail_ = nullptr;
    std::size_t tail_begin_ = 0;
    std::size_t tail_end_ = 0;
    // With TLS: plaintext to encrypt at the flush.
    std::vector<Slice> plain_;
    std::size_t pending_bytes_ = 0;

    std::unique_ptr<TlsSession> tls_;
    std::uint64_t bytes_received_ = 0;
    std::uint64_t bytes_written_ = 0;
    int end_error_ = 0;
    bool ended_ = false;
    bool paused_ = false;
    bool dirty_ = false;
    bool notify_drained_ = false;
};

// Goes on with a connection on this loop; called on its thread.
std::unique_ptr<Stream> attach(Loop& loop, Detached detached);

}  // namespace howdah::net
