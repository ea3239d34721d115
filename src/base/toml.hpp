// toml++, and nothing that a text says ends the process: the library asserts some of what it should
// report ("[#", control characters), and takes for granted that some letters do not come (see
// toml_text.hpp). Included by whoever includes toml++: all must see one TOML_ASSERT.
#pragma once

#include <exception>
#include <string_view>

#include "base/toml_text.hpp"
#include "base/utf8.hpp"

namespace howdah {

struct TomlAssertion final : std::exception {};

constexpr void toml_assert(bool holds) {
    if (!holds) {
        throw TomlAssertion();
    }
}

}  // namespace howdah

#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_HEADER_ONLY 1
#define TOML_ASSERT(expr) ::howdah::toml_assert(static_cast<bool>(expr))
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace howdah {

// The line, from 1, up to which a text has to be read for an assertion to fail.
inline unsigned line_of_assertion(std::string_view text) {
    unsigned line = 1;
    for (std::size_t end = text.find('\n'); end != std::string_view::npos;
         end = text.find('\n', end + 1), ++line) {
        try {
            [[maybe_unused]] const auto table = toml::parse(text.substr(0, end + 1));
        } catch (const TomlAssertion&) {
            return line;
        } catch (const toml::parse_error&) {
            continue;  // in the middle of a value of several lines
        }
    }
    return line;
}

// The text as a table. Throws toml::parse_error, nothing else.
inline toml::table toml_table(std::string_view text, std::string_view path) {
    const auto wrong = [](const char* what, unsigned line) {
        return toml::parse_error(what, toml::source_position{line, 1});
    };
    if (const int line = control_character_line(text); line != 0) {
        throw wrong("a control character", static_cast<unsigned>(line));
    }
    const TomlText guarded = toml_text(text);
    const auto stray_line = static_cast<unsigned>(guarded.stray_line);
    try {
        toml::table table = toml::parse(guarded.safe, path);
        if (stray_line == 0) {
            return table;
        }
    } catch (const TomlAssertion&) {
        throw wrong("this is not TOML", line_of_assertion(guarded.safe));
    } catch (const toml::parse_error& error) {
        // With a stray character the text ends there; what is wrong in its line is that.
        if (stray_line == 0 || error.source().begin.line < stray_line) {
            throw;
        }
    }
    throw wrong("a character that is not ASCII, outside of strings and comments", stray_line);
}

}  // namespace howdah
