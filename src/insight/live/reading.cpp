#include "insight/live/reading.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "sql/tokens.hpp"

namespace howdah::insight::live {
namespace {

using sql::Token;
using sql::TokenKind;

bool contains(const sql::Statement& statement, std::string_view words) {
    return statement.normalized.find(words) != std::string::npos;
}

std::vector<Token> tokens_of(std::string_view text) {
    constexpr std::size_t kTokensMax = 4000;
    std::vector<Token> tokens;
    sql::Lexer lexer(text);
    for (Token token = lexer.next_code();
         token.kind != TokenKind::kEnd && tokens.size() < kTokensMax; token = lexer.next_code()) {
        tokens.push_back(token);
    }
    return tokens;
}

std::string bare(std::string_view name) {
    if (name.size() >= 2 && name.front() == '"') {
        name = name.substr(1, name.size() - 2);
    }
    return std::string(name);
}

bool is_name(const Token& token) {
    return token.kind == TokenKind::kWord || token.kind == TokenKind::kQuotedWord;
}

std::optional<std::size_t> param_number(const Token& token, std::string_view text) {
    std::size_t number = 0;
    const std::string_view digits = token.in(text).substr(1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return token.kind == TokenKind::kParam && read.ec == std::errc() && number > 0
               ? std::optional(number - 1)
               : std::nullopt;
}

// "t.a = $1", "a in ($1", "a = any($1"; the parameter is token `i`.
std::string column_before(const std::vector<Token>& tokens, std::string_view text, std::size_t i) {
    while (i > 0 && (tokens[i - 1].in(text) == "(" || is_word(tokens[i - 1], text, "any"))) {
        --i;
    }
    const bool compared =
        i >= 2 && (tokens[i - 1].in(text) == "=" || is_word(tokens[i - 1], text, "in"));
    return compared && is_name(tokens[i - 2]) ? bare(tokens[i - 2].in(text)) : "";
}

// "$1 = t.a", as SQLAlchemy's lazy loads have it.
std::string column_behind(const std::vector<Token>& tokens, std::string_view text, std::size_t i) {
    if (i + 2 >= tokens.size() || tokens[i + 1].in(text) != "=" || !is_name(tokens[i + 2])) {
        return "";
    }
    i += 2;
    while (i + 2 < tokens.size() && tokens[i + 1].in(text) == "." && is_name(tokens[i + 2])) {
        i += 2;
    }
    return i + 1 < tokens.size() && tokens[i + 1].in(text) == "(" ? "" : bare(tokens[i].in(text));
}

}  // namespace

bool has_limit(const sql::Statement& statement) {
    return contains(statement, " limit ") || contains(statement, " fetch first ") ||
           contains(statement, " fetch next ");
}

bool has_offset(const sql::Statement& statement) {
    return contains(statement, " offset ");
}

std::optional<std::size_t> offset_slot(const sql::Statement& statement) {
    const std::string_view text = statement.normalized;
    const std::size_t at = text.rfind(" offset ");
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    sql::Lexer lexer(text, at + 8);
    return param_number(lexer.next_code(), text);
}

bool selects_star(const sql::Statement& statement) {
    const std::vector<Token> tokens = tokens_of(statement.normalized);
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        const bool star = tokens[i].in(statement.normalized) == "*";
        const std::string_view before = tokens[i - 1].in(statement.normalized);
        if (star && (before == "select" || before == "." || before == "distinct")) {
            return true;
        }
        if (before == "from") {
            return false;
        }
    }
    return false;
}

bool is_housekeeping(const sql::Statement& statement) {
    return std::ranges::all_of(statement.tables_read, [](const sql::Name& table) {
        return table.schema == "pg_catalog" || table.schema == "information_schema" ||
               table.name.starts_with("pg_");
    });
}

bool skips_locked(const sql::Statement& statement) {
    return contains(statement, "skip locked");
}

std::string output_name(const sql::Statement& statement, std::size_t column) {
    const std::string_view text = statement.normalized;
    const std::vector<Token> tokens = tokens_of(text);
    std::size_t item = 0;
    int depth = 0;
    std::size_t i = 1;
    while (i < tokens.size() && is_word(tokens[i], text, "distinct")) {
        ++i;
    }
    if (tokens.empty() || !is_word(tokens[0], text, "select")) {
        return fmt::format("column {}", column + 1);
    }
    std::string last;
    for (; i < tokens.size(); ++i) {
        const std::string_view word = tokens[i].in(text);
        if (word == "*" && depth == 0) {
            break;  // how many columns that is, only the table knows
        }
        depth += word == "(" ? 1 : word == ")" ? -1 : 0;
        const bool from = depth == 0 && is_word(tokens[i], text, "from");
        if (depth == 0 && (word == "," || from)) {
            if (item == column && !last.empty()) {
                return last;
            }
            ++item;
            last.clear();
            if (from) {
                break;
            }
        } else if (depth == 0 && is_name(tokens[i])) {
            last = bare(word);
        }
    }
    return fmt::format("column {}", column + 1);
}

std::string compared_column(const sql::Statement& statement, std::size_t slot) {
    const std::string_view text = statement.normalized;
    const std::vector<Token> tokens = tokens_of(text);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (param_number(tokens[i], text) != slot) {
            continue;
        }
        std::string column = column_before(tokens, text, i);
        return column.empty() ? column_behind(tokens, text, i) : column;
    }
    return "";
}

std::string main_table(const sql::Statement& statement) {
    const auto& tables =
        statement.tables_written.empty() ? statement.tables_read : statement.tables_written;
    return tables.empty() ? "" : tables.front().name;
}

std::string short_text(const sql::Statement& statement, std::size_t max) {
    std::string text = statement.normalized;
    if (text.size() <= max) {
        return text;
    }
    while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xc0U) == 0x80U) {
        --max;
    }
    text.resize(max);
    return text + "...";
}

}  // namespace howdah::insight::live
