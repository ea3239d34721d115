#include "insight/sql_text.hpp"

#include <algorithm>
#include <cctype>

#include "sql/tokens.hpp"

namespace howdah::insight {
namespace {

void blank(std::string& text, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && i < text.size(); ++i) {
        if (text[i] != '\n' && text[i] != '\r') {
            text[i] = ' ';
        }
    }
}

std::size_t line_end(std::string_view text, std::size_t at) {
    return std::min(text.find('\n', at), text.size());
}

// The data behind `COPY ... FROM stdin;`, up to the line `\.`.
void blank_copy_data(std::string& text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const sql::Piece piece = sql::split_one(text, at);
        if (piece.end == piece.begin) {
            return;
        }
        at = std::max(piece.after, piece.begin + 1);
        sql::Lexer lexer(text, piece.begin);
        sql::Token token = lexer.next_code();
        if (!sql::is_word(token, text, "copy")) {
            continue;
        }
        bool from_stdin = false;
        while (token.kind != sql::TokenKind::kEnd && token.end <= piece.end) {
            from_stdin = from_stdin || sql::is_word(token, text, "stdin");
            token = lexer.next_code();
        }
        if (!from_stdin) {
            continue;
        }
        std::size_t line = line_end(text, at) + 1;
        while (line < text.size()) {
            const std::size_t end = line_end(text, line);
            const bool last = std::string_view(text).substr(line, 2) == "\\.";
            blank(text, line, end);
            line = end + 1;
            if (last) {
                break;
            }
        }
        at = std::min(line, text.size());
    }
}

}  // namespace

std::string clean_script(std::string_view given) {
    std::string text(given);
    if (text.starts_with("\xef\xbb\xbf")) {
        blank(text, 0, 3);
    }
    std::ranges::replace(text, '\0', ' ');
    if (text.find("stdin") != std::string::npos || text.find("STDIN") != std::string::npos) {
        blank_copy_data(text);
    }
    for (std::size_t line = 0; line < text.size(); line = line_end(text, line) + 1) {
        if (text[line] == '\\') {
            blank(text, line, line_end(text, line));
        }
    }
    return text;
}

std::vector<Range> sql_comments(std::string_view text) {
    std::vector<Range> comments;
    sql::Lexer lexer(text);
    for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next()) {
        if (token.kind == sql::TokenKind::kComment) {
            comments.push_back({token.begin, token.end});
        }
    }
    return comments;
}

}  // namespace howdah::insight
