// Facts of one text by parsing it: the slow way, which StatementCache takes once per shape.
// Internal to module sql.
#pragma once

#include <optional>
#include <string_view>

#include "sql/statement.hpp"

namespace howdah::sql {

struct Facts {
    StatementRef statement;
    // The values of literals decided something (EXPLAIN (ANALYZE 'off')): these facts belong to the
    // text and to no other text of its shape.
    bool literals_decide = false;
};

// Parses `text` as it stands. Nothing where it does not parse.
std::optional<Facts> parse_facts(std::string_view text);

// kUnparsed | kUnknownCode | kWrite, with the normalized text of `text`.
StatementRef unparsed_facts(std::string_view text);

}  // namespace howdah::sql
