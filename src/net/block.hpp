// Blocks and slices: the bytes of the data plane. A received block is passed on by reference, so
// that what is only forwarded is never copied.
//
// 1. A Block belongs to one loop: its reference count is not atomic, and it goes back to the pool
//    of that loop when the last Slice lets go of it.
// 2. Bytes of a block are written once, before a Slice over them exists, and never changed after.
// 3. An idle connection holds no block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace howdah::net {

// 8 KiB holds any small result; a larger one costs one receive for each 8 KiB, which at 2 us is
// 4 GB/s. PgBouncer takes 4 KiB, Odyssey 8.
inline constexpr std::size_t kBlockBytes = 8192;

class BlockPool;

struct Block {
    BlockPool* pool;
    std::uint32_t references;
    std::uint32_t capacity;

    std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
};

// The free blocks of one loop, last in first out, so that the next one is warm in the cache.
class BlockPool {
  public:
    BlockPool() = default;
    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;
    ~BlockPool();

    // A block of at least `bytes`, with one reference, owned by the caller.
    Block* allocate(std::size_t bytes = kBlockBytes);
    void release(Block* block) {
        if (--block->references == 0) {
            recycle(block);
        }
    }

    std::size_t blocks_in_use() const { return in_use_; }
    std::size_t blocks_free() const { return free_.size(); }

  private:
    void recycle(Block* block);

    // Kept for reuse; more than this goes back to the allocator. 256 x 8 KiB = 2 MiB a loop.
    static constexpr std::size_t kFreeMax = 256;
    std::vector<Block*> free_;
    std::size_t in_use_ = 0;
};

// A range of a block, holding a reference to it.
class Slice {
  public:
    Slice() = default;
    // Takes over the caller's reference.
    Slice(Block* block, std::size_t offset, std::size_t size)
        : block_(block), data_(block->data() + offset), size_(size) {}
    Slice(Slice&& other) noexcept
        : block_(std::exchange(other.block_, nullptr)),
          data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    Slice& operator=(Slice&& other) noexcept {
        if (this != &other) {
            reset();
            block_ = std::exchange(other.block_, nullptr);
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
        }
        return *this;
    }
    ~Slice() { reset(); }

    const std::uint8_t* data() const { return data_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
    Block* block() const { return block_; }

    void drop_front(std::size_t n) {
        ASSERT(n <= size_);
        data_ += n;
        size_ -= n;
    }
    // A second slice over the first `n` bytes, sharing the block.
    Slice share_front(std::size_t n) const {
        ASSERT(n <= size_);
        ++block_->references;
        Slice slice;
        slice.block_ = block_;
        slice.data_ = data_;
        slice.size_ = n;
        return slice;
    }
    // True when `next` begins where this ends in the same block.
    bool adjoins(const Slice& next) const {
        return block_ == next.block_ && data_ + size_ == next.data_;
    }
    void extend(std::size_t n) { size_ += n; }
    // Copies `bytes` behind this slice, into the part of its block that nobody has seen yet. False
    // when the block is shared or full.
    bool append(std::span<const std::uint8_t> bytes) {
        if (block_ == nullptr || block_->references != 1) {
            return false;
        }
        const auto end = static_cast<std::size_t>(data_ + size_ - block_->data());
        if (block_->capacity - end < bytes.size()) {
            return false;
        }
        std::memcpy(block_->data() + end, bytes.data(), bytes.size());
        size_ += bytes.size();
        return true;
    }

    void reset() {
        if (block_ != nullptr) {
            block_->pool->release(block_);
            block_ = nullptr;
        }
        data_ = nullptr;
        size_ = 0;
    }

  private:
    Block* block_ = nullptr;
    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace howdah::net
