#include "sql/redact.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "sql/tokens.hpp"

namespace howdah::sql {
namespace {

bool is_literal(const Token& token) {
    return token.kind == TokenKind::kString || token.kind == TokenKind::kNumber;
}

// Tokens as far as they are certain; from there on one string to the end of the text.
class CertainTokens {
  public:
    // strings_certain: false where a string's end may not be where it seems.
    explicit CertainTokens(std::string_view text, bool strings_certain = true)
        : text_(text), lexer_(text), strings_certain_(strings_certain) {}

    Token next() {
        Token token = lexer_.next();
        if (doubtful(token) || (token.kind == TokenKind::kString && !strings_certain_)) {
            token = {.kind = TokenKind::kString,
                     .open = true,
                     .begin = token.begin,
                     .end = text_.size()};
            lexer_ = Lexer(text_, text_.size());
        }
        if (token.kind != TokenKind::kComment) {
            before_ = token;
        }
        return token;
    }

  private:
    // A string right behind a string continues it under the first one's rules, which the lexer
    // forgot; U& strings hang on a UESCAPE; digits glued to letters differ between versions.
    bool doubtful(const Token& token) const {
        const bool glued = token.kind == TokenKind::kString && before_.kind == TokenKind::kString;
        const bool number = before_.kind == TokenKind::kNumber || before_.kind == TokenKind::kParam;
        const bool junk = token.kind == TokenKind::kWord && number && before_.end == token.begin;
        return glued || junk || (token.open && token.kind != TokenKind::kComment);
    }

    std::string_view text_;
    Lexer lexer_;
    bool strings_certain_;
    Token before_;
};

bool valid_utf8(std::string_view text) {
    const auto* at = reinterpret_cast<const unsigned char*>(text.data());
    const auto* const end = at + text.size();
    while (at < end) {
        const unsigned char lead = *at++;
        if (lead < 0x80) {
            continue;
        }
        const int more = lead >= 0xC2 && lead <= 0xDF   ? 1
                         : lead >= 0xE0 && lead <= 0xEF ? 2
                         : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                        : 0;
        if (more == 0 || end - at < more) {
            return false;
        }
        const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        if (*at < low || *at > high) {
            return false;
        }
        for (int i = 1; i < more; ++i) {
            if ((at[i] & 0xC0U) != 0x80U) {
                return false;
            }
        }
        at += more;
    }
    return true;
}

bool is_ascii(std::string_view text) {
    const char* at = text.data();
    std::size_t left = text.size();
    std::uint64_t seen = 0;
    for (; left >= 8; left -= 8, at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        seen |= word;
    }
    std::uint64_t word = 0;
    if (left > 0) {  // an empty view may have no address
        std::memcpy(&word, at, left);
    }
    return ((seen | word) & 0x8080808080808080ULL) == 0;
}

int highest_param(std::string_view text) {
    int highest = 0;
    Lexer lexer(text);
    for (Token token = lexer.next(); token.kind != TokenKind::kEnd; token = lexer.next()) {
        if (token.kind == TokenKind::kParam) {
            int number = 0;
            for (const char c : token.in(text).substr(1)) {
                number = std::min(number * 10 + (c - '0'), 65535);
            }
            highest = std::max(highest, number);
        }
    }
    return highest;
}

// Whether people write a space between two tokens.
bool spaced(std::string_view before, std::string_view next, TokenKind before_kind) {
    if (before.empty() || next == "," || next == ")" || next == "." || next == ";" || next == "]" ||
        next == "[" || next == "::" || before == "(" || before == "." || before == "[" ||
        before == "::") {
        return false;
    }
    return !(next == "(" && before_kind == TokenKind::kWord && before != "in" &&
             before != "values" && before != "and" && before != "or" && before != "as" &&
             before != "from" && before != "not" && before != "where" && before != "by");
}

}  // namespace

bool is_readable(std::string_view text, TextRules rules) {
    if (!rules.standard_conforming_strings && text.find('\\') != std::string_view::npos) {
        return false;
    }
    if (!is_ascii(text)) {
        if (rules.encoding == Encoding::kUnsafe ||
            (rules.encoding == Encoding::kUtf8 && !valid_utf8(text))) {
            return false;
        }
    }
    return text.find('\0') == std::string_view::npos;
}

std::string redact(std::string_view text, TextRules rules) {
    if (!is_readable(text, rules)) {
        return "<redacted>";
    }
    std::string out;
    out.reserve(text.size());
    std::size_t copied = 0;
    CertainTokens tokens(text);
    for (Token token = tokens.next(); token.kind != TokenKind::kEnd; token = tokens.next()) {
        if (!is_literal(token) && token.kind != TokenKind::kComment) {
            continue;
        }
        out.append(text.substr(copied, token.begin - copied));
        out += is_literal(token) ? '?' : ' ';
        copied = token.end;
    }
    out.append(text.substr(copied));
    return out;
}

namespace {

std::string normalize_tokens(std::string_view text, CertainTokens tokens) {
    std::string out;
    int param = highest_param(text);
    std::string before;
    TokenKind before_kind = TokenKind::kEnd;
    for (Token token = tokens.next(); token.kind != TokenKind::kEnd; token = tokens.next()) {
        if (token.kind == TokenKind::kComment) {
            continue;
        }
        std::string next(token.in(text));
        if (is_literal(token)) {
            next = "$" + std::to_string(++param);
        } else if (token.kind == TokenKind::kWord) {
            std::ranges::transform(next, next.begin(), [](char c) {
                return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
            });
        }
        if (spaced(before, next, before_kind)) {
            out += ' ';
        }
        out += next;
        before = std::move(next);
        before_kind = token.kind;
    }
    return out;
}

}  // namespace

std::string normalize(std::string_view text) {
    return normalize_tokens(text, CertainTokens(text));
}

std::string normalize_unparsed(std::string_view text) {
    return normalize_tokens(text, CertainTokens(text, false));
}

}  // namespace howdah::sql
