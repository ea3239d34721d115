// TextMemo: recognises a text that differs from one seen before in nothing but the values of its
// literals, by comparing what stands between them.
//
//     SELECT a FROM t WHERE id = 17 AND b = 'x'      seen, and folded by the shape lexer
//     SELECT a FROM t WHERE id = 4 AND b = 'yz'      same pieces, literals of the same kinds: hit
//
// 1. A hit is what the shape lexer would have found: where the bytes between literals are the same,
//    the lexer comes to each literal in the same state, and a literal of the same kind leaves it in
//    the same state again. What could blur that (a number that touches a word, literals that touch
//    each other, prefixed and dollar-quoted strings) is not remembered.
// 2. Literals that decide facts by their text (shape.hpp, 2.) never hit.
// 3. What is kept are the pieces between literals, no literal.
// 4. Memory: kSets x kWays memos of at most kTextMax bytes; a hit allocates nothing.
//
// 20 ns and a comparison of the text's bytes, where the shape lexer takes 1 to 2 ns a byte.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sql/literals.hpp"

namespace howdah::sql {

class TextMemo {
  public:
    static constexpr std::size_t kPrefix = 16;  // bytes before the first literal, at least
    static constexpr std::size_t kTextMax = 1024;

    // The caller's name for what is known of a text.
    struct Known {
        std::uint32_t entry = 0;
        std::uint32_t generation = 0;
        bool has_comments = false;
    };

    TextMemo();
    // Null: not seen, or not that way. literals: filled on a hit.
    const Known* find(std::string_view text, Literals& literals);
    // text: foldable, with all of its literals.
    void remember(std::string_view text, const Literals& literals, Known known);

  private:
    static constexpr std::size_t kSets = 128;
    static constexpr std::size_t kWays = 8;

    struct Memo {
        std::uint64_t key = 0;
        Known known;
        std::string pieces;                                       // one behind another
        std::array<std::uint16_t, Literals::kMax> piece_bytes{};  // before each literal
        std::array<NumberKind, Literals::kMax> numbers{};         // kNone: a string
        std::uint16_t count = 0;
        bool used = false;
    };
    static bool matches(const Memo& memo, std::string_view text, Literals& literals);

    std::unique_ptr<std::array<Memo, kWays>[]> sets_;
};

}  // namespace howdah::sql
