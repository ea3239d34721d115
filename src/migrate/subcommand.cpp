#include "migrate/interpreter.hpp"

namespace howdah::migrate {
namespace {

bool is_name(const sql::Token& token) {
    return token.kind == sql::TokenKind::kWord || token.kind == sql::TokenKind::kQuotedWord;
}

// The first token behind ALTER TABLE [IF EXISTS] [ONLY] name [*].
sql::Token skip_head(sql::Lexer& lexer, std::string_view text) {
    lexer.next_code();  // ALTER
    sql::Token token = lexer.next_code();
    while (!sql::is_word(token, text, "table") && !sql::is_word(token, text, "view") &&
           !sql::is_word(token, text, "index") && !sql::is_word(token, text, "sequence") &&
           !sql::is_word(token, text, "type") && token.kind != sql::TokenKind::kEnd) {
        token = lexer.next_code();
    }
    token = lexer.next_code();
    while (sql::is_word(token, text, "if") || sql::is_word(token, text, "exists") ||
           sql::is_word(token, text, "only")) {
        token = lexer.next_code();
    }
    token = lexer.next_code();  // behind the name's first part
    while (sql::is_punct(token, text, '.') || token.in(text) == "*") {
        const bool dot = sql::is_punct(token, text, '.');
        token = lexer.next_code();
        if (dot && is_name(token)) {
            token = lexer.next_code();
        }
    }
    return token;
}

}  // namespace

std::pair<std::size_t, std::size_t> subcommand_range(const StatementPlace& place,
                                                     std::size_t index) {
    const std::string_view text = place.text.substr(0, place.end);
    sql::Lexer lexer(text, place.begin);
    sql::Token token = skip_head(lexer, text);
    std::size_t number = 0;
    std::size_t begin = token.begin;
    std::size_t end = token.end;
    int depth = 0;
    for (; token.kind != sql::TokenKind::kEnd; token = lexer.next_code()) {
        if (sql::is_punct(token, text, '(') || sql::is_punct(token, text, '[')) {
            ++depth;
        } else if (sql::is_punct(token, text, ')') || sql::is_punct(token, text, ']')) {
            --depth;
        } else if (depth == 0 && sql::is_punct(token, text, ',')) {
            if (number == index) {
                break;
            }
            ++number;
            begin = std::string_view::npos;
            continue;
        }
        begin = begin == std::string_view::npos ? token.begin : begin;
        end = token.end;
    }
    if (number != index || begin == std::string_view::npos || begin >= end) {
        return {place.begin, place.end};
    }
    return {begin, end};
}

}  // namespace howdah::migrate
