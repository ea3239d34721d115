// TagTable: the tags that callers write into comments (sql/comments.hpp), each set of them once,
// under a number that goes into QueryEvents. One per loop, on its thread.
//
// 1. The number is a salted hash of the set: the same on every loop, and after the set was
// forgotten
//    and learned again.
// 2. What differs with every call (traceparent, tracestate) is no part of a set.
// 3. Bounded: kSetsMax sets of kSetBytesMax bytes. A full table starts anew; what a set has too
//    much is cut off.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sql/comments.hpp"

namespace howdah::proxy {

class TagTable {
  public:
    static constexpr std::size_t kSetsMax = 4096;
    static constexpr std::size_t kSetBytesMax = 512;

    explicit TagTable(std::uint64_t salt) : salt_(salt) {}

    // 0: the text has none. `text` is read at its two ends only.
    std::uint64_t intern(std::string_view text);
    // Null: never seen, or forgotten.
    const std::vector<sql::Tag>* find(std::uint64_t id) const;
    const std::unordered_map<std::uint64_t, std::vector<sql::Tag>>& all() const { return sets_; }

  private:
    const std::uint64_t salt_;
    std::unordered_map<std::uint64_t, std::vector<sql::Tag>> sets_;
};

}  // namespace howdah::proxy
