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

#include <cstddef>
#include <span>
#include <string_view>

#include "sql/literals.hpp"

namespace howdah::sql {

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

}  // namespace howdah::sql
