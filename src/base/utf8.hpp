// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace howdah {

// How many bytes the character at the front of a text that is not empty has; 0: it is none.
[[nodiscard]] std::size_t utf8_character_bytes(std::string_view text);

// The text with each bad byte replaced by U+FFFD, cut at a character's end to at most `bytes_max`.
[[nodiscard]] std::string clean_utf8(std::string_view text,
                                     std::size_t bytes_max = std::string_view::npos);

// The line, from 1, of the first control character but tab, line feed and carriage return; 0: there
// is none. No text of a configuration may have one: toml++ ends the process over some of them.
[[nodiscard]] int control_character_line(std::string_view text);

}  // namespace howdah
