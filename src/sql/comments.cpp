#include "sql/comments.hpp"

#include <algorithm>
#include <optional>

#include "sql/tokens.hpp"

namespace howdah::sql {
namespace {

constexpr std::string_view kBlank = " \t\r\n\f\v";
constexpr std::string_view kHintPrefix = "howdah:";

std::string_view trim(std::string_view text, std::string_view what = kBlank) {
    const std::size_t begin = text.find_first_not_of(what);
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(what) + 1 - begin);
}

// The bodies of the comments at both ends, in the text's order.
//
// From the end: a text that ends in */ ends in a comment, and the last /* stands inside it or opens
// it. (Were that wrong the text would be no SQL, and a tag too many does no harm.)
std::vector<std::string_view> outer_comments(std::string_view text) {
    constexpr std::string_view kSkipped = " \t\r\n\f\v;";
    std::vector<std::string_view> bodies;
    text = trim(text, kSkipped);
    for (std::size_t i = 0; i < kCommentsMax && text.starts_with("/*"); ++i) {
        const std::size_t close = text.find("*/", 2);
        if (close == std::string_view::npos) {
            return bodies;
        }
        bodies.push_back(text.substr(2, close - 2));
        text = trim(text.substr(close + 2), kSkipped);
    }
    const std::size_t leading = bodies.size();
    for (std::size_t i = 0; i < kCommentsMax && text.ends_with("*/"); ++i) {
        const std::size_t open = text.rfind("/*", text.size() - 3);
        if (text.size() < 4 || open == std::string_view::npos) {
            break;
        }
        bodies.push_back(text.substr(open + 2, text.size() - open - 4));
        text = trim(text.substr(0, open), kSkipped);
    }
    std::reverse(bodies.begin() + static_cast<std::ptrdiff_t>(leading), bodies.end());
    std::erase_if(bodies, [](std::string_view body) { return body.size() > kCommentBytesMax; });
    return bodies;
}

std::optional<int> hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? std::optional(lower - 'a' + 10) : std::nullopt;
}

// %2F -> /, \' -> '. Anything else stays, a lone % too.
std::string decode(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            const auto high = hex_digit(text[i + 1]);
            const auto low = hex_digit(text[i + 2]);
            if (high && low) {
                decoded += static_cast<char>(*high * 16 + *low);
                i += 2;
                continue;
            }
        } else if (text[i] == '\\' && i + 1 < text.size()) {
            ++i;
        }
        decoded += text[i];
    }
    return decoded;
}

bool is_key(std::string_view key) {
    return !key.empty() && std::ranges::all_of(key, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.' || c == '%';
    });
}

void add(std::vector<Tag>& tags, std::string key, std::string value) {
    const bool known = std::ranges::any_of(tags, [&](const Tag& tag) { return tag.key == key; });
    if (tags.size() < kTagsMax && !known) {
        tags.push_back({std::move(key), std::move(value)});
    }
}

// Where a quoted value that begins at `open` ends (its closing quote), or npos.
std::size_t close_quote(std::string_view text, std::size_t open) {
    for (std::size_t i = open + 1; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '\'') {
            return i;
        }
    }
    return std::string_view::npos;
}

// key='value' [, ...]. Nothing is added where the body is anything else.
bool read_sqlcommenter(std::string_view body, std::vector<Tag>& tags) {
    std::vector<Tag> found;
    while (!(body = trim(body)).empty()) {
        const std::size_t equals = body.find('=');
        if (equals == std::string_view::npos || !is_key(trim(body.substr(0, equals)))) {
            return false;
        }
        const std::size_t open = body.find_first_not_of(kBlank, equals + 1);
        if (open == std::string_view::npos || body[open] != '\'') {
            return false;
        }
        const std::size_t close = close_quote(body, open);
        if (close == std::string_view::npos) {
            return false;
        }
        add(found, decode(trim(body.substr(0, equals))),
            decode(body.substr(open + 1, close - open - 1)));
        body = trim(body.substr(close + 1));
        if (!body.empty() && body.front() != ',') {
            return false;
        }
        body = body.substr(body.empty() ? 0 : 1);
    }
    for (Tag& tag : found) {
        add(tags, std::move(tag.key), std::move(tag.value));
    }
    return true;
}

// key:value [, ...] or key=value [, ...], no blank behind the sign (prose has one).
void read_marginalia(std::string_view body, std::vector<Tag>& tags) {
    constexpr std::string_view kNoValue = " \t\r\n\f\v'";
    std::vector<Tag> found;
    while (!body.empty()) {
        const std::size_t comma = std::min(body.find(','), body.size());
        const std::string_view item = trim(body.substr(0, comma));
        const std::size_t sign = item.find_first_of(":=");
        if (sign == std::string_view::npos || sign + 1 >= item.size() ||
            !is_key(item.substr(0, sign)) ||
            kNoValue.find(item[sign + 1]) != std::string_view::npos) {
            return;
        }
        add(found, std::string(item.substr(0, sign)), decode(item.substr(sign + 1)));
        body.remove_prefix(std::min(comma + 1, body.size()));
    }
    for (Tag& tag : found) {
        add(tags, std::move(tag.key), std::move(tag.value));
    }
}

// key, key=value or key='value', with commas or blanks between.
void read_hints(std::string_view body, std::vector<Tag>& hints) {
    constexpr std::string_view kSeparators = " \t\r\n\f\v,";
    while (!(body = trim(body, kSeparators)).empty()) {
        const std::size_t key_end = std::min(body.find_first_of(" \t\r\n\f\v,="), body.size());
        std::string key(body.substr(0, key_end));
        std::ranges::transform(key, key.begin(), [](char c) {
            return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        });
        body.remove_prefix(key_end);
        std::string value;
        if (body.starts_with("='")) {
            const std::size_t close = std::min(close_quote(body, 1), body.size());
            value = decode(body.substr(2, close - 2));
            body.remove_prefix(std::min(close + 1, body.size()));
        } else if (body.starts_with('=')) {
            const std::size_t end = std::min(body.find_first_of(kSeparators), body.size());
            value = decode(body.substr(1, end - 1));
            body.remove_prefix(end);
        }
        if (!key.empty()) {
            add(hints, std::move(key), std::move(value));
        }
    }
}

}  // namespace

std::vector<Tag> comment_tags(std::string_view text) {
    std::vector<Tag> tags;
    for (const std::string_view body : outer_comments(text)) {
        if (!trim(body).starts_with(kHintPrefix) && !read_sqlcommenter(body, tags)) {
            read_marginalia(trim(body), tags);
        }
    }
    return tags;
}

std::vector<Tag> comment_hints(std::string_view text) {
    std::vector<Tag> hints;
    for (const std::string_view body : outer_comments(text)) {
        if (const std::string_view hint = trim(body); hint.starts_with(kHintPrefix)) {
            read_hints(hint.substr(kHintPrefix.size()), hints);
        }
    }
    return hints;
}

std::string strip_comments(std::string_view text) {
    std::string stripped;
    stripped.reserve(text.size());
    std::size_t copied = 0;
    TokenKind before = TokenKind::kEnd;
    Lexer lexer(text);
    for (Token token = lexer.next(); token.kind != TokenKind::kEnd; token = lexer.next()) {
        const bool glued = token.kind == TokenKind::kString && before == TokenKind::kString;
        if (token.open || glued) {
            return std::string(text);
        }
        if (token.kind == TokenKind::kComment) {
            stripped.append(text.substr(copied, token.begin - copied)).push_back(' ');
            copied = token.end;
        } else {
            before = token.kind;
        }
    }
    return stripped.append(text.substr(copied));
}

}  // namespace howdah::sql
