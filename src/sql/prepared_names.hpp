// Where the names of SQL-level prepared statements stand in a text, so that the proxy can rewrite
// them to the names which it gave on the server. Pure; by tokens, so that it also works for syntax
// newer than the parser.
//
// Found: PREPARE name, EXECUTE name, DEALLOCATE [PREPARE] {name | ALL}; EXECUTE inside EXPLAIN
// [...] and CREATE TABLE ... AS. Not in the list: PREPARE TRANSACTION, GRANT EXECUTE, CREATE
// TRIGGER ... EXECUTE FUNCTION, and code in strings (DO, function bodies).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/text_rules.hpp"

namespace howdah::sql {

struct PreparedNameUse {
    // kDeallocateAll: no name; begin == end is where ALL stands.
    enum class Kind : std::uint8_t { kPrepare, kExecute, kDeallocate, kDeallocateAll };
    Kind kind = Kind::kPrepare;
    std::size_t begin = 0;  // bytes of the name in the text, quotes included
    std::size_t end = 0;
    // As PostgreSQL knows it: unquoted letters in lower case, quotes resolved, cut to 63 bytes.
    std::string name;
    // PREPARE: the statement behind AS, without its semicolon; begin == end when there is none.
    std::size_t body_begin = 0;
    std::size_t body_end = 0;
};

// In the order of the text. Empty where the text cannot be read under the rules; an U&"" name ends
// the list, since its letters may hang on a UESCAPE.
std::vector<PreparedNameUse> prepared_names(std::string_view text, TextRules rules = {});

// An identifier as written ("Name", name) as PostgreSQL folds and cuts it.
std::string fold_identifier(std::string_view written);

}  // namespace howdah::sql
