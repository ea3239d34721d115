// What a byte is to PostgreSQL's lexer; private to this module.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace howdah::sql {

enum Class : std::uint8_t {
    kOther,  // NUL, control characters, backslash, braces: not SQL
    kSpace,
    kLetter,  // a-z, A-Z, _ and bytes of 128 and more
    kDigit,
    kQuote,
    kDoubleQuote,
    kDollar,
    kDot,
    kColon,
    kOperator,
    kSelf,  // , ( ) [ ] ;
};

inline constexpr std::array<Class, 256> kClasses = [] {
    std::array<Class, 256> classes{};
    for (std::size_t c = 0; c < 256; ++c) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        classes[c] = letter || c >= 128 ? kLetter : c >= '0' && c <= '9' ? kDigit : kOther;
    }
    for (const char c : std::string_view(" \t\n\r\f")) {
        classes[static_cast<unsigned char>(c)] = kSpace;
    }
    for (const char c : std::string_view("~!@#^&|`?+-*/%<>=")) {
        classes[static_cast<unsigned char>(c)] = kOperator;
    }
    for (const char c : std::string_view(",()[];")) {
        classes[static_cast<unsigned char>(c)] = kSelf;
    }
    classes['\''] = kQuote;
    classes['"'] = kDoubleQuote;
    classes['$'] = kDollar;
    classes['.'] = kDot;
    classes[':'] = kColon;
    return classes;
}();

constexpr Class class_of(char c) {
    return kClasses[static_cast<unsigned char>(c)];
}

constexpr char lower_of(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace howdah::sql
