// What a person or a script types on the console: one command a query, as PgBouncer reads them.
//
//     WORD [WORD] [;]            SHOW pools;  PAUSE "my db"
//     SET WORD (=|TO) value [;]  value: a word, "a quoted word", or 'a string'
//
// WORD is letters, digits and underscores, or anything in double quotes. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace howdah::proxy {

struct ConsoleCommand {
    std::string name;      // lower case; "set" for SET; empty for an empty query
    std::string argument;  // of SET: the option, lower case
    std::string value;     // of SET
};

// Errors have SQLSTATE 08P01 and PgBouncer's words, which its scripts match on.
[[nodiscard]] Result<ConsoleCommand> parse_console_command(std::string_view text);

}  // namespace howdah::proxy
