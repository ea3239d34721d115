#include "base/toml_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/utf8.hpp"

namespace howdah {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::size_t kDelimiter = 3;  // of a string of several lines

bool beyond_ascii(char c) {
    return static_cast<unsigned char>(c) >= 0x80;
}

// Copies from the text to the result, a lexical element a step.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    TomlText run() {
        if (rest_.starts_with(kByteOrderMark)) {
            copy(kByteOrderMark.size());
        }
        while (!rest_.empty() && result_.stray_line == 0) {
            const char next = rest_.front();
            if (next == '#') {
                copy(rest_.find('\n'));
            } else if (next == '"' || next == '\'') {
                string(next);
            } else if (beyond_ascii(next)) {
                stray();
            } else {
                copy(1);
            }
        }
        return std::move(result_);
    }

  private:
    void copy(std::size_t n) {
        const std::string_view part = rest_.substr(0, n);
        for (const char c : part) {
            line_ += c == '\n' ? 1 : 0;
        }
        result_.safe += part;
        rest_.remove_prefix(part.size());
    }
    void stray() {
        result_.stray_line = line_;
        result_.safe += '@';
    }

    void string(char quote) {
        const std::string delimiter(kDelimiter, quote);
        if (rest_.starts_with(delimiter)) {
            lines(quote, delimiter);
            return;
        }
        copy(1);
        while (!rest_.empty() && rest_.front() != '\n') {
            const char next = rest_.front();
            copy(next == '\\' && quote == '"' && rest_.substr(1, 1) != "\n" ? 2 : 1);
            if (next == quote) {
                return;
            }
        }
        copy(rest_.size());  // without an end: toml++ reads no further
    }

    void lines(char quote, std::string_view delimiter) {
        copy(kDelimiter);
        while (!rest_.empty() && result_.stray_line == 0) {
            if (rest_.starts_with(delimiter)) {
                copy(kDelimiter);
                // Up to two quotes more belong to the string.
                for (int i = 0; i < 2 && rest_.starts_with(quote); ++i) {
                    copy(1);
                }
                return;
            }
            if (quote == '"' && rest_.front() == '\\') {
                backslash();
            } else {
                copy(1);
            }
        }
    }

    // In a string of several lines.
    void backslash() {
        copy(1);
        if (rest_.empty()) {
            return;
        }
        if (beyond_ascii(rest_.front())) {
            stray();
            return;
        }
        constexpr std::string_view kBlanks = " \t\r\n";
        if (kBlanks.find(rest_.front()) == std::string_view::npos) {
            copy(1);
            return;
        }
        copy(std::min(rest_.find_first_not_of(kBlanks), rest_.size()));
        if (rest_.empty() || !beyond_ascii(rest_.front())) {
            return;
        }
        const std::size_t bytes = utf8_character_bytes(rest_);
        if (bytes == 0) {
            return;  // not UTF-8, which toml++ reports
        }
        // The bits of the first byte that belong to the character, then six of each other one.
        char32_t character = static_cast<unsigned char>(rest_.front()) & (0x7fU >> bytes);
        for (std::size_t i = 1; i < bytes; ++i) {
            character = (character << 6U) | (static_cast<unsigned char>(rest_[i]) & 0x3fU);
        }
        result_.safe += fmt::format("\\U{:08X}", static_cast<std::uint32_t>(character));
        rest_.remove_prefix(bytes);
    }

    std::string_view rest_;
    int line_ = 1;
    TomlText result_;
};

}  // namespace

TomlText toml_text(std::string_view text) {
    return Scanner(text).run();
}

}  // namespace howdah
