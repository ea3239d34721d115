#include "sql/tokens.hpp"

#include <array>

namespace howdah::sql {
namespace {

bool is_white(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Letters, underscore and every byte of a multi-byte character.
bool starts_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

bool continues_word(char c) {
    return starts_word(c) || is_digit(c) || c == '$';
}

bool is_operator(char c) {
    constexpr std::string_view kOperators = "+-*/<>=~!@#%^&|`?";
    return kOperators.find(c) != std::string_view::npos;
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

char Lexer::peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
}

void Lexer::skip_white() {
    while (at_ < text_.size() && is_white(text_[at_])) {
        ++at_;
    }
}

Token Lexer::next_code() {
    Token token = next();
    while (token.kind == TokenKind::kComment) {
        token = next();
    }
    return token;
}

Token Lexer::next() {
    skip_white();
    const std::size_t begin = at_;
    if (begin >= text_.size()) {
        return {.kind = TokenKind::kEnd, .begin = text_.size(), .end = text_.size()};
    }
    const char c = text_[begin];
    if (c == '-' && peek(1) == '-') {
        const std::size_t stop = text_.find_first_of("\r\n", begin);
        at_ = stop == std::string_view::npos ? text_.size() : stop;
        return {.kind = TokenKind::kComment, .begin = begin, .end = at_};
    }
    if (c == '/' && peek(1) == '*') {
        return take_block_comment(begin);
    }
    if (starts_word(c)) {
        return take_word(begin);
    }
    if (c == '\'') {
        return take_quoted(begin, '\'', false, TokenKind::kString);
    }
    if (c == '"') {
        return take_quoted(begin, '"', false, TokenKind::kQuotedWord);
    }
    if (c == '$') {
        return take_dollar(begin);
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
        return take_number(begin);
    }
    if (is_operator(c)) {
        return take_operator(begin);
    }
    const bool pair = c == ':' ? peek(1) == ':' || peek(1) == '=' : c == '.' && peek(1) == '.';
    at_ += pair ? 2 : 1;
    return {.kind = pair ? TokenKind::kOperator : TokenKind::kPunct, .begin = begin, .end = at_};
}

Token Lexer::take_word(std::size_t begin) {
    const char c = lower(text_[begin]);
    if (peek(1) == '\'' && (c == 'e' || c == 'b' || c == 'x' || c == 'n')) {
        ++at_;
        return take_quoted(begin, '\'', c == 'e', TokenKind::kString);
    }
    if (c == 'u' && peek(1) == '&' && (peek(2) == '\'' || peek(2) == '"')) {
        at_ += 2;
        const char quote = peek();
        return take_quoted(begin, quote, false,
                           quote == '"' ? TokenKind::kQuotedWord : TokenKind::kString);
    }
    while (at_ < text_.size() && continues_word(text_[at_])) {
        ++at_;
    }
    return {.kind = TokenKind::kWord, .begin = begin, .end = at_};
}

// at_ stands on the opening quote.
Token Lexer::take_quoted(std::size_t begin, char quote, bool backslashes, TokenKind kind) {
    ++at_;
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (backslashes && c == '\\') {
            at_ += 2;
            continue;
        }
        ++at_;
        if (c == quote) {
            if (peek() == quote) {
                ++at_;
            } else if (quote == '"' || !continue_literal()) {
                return {.kind = kind, .begin = begin, .end = at_};
            }
        }
    }
    at_ = text_.size();
    return {.kind = kind, .open = true, .begin = begin, .end = at_};
}

// Behind a closing quote: white space with a line break in it, then another quote, go on with the
// literal under the first one's rules ("E'a'<newline>'b\''" is one). Passes the opening quote.
bool Lexer::continue_literal() {
    const std::size_t closed = at_;
    bool line_break = false;
    while (at_ < text_.size()) {
        const char c = text_[at_];
        line_break = line_break || c == '\n' || c == '\r';
        if (c == '-' && peek(1) == '-') {
            const std::size_t stop = text_.find_first_of("\r\n", at_);
            at_ = stop == std::string_view::npos ? text_.size() : stop;
        } else if (is_white(c)) {
            ++at_;
        } else if (c == '\'' && line_break) {
            ++at_;
            return true;
        } else {
            break;
        }
    }
    at_ = closed;
    return false;
}

Token Lexer::take_dollar(std::size_t begin) {
    ++at_;
    if (is_digit(peek())) {
        while (is_digit(peek())) {
            ++at_;
        }
        return {.kind = TokenKind::kParam, .begin = begin, .end = at_};
    }
    std::size_t tag_end = at_;
    while (tag_end < text_.size() && (starts_word(text_[tag_end]) || is_digit(text_[tag_end]))) {
        ++tag_end;
    }
    if (tag_end >= text_.size() || text_[tag_end] != '$') {
        return {.kind = TokenKind::kPunct, .begin = begin, .end = at_};
    }
    const std::string_view tag = text_.substr(begin, tag_end + 1 - begin);
    const std::size_t close = text_.find(tag, tag_end + 1);
    const bool open = close == std::string_view::npos;
    at_ = open ? text_.size() : close + tag.size();
    return {.kind = TokenKind::kString, .open = open, .begin = begin, .end = at_};
}

Token Lexer::take_number(std::size_t begin) {
    while (is_digit(peek())) {
        ++at_;
    }
    if (peek() == '.' && peek(1) != '.') {
        ++at_;
        while (is_digit(peek())) {
            ++at_;
        }
    }
    if (lower(peek()) == 'e') {
        const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 2 : 1;
        if (is_digit(peek(sign))) {
            at_ += sign;
            while (is_digit(peek())) {
                ++at_;
            }
        }
    }
    return {.kind = TokenKind::kNumber, .begin = begin, .end = at_};
}

Token Lexer::take_block_comment(std::size_t begin) {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
        if (peek() == '/' && peek(1) == '*') {
            ++depth;
            at_ += 2;
        } else if (peek() == '*' && peek(1) == '/') {
            at_ += 2;
            if (--depth == 0) {
                return {.kind = TokenKind::kComment, .begin = begin, .end = at_};
            }
        } else {
            ++at_;
        }
    }
    return {.kind = TokenKind::kComment, .open = true, .begin = begin, .end = text_.size()};
}

Token Lexer::take_operator(std::size_t begin) {
    while (is_operator(peek())) {
        const bool comment =
            at_ > begin && ((peek() == '-' && peek(1) == '-') || (peek() == '/' && peek(1) == '*'));
        if (comment) {
            break;
        }
        ++at_;
    }
    return {.kind = TokenKind::kOperator, .begin = begin, .end = at_};
}

bool is_word(const Token& token, std::string_view text, std::string_view lowered) {
    if (token.kind != TokenKind::kWord || token.end - token.begin != lowered.size()) {
        return false;
    }
    for (std::size_t i = 0; i < lowered.size(); ++i) {
        if (lower(text[token.begin + i]) != lowered[i]) {
            return false;
        }
    }
    return true;
}

bool is_punct(const Token& token, std::string_view text, char c) {
    return token.kind == TokenKind::kPunct && text[token.begin] == c;
}

namespace {

// Follows one statement and says whether a semicolon ends it.
class StatementEnd {
  public:
    explicit StatementEnd(std::string_view text) : text_(text) {}

    void feed(const Token& token) {
        if (count_ < kHead) {
            read_head(token);
        }
        if (is_punct(token, text_, '(')) {
            ++depth_;
        } else if (is_punct(token, text_, ')')) {
            depth_ -= depth_ > 0 ? 1 : 0;
        } else if (routine_ && token.kind == TokenKind::kWord) {
            read_body(token);
        }
        last_begin_ = is_word(token, text_, "begin");
    }

    bool ends() const { return blocks_ == 0 && !(rule_ && depth_ > 0); }

  private:
    static constexpr int kHead = 4;  // CREATE OR REPLACE FUNCTION

    void read_head(const Token& token) {
        ++count_;
        if (count_ == 1) {
            create_ = is_word(token, text_, "create");
        }
        rule_ = rule_ || (create_ && is_word(token, text_, "rule"));
        routine_ =
            routine_ ||
            (create_ && (is_word(token, text_, "function") || is_word(token, text_, "procedure")));
    }

    void read_body(const Token& token) {
        if (last_begin_ && is_word(token, text_, "atomic")) {
            blocks_ = 1;
        } else if (blocks_ > 0 && is_word(token, text_, "case")) {
            ++blocks_;
        } else if (blocks_ > 0 && is_word(token, text_, "end")) {
            --blocks_;
        }
    }

    std::string_view text_;
    int count_ = 0;
    int depth_ = 0;
    int blocks_ = 0;
    bool create_ = false;
    bool rule_ = false;
    bool routine_ = false;
    bool last_begin_ = false;
};

}  // namespace

Piece split_one(std::string_view text, std::size_t from) {
    Lexer lexer(text, from);
    Token token = lexer.next_code();
    while (is_punct(token, text, ';')) {
        token = lexer.next_code();
    }
    Piece piece{.begin = token.begin, .end = token.begin, .after = token.end};
    if (token.kind == TokenKind::kEnd) {
        return piece;
    }
    StatementEnd statement(text);
    for (; token.kind != TokenKind::kEnd; token = lexer.next_code()) {
        if (is_punct(token, text, ';') && statement.ends()) {
            piece.after = token.end;
            return piece;
        }
        statement.feed(token);
        piece.end = token.end;
        piece.open = token.open;
    }
    piece.after = text.size();
    return piece;
}

std::vector<Piece> split(std::string_view text) {
    std::vector<Piece> pieces;
    for (std::size_t at = 0;;) {
        const Piece piece = split_one(text, at);
        if (piece.end == piece.begin) {
            return pieces;
        }
        pieces.push_back(piece);
        at = piece.after;
    }
}

}  // namespace howdah::sql
