// StatementCache: text -> facts, bounded, one per loop. Not thread-safe; never blocks.
//
//     text --hash--> text table --hit--> facts           (30 ns: same text again)
//              \--miss--> memo of pieces --> facts       (60 ns: only literals differ, as before)
//                   \--miss--> shape lexer --hash--> facts    (130 ns: only literals differ)
//                                    \--miss--> libpg_query   (2 to 90 us: a new shape)
//
// The memo comes first while it is what answers: texts that are never the same miss the table,
// whose memory is then cold.
//
// 1. Memory: entries_max statements of together at most bytes_max bytes, the least recently used
//    (by CLOCK) leave first; beside it 2 x entries_max x 32 bytes of text table and one 64 KiB
//    lexer buffer, all allocated at construction, and 1 MiB of memos at most (text_memo.hpp). A
//    hit allocates nothing.
// 2. Keys are 128-bit universal hashes under a secret drawn at construction (hash.hpp): no literal
// is
//    kept,  and nobody who does not know the secret can make two of them meet
//    (probability below 2^-90 for the longest texts).
// 3. Texts over kTextBytesMax are not even hashed: they get one constant Statement, kUnparsed |
//    kUnknownCode | kWrite. The same goes for what cannot be read under the session's string rules,
//    and for what would have to be parsed and is over kParsedBytesMax. A bulk INSERT of a megabyte
//    is neither: its shape is one row (2 ns a byte; parsing costs 0.1 to 0.2 us a byte).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sql/literals.hpp"
#include "sql/statement.hpp"
#include "sql/text_rules.hpp"

namespace howdah::sql {

class StatementCache {
  public:
    static constexpr std::size_t kTextBytesMax = 1024 * 1024;
    static constexpr std::size_t kParsedBytesMax = 64 * 1024;  // of shape, or of text without one

    struct Counters {
        std::uint64_t text_hits = 0;   // same text
        std::uint64_t shape_hits = 0;  // same shape
        std::uint64_t parses = 0;      // libpg_query was asked
        std::uint64_t unparsed = 0;    // of these: it could not
        std::uint64_t refused = 0;     // too long, or not readable under the rules
        std::uint64_t evictions = 0;
        std::size_t entries = 0;
        std::size_t bytes = 0;
    };

    struct Lookup {
        const Statement* statement = nullptr;  // as analyze()
        std::uint64_t text_id = 0;             // hash of the exact text under this cache's secret
        bool has_comments = false;             // worth a look for tags and hints
        const Literals* literals = nullptr;    // null: not known. Borrowed as the statement is
    };

    // seed: 0 = draw the secret; other values make runs repeatable (simulation only).
    StatementCache(std::size_t entries_max, std::size_t bytes_max, std::uint64_t seed = 0);
    ~StatementCache();
    StatementCache(const StatementCache&) = delete;
    StatementCache& operator=(const StatementCache&) = delete;

    // The facts of `text`; never null. Borrowed: valid until the next call (keep: StatementRef).
    // `rules`: how this session's server reads strings (text_rules.hpp).
    const Statement* analyze(std::string_view text, TextRules rules = {}) {
        return lookup(text, rules).statement;
    }
    Lookup lookup(std::string_view text, TextRules rules = {});

    [[nodiscard]] const Counters& counters() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// The same facts without a cache: lexed and parsed each time. For tools and tests.
StatementRef analyze(std::string_view text, TextRules rules = {});

}  // namespace howdah::sql
