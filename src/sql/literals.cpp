#include "sql/literals.hpp"

#include <cstring>

#include "sql/byte_class.hpp"

namespace howdah::sql {
namespace {

bool equals_lower(std::string_view text, std::string_view lower) {
    if (text.size() != lower.size()) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (lower_of(text[i]) != lower[i]) {
            return false;
        }
    }
    return true;
}

}  // namespace

NumberScan scan_number(const char* at, const char* end) {
    const char* const begin = at;
    const auto peek = [&](std::ptrdiff_t ahead) { return end - at > ahead ? at[ahead] : '\0'; };
    const auto pass_digits = [&] {
        while (at < end && class_of(*at) == kDigit) {
            ++at;
        }
    };
    if (class_of(peek(peek(0) == '.' ? 1 : 0)) != kDigit) {
        return {};
    }
    pass_digits();
    const char* const digits_end = at;
    bool decimal = false;
    if (peek(0) == '.' && peek(1) != '.') {
        decimal = true;
        ++at;
        pass_digits();
    }
    if (lower_of(peek(0)) == 'e') {
        decimal = true;
        at += peek(1) == '+' || peek(1) == '-' ? 2 : 1;
        if (class_of(peek(0)) != kDigit) {
            return {};
        }
        pass_digits();
    }
    if (class_of(peek(0)) == kLetter) {
        return {};  // 1a is "1 AS a" to old servers, 0x1f and 1_000 numbers to new ones
    }
    if (decimal) {
        return {.end = at, .kind = NumberKind::kDecimal};
    }
    const char* significant = begin;
    while (significant < digits_end && *significant == '0') {
        ++significant;
    }
    const std::string_view value(significant, static_cast<std::size_t>(digits_end - significant));
    const bool fits = value.size() < 10 || (value.size() == 10 && value <= "2147483647");
    return {.end = at, .kind = fits ? NumberKind::kInteger : NumberKind::kLarge};
}

const char* scan_string(const char* at, const char* end) {
    for (++at;;) {
        if (end - at < 16) {
            while (at < end && *at != '\'') {
                ++at;
            }
        } else {
            const void* found = std::memchr(at, '\'', static_cast<std::size_t>(end - at));
            at = found == nullptr ? end : static_cast<const char*>(found);
        }
        if (at == end) {
            return nullptr;
        }
        if (at + 1 < end && at[1] == '\'') {
            at += 2;
            continue;
        }
        return at + 1;
    }
}

bool names_pg_temp(std::string_view value) {
    constexpr std::string_view kName = "pg_temp";
    for (std::size_t at = value.find('_'); at != std::string_view::npos;
         at = value.find('_', at + 1)) {
        if (at >= 2 && at + 5 <= value.size() &&
            equals_lower(value.substr(at - 2, kName.size()), kName)) {
            return true;
        }
    }
    return false;
}

bool is_clock_literal(std::string_view value) {
    constexpr std::size_t kBytesMax = 64;
    if (value.size() < 3 || value.size() > kBytesMax) {
        return false;
    }
    const auto is_word = [](char c) { return class_of(c) == kLetter || class_of(c) == kDigit; };
    while (!value.empty() && !is_word(value.front())) {
        value.remove_prefix(1);
    }
    while (!value.empty() && !is_word(value.back())) {
        value.remove_suffix(1);
    }
    if (value.empty()) {
        return false;
    }
    const char first = lower_of(value.front());
    const char last = lower_of(value.back());
    if (first != 'n' && first != 't' && first != 'y' && last != 'w' && last != 'y') {
        return false;
    }
    for (const std::string_view word : {"now", "today", "tomorrow", "yesterday"}) {
        const std::size_t rest = value.size() - word.size();
        if (value.size() < word.size()) {
            continue;
        }
        const bool at_begin = equals_lower(value.substr(0, word.size()), word) &&
                              (rest == 0 || !is_word(value[word.size()]));
        const bool at_end =
            equals_lower(value.substr(rest), word) && (rest == 0 || !is_word(value[rest - 1]));
        if (at_begin || at_end) {
            return true;
        }
    }
    return false;
}

bool literal_decides(std::string_view value) {
    return is_clock_literal(value) || (value.size() >= 7 && names_pg_temp(value));
}

}  // namespace howdah::sql
