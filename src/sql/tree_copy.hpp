// parse_into: libpg_query's tree as it is in its memory, copied; not written as protobuf and read.
//
// libpg_query hands a tree over as protobuf's wire format only: it asks for the size of its
// message, writes the message, frees it, and we would read the bytes into the same structs again.
// Size, writing and reading were two thirds of `howdah lint`'s instructions (a Node is a union of
// 230 fields, each looked at twice). The library calls the two functions that measure and write its
// message by name, through the dynamic linker, so that the program's own definitions of them come
// first: they copy the message into an arena instead, and nothing is written.
//
// 1. Equal to the tree that the wire format gives, field by field (tree_copy_test).
// 2. Where the library calls its own functions (linked with -Bsymbolic, say), nothing is copied and
//    the caller reads the wire format.
// 3. Any thread; what is copied to is the thread's.
#pragma once

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace howdah::sql {

// Memory for one tree: bumped, never freed piece by piece. A node at a time with malloc and free
// took 1.4 times as long.
class Arena {
  public:
    explicit Arena(std::size_t block_bytes) : block_bytes_(block_bytes) {}

    void* allocate(std::size_t bytes) {
        constexpr std::size_t kAlign = alignof(std::max_align_t);
        bytes = (bytes + kAlign - 1) & ~(kAlign - 1);
        if (bytes > left_) {
            add_block(bytes);
        }
        void* memory = at_;
        at_ += bytes;
        left_ -= bytes;
        return memory;
    }

  private:
    void add_block(std::size_t bytes_min);

    std::vector<std::unique_ptr<std::byte[]>> blocks_;
    std::size_t block_bytes_;
    std::byte* at_ = nullptr;
    std::size_t left_ = 0;
};

struct CopiedParse {
    PgQueryProtobufParseResult parsed;     // the caller frees it
    PgQuery__ParseResult* tree = nullptr;  // in the arena; nullptr: refused, or not copied
};
CopiedParse parse_into(Arena& arena, const char* text);

}  // namespace howdah::sql
