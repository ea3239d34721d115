// Literals of SQL texts: where they stand, what kind they are, and whether their text decides what
// a statement does. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace howdah::sql {

// A literal as it stands in a text, quotes and prefix included.
struct Literal {
    enum class Kind : std::uint8_t {
        kNumber,
        kString,  // '...': a doubled quote is the only escape
        kOther,   // E'', B'', X'', N'', $$...$$
    };
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    Kind kind = Kind::kNumber;
};

// The first literals of a text, in its order.
struct Literals {
    static constexpr std::size_t kMax = 8;
    std::array<Literal, kMax> at;
    std::size_t count = 0;  // kMax: there may be more
};

// Kinds of numbers that the grammar tells apart.
enum class NumberKind : std::uint8_t { kNone, kInteger, kLarge, kDecimal };
struct NumberScan {
    const char* end = nullptr;
    NumberKind kind = NumberKind::kNone;  // kNone: no number, or one that cannot be folded
};
// The number that begins at `at` with a digit, or with a dot and a digit.
NumberScan scan_number(const char* at, const char* end);
// Behind the string that begins at `at` with its quote; null: it never ends. Nothing escapes in it
// but a doubled quote.
const char* scan_string(const char* at, const char* end);

// Whether a literal's text decides facts (shape.hpp, 2.). `value` without its quotes.
bool literal_decides(std::string_view value);
bool names_pg_temp(std::string_view value);
bool is_clock_literal(std::string_view value);

}  // namespace howdah::sql
