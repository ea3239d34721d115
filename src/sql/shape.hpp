// Shape lexer: folds the literals of a text away, so that texts which differ in nothing else meet.
//
// The shape is itself SQL: each token once with one space behind it, unquoted words in lower case,
// comments and white space gone, every literal replaced by one of its kind:
//
//     SELECT * FROM t -- x              select * from t where a = 1 and b = 'x'
//      WHERE a=17 AND b = $$it's$$
//
// 1. Equal shapes mean equal parse trees but for the literals' values (or a syntax error at the
//    server, which does nothing). Whatever is not certain to keep this (U& escapes, adjacent
//    literals, junk behind numbers, open quotes) is `foldable == false`: the text stands for
//    itself.
// 2. Literals that decide facts by their text stay as they are: those that name pg_temp, and the
//    clock in disguise (up to 64 bytes whose first or last word is now, today, tomorrow or
//    yesterday: 'now', 'today 10:00', '[2020-01-01,now)').
// 3. IN lists of literals of one kind shrink to one literal, equal neighbours among VALUES rows to
//    one row: a batch has the same shape whatever its size. Parameters ($1) always stay.
// 4. Kinds stay apart, since the grammar knows them apart: integer (fits 32 bits), larger integer,
//    decimal, string, national, bit and hexadecimal string.
//
// Pure; one pass, no allocation, about 1 ns a byte (58 ns for pgbench's
// SELECT at 2.6 GHz); output never longer than `out`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
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

struct Shape {
    std::string_view canonical;  // into the buffer; without a trailing semicolon. "" = no statement
    bool foldable = false;
    bool has_comments = false;  // may be true without any when not foldable
};

// text: any bytes, read with standard_conforming_strings on, in an encoding in which bytes below
// 128 are ASCII. out: where the shape is written; a shape that does not fit is not foldable.
// literals: filled when the text is foldable.
Shape shape_of(std::string_view text, std::span<char> out, Literals* literals = nullptr);

// The literals that stand for all of their kind in a shape.
inline constexpr std::string_view kShapeInteger = "1";
inline constexpr std::string_view kShapeLarge = "9999999999";
inline constexpr std::string_view kShapeDecimal = "1.5";
inline constexpr std::string_view kShapeString = "'x'";
inline constexpr std::string_view kShapeNational = "n'x'";
inline constexpr std::string_view kShapeBits = "b'1'";
inline constexpr std::string_view kShapeHex = "x'1'";

// Whether a literal's text decides facts (2. above). `value` without its quotes.
bool literal_decides(std::string_view value);
bool names_pg_temp(std::string_view value);
bool is_clock_literal(std::string_view value);

}  // namespace howdah::sql
