// What a stream stands on: the part that each backend writes for itself.
#pragma once

#include <vector>

#include "net/block.hpp"
#include "net/loop.hpp"

namespace howdah::net {

// Transport: the backend's half of a stream. Outlives it while the kernel still works on it.
class Transport {
  public:
    explicit Transport(Loop& loop) : loop_(loop) {}
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    virtual ~Transport() = default;

    virtual void start_receive() = 0;
    virtual void stop_receive() = 0;
    // Starts to send what is queued. May be called while a send is under way.
    virtual void send_queued() = 0;
    // The stream is gone: finish sending, then close and delete this.
    virtual void release() = 0;
    // Closes at once, unsent output is dropped; delete follows.
    virtual void abort() = 0;
    virtual int fd() const { return -1; }
    // Stops watching and gives the descriptor away, once nothing is under way. -1 if that cannot
    // be done at once: the listener is told when it can.
    virtual int detach() { return -1; }

    // From release() on: what the peer still sends is read and dropped, until it closes or a few
    // seconds have passed. Unread input makes the kernel reset the connection, and the peer may
    // lose what we said last.
    void close_gently() { gentle_ = true; }

    void enqueue(Slice slice);
    // The first `n` bytes of `next` join the last queued slice; false when they are not its
    // neighbours in one block.
    bool extend_queued(const Slice& next, std::size_t n);
    std::size_t unsent_bytes() const { return unsent_bytes_; }
    std::size_t unsent_slices() const { return queue_.size() - queue_head_; }
    // When the kernel last took some of the output, to a turn; the epoch: never.
    TimePoint taken_at() const { return taken_at_; }

  protected:
    friend class Stream;
    void consume_sent(std::size_t bytes) { consume_sent(bytes, loop_.now()); }
    // The kernel took them `at` a moment that a backend may hear of later.
    void consume_sent(std::size_t bytes, TimePoint at);
    void deliver(Slice slice);
    void deliver_end(int error);  // 0 = end of file
    void notify_sent();
    void notify_idle();  // nothing is under way any more: detach() would succeed
    // True when somebody acts on the output having left: do not sleep before telling.
    bool awaited() const;

    Loop& loop_;
    Stream* stream_ = nullptr;
    std::vector<Slice> queue_;
    std::size_t queue_head_ = 0;
    std::size_t unsent_bytes_ = 0;
    TimePoint taken_at_{};
    bool gentle_ = false;
};

}  // namespace howdah::net
