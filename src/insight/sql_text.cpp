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

// psql's own: \commands to the end of the line (\g and its kin end a statement), and variables,
// which become parameters: :name and :'name' -> $1, :"name" -> "name".
void clean_psql(std::string& text) {
    const std::string before = text;
    sql::Lexer lexer(before);
    int brackets = 0;
    for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::kEnd;) {
        brackets += sql::is_punct(token, before, '[')   ? 1
                    : sql::is_punct(token, before, ']') ? -1
                                                        : 0;
        if (sql::is_punct(token, before, '\\')) {
            const std::size_t end = line_end(before, token.begin);
            const bool ends = before.compare(token.begin, 2, "\\g") == 0;
            blank(text, token.begin, end);
            text[token.begin] = ends ? ';' : ' ';
            lexer = sql::Lexer(before, end);
            token = lexer.next();
            continue;
        }
        const sql::Token next = lexer.next();
        const bool joined = sql::is_punct(token, before, ':') && next.begin == token.end;
        if (joined && next.kind == sql::TokenKind::kQuotedWord) {
            text[token.begin] = ' ';
        } else if (joined && brackets == 0 &&
                   (next.kind == sql::TokenKind::kWord || next.kind == sql::TokenKind::kString)) {
            blank(text, token.begin, next.end);
            text[token.begin] = '$';
            text[token.begin + 1] = '1';
        }
        token = next;
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
    clean_psql(text);
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
