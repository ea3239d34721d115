// Texts without literals, for logs and statistics. Pure.
//
// What is replaced: every string, number and bit string, wherever it stands (a password in ALTER
// ROLE as much as a value in a WHERE), and comments. Identifiers and parameters ($1) stay. From the
// first place on that cannot be read for certain (an open quote, literals glued together) the rest
// counts as one literal.
#pragma once

#include <string>
#include <string_view>

#include "sql/text_rules.hpp"

namespace howdah::sql {

// The text as written, each literal as `?`, each comment as one space. A text that the rules make
// unreadable (text_rules.hpp) becomes "<redacted>".
std::string redact(std::string_view text, TextRules rules = {});

// One line, unquoted words in lower case, single spaces, literals as $n counted on from the highest
// parameter: "select * from t where a = $1 and b = $2".
std::string normalize(std::string_view text);

// The same for a text that is no SQL: values whose quotes are wrong ('it's a secret') stand outside
// of literals, so that everything from the first string on is one literal.
std::string normalize_unparsed(std::string_view text);

// Whether `text` can be read under the rules at all: no NUL, valid UTF-8 where that is the
// encoding, no bytes that an encoding or a backslash makes ambiguous.
bool is_readable(std::string_view text, TextRules rules);

}  // namespace howdah::sql
