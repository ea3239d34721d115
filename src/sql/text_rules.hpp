// TextRules: how a session's server reads a text's bytes. Both follow ParameterStatus messages.
#pragma once

#include <cstdint>

namespace howdah::sql {

enum class Encoding : std::uint8_t {
    kUtf8,     // malformed UTF-8 is not read
    kOneByte,  // LATIN*, ISO_8859_*, WIN*, KOI8*, SQL_ASCII, EUC_*: bytes below 128 are ASCII
    kUnsafe,   // SJIS, SHIFT_JIS_2004, BIG5, GBK, GB18030, UHC, JOHAB: bytes of 128 and more are
               // not read, since the byte after one of them may look like ASCII
};

struct TextRules {
    bool standard_conforming_strings = true;  // off: a backslash in '...' is not read
    Encoding encoding = Encoding::kUtf8;
};

}  // namespace howdah::sql
