#include "net/block.hpp"

#include <cstdlib>
#include <new>

namespace howdah::net {

BlockPool::~BlockPool() {
    for (Block* block : free_) {
        std::free(block);
    }
}

Block* BlockPool::allocate(std::size_t bytes) {
    ++in_use_;
    if (bytes <= kBlockBytes && !free_.empty()) {
        Block* block = free_.back();
        free_.pop_back();
        block->references = 1;
        return block;
    }
    const std::size_t capacity = bytes <= kBlockBytes ? kBlockBytes : bytes;
    void* memory = std::malloc(sizeof(Block) + capacity);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return new (memory) Block{this, 1, static_cast<std::uint32_t>(capacity)};
}

void BlockPool::recycle(Block* block) {
    --in_use_;
    if (block->capacity == kBlockBytes && free_.size() < kFreeMax) {
        free_.push_back(block);
    } else {
        std::free(block);
    }
}

}  // namespace howdah::net
