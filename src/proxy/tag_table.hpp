// TagTable: the tags that callers write into comments (sql/comments.hpp), each set of them once,
// under a number that goes into QueryEvents. One per loop, on its thread.
//
// 1. The number is a salted hash of the set: the same on every loop, and after the set was
// forgotten
//    and learned again.
// 2. A set has the keys that name a caller (route, controller, action, framework, application, job,
//    db_driver, db_framework, prismaQuery up to its colon) and no other: those may hold values.
// 3. Bounded: kSetsMax sets of kSetBytesMax bytes. A full table starts anew; what a set has too
//    much is cut off.
#pragma once

#include <array>
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

    // What a text's comments say: the number of its set, and a salted hash of the trace that its
    // traceparent is part of. 0: none.
    struct Seen {
        std::uint64_t tags_id = 0;
        std::uint64_t trace_id = 0;
    };
    // `text` is read at its two ends only. With `text_id` (its hash), the second time is a look-up.
    Seen intern(std::string_view text, std::uint64_t text_id = 0);
    // Null: never seen, or forgotten.
    const std::vector<sql::Tag>* find(std::uint64_t id) const;
    const std::unordered_map<std::uint64_t, std::vector<sql::Tag>>& all() const { return sets_; }

  private:
    struct Known {
        std::uint64_t text_id = 0;
        Seen seen;
    };
    Seen read(std::string_view text);

    static constexpr std::size_t kKnownMax = 1024;
    std::array<Known, kKnownMax> known_{};  // by text_id; the last one stays
    const std::uint64_t salt_;
    std::unordered_map<std::uint64_t, std::vector<sql::Tag>> sets_;
};

}  // namespace howdah::proxy
