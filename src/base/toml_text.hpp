// What has to be settled about the text of a TOML file before toml++ reads it: where a character
// beyond ASCII stands outside of strings and comments, where TOML has no place for one, the library
// asks whether it is a blank, and for most letters that question has undefined behaviour.
#pragma once

#include <string>
#include <string_view>

namespace howdah {

struct TomlText {
    // The line, from 1, of the first character beyond ASCII that TOML has no place for; 0: none.
    int stray_line = 0;
    // The text, or the text up to there and an "@", which nothing allows either. Lines and meaning
    // are the text's: where a character beyond ASCII follows a line-ending backslash and its
    // blanks, its escape (\U000000E4) stands for it.
    std::string safe;
};

// A text with an error (a string without an end) is looked at up to there.
[[nodiscard]] TomlText toml_text(std::string_view text);

}  // namespace howdah
