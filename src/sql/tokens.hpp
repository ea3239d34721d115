// Lexer: PostgreSQL's lexical structure, one token at a time, without allocating.
//
// 1. Tokens are views into the text given; they live as long as it does.
// 2. Any bytes are accepted: what PostgreSQL would refuse (an open quote) becomes a token that runs
//    to the end of the text with `open` set. Every byte but white space belongs to one token.
// 3. standard_conforming_strings is on: only E'' knows backslashes.
//
// Source: PostgreSQL manual 4.1 (Lexical Structure). Not a parser: keywords are words.
// Any thread; no shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace howdah::sql {

enum class TokenKind : std::uint8_t {
    kWord,        // identifier or keyword, as written
    kQuotedWord,  // "..." or U&"..."
    kString,      // '...', E'', B'', X'', N'', U&'', $tag$...$tag$
    kNumber,
    kParam,     // $1
    kOperator,  // a run of operator characters, and ::, :=, =>, ..
    kPunct,     // one of ; , ( ) [ ] . : or a byte that SQL does not know
    kComment,   // -- to the line's end, or /* nested */
    kEnd,
};

struct Token {
    TokenKind kind = TokenKind::kEnd;
    bool open = false;  // a quote or comment that never ends
    std::size_t begin = 0;
    std::size_t end = 0;

    std::string_view in(std::string_view text) const { return text.substr(begin, end - begin); }
};

class Lexer {
  public:
    explicit Lexer(std::string_view text, std::size_t from = 0) : text_(text), at_(from) {}

    // The next token, comments included; kEnd at the end, again and again.
    Token next();
    // The next token that is no comment.
    Token next_code();

  private:
    char peek(std::size_t ahead = 0) const;
    void skip_white();
    Token take_word(std::size_t begin);
    Token take_quoted(std::size_t begin, char quote, bool backslashes, TokenKind kind);
    bool continue_literal();
    Token take_dollar(std::size_t begin);
    Token take_number(std::size_t begin);
    Token take_block_comment(std::size_t begin);
    Token take_operator(std::size_t begin);

    std::string_view text_;
    std::size_t at_;
};

// True where `token` is the word `lower` (given in lower case), however it is written.
bool is_word(const Token& token, std::string_view text, std::string_view lower);
bool is_punct(const Token& token, std::string_view text, char c);

// A stretch of text that holds one statement: from its first token that is no comment to its last,
// without the semicolon. `open`: it ends in a quote or comment that never ends.
struct Piece {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t after = 0;  // where the next piece may begin (behind the semicolon)
    bool open = false;
};

// Splits at semicolons as PostgreSQL's parser would: not inside quotes, comments, the parentheses
// of CREATE RULE, or BEGIN ATOMIC ... END. Empty statements are left out.
std::vector<Piece> split(std::string_view text);
// The first piece at or behind `from`; end == begin when there is none.
Piece split_one(std::string_view text, std::size_t from);

}  // namespace howdah::sql
