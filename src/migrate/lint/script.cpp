#include "migrate/lint/script.hpp"

#include <algorithm>
#include <array>

namespace howdah::migrate::lint {
namespace {

void blank(std::string& text, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && i < text.size(); ++i) {
        text[i] = text[i] == '\n' || text[i] == '\r' ? text[i] : ' ';
    }
}

std::size_t line_end(std::string_view text, std::size_t from) {
    const std::size_t end = text.find('\n', from);
    return end == std::string_view::npos ? text.size() : end;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

bool starts_line(std::string_view text, std::size_t at) {
    const std::size_t newline = text.rfind('\n', at == 0 ? 0 : at - 1);
    const std::size_t begin = at == 0 || newline == std::string_view::npos ? 0 : newline + 1;
    return text.substr(begin, at - begin).find_first_not_of(" \t\r") == std::string_view::npos;
}

// ${name} becomes an identifier of the same length.
void rename_placeholders(std::string& text) {
    for (std::size_t at = text.find("${"); at != std::string::npos; at = text.find("${", at + 1)) {
        const std::size_t close = text.find_first_of("}\n", at);
        if (close == std::string::npos || text[close] != '}') {
            continue;
        }
        text[at] = 'p';
        text[at + 1] = '_';
        text[close] = '_';
        for (std::size_t i = at + 2; i < close; ++i) {
            const char c = text[i];
            const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_';
            text[i] = word ? c : '_';
        }
    }
}

// COPY ... FROM STDIN; data until \. alone; `after` stands behind the semicolon.
std::size_t blank_copy_data(std::string& text, std::size_t after) {
    const std::size_t data = line_end(text, after);
    std::size_t at = data;
    while (at < text.size()) {
        const std::size_t begin = at + 1;
        const std::size_t end = line_end(text, begin);
        if (begin >= text.size()) {
            break;
        }
        const bool last = trimmed(std::string_view(text).substr(begin, end - begin)) == "\\.";
        blank(text, begin, end);
        at = end;
        if (last) {
            break;
        }
    }
    return std::min(at, text.size());
}

// COPY need not be the first word: psql commands may stand before it on lines of their own.
bool is_copy_from_stdin(std::string_view text, const sql::Piece& piece) {
    sql::Lexer lexer(text.substr(0, piece.end), piece.begin);
    bool copy = false;
    bool from = false;
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        if (copy && from && sql::is_word(token, text, "stdin")) {
            return true;
        }
        copy = copy || sql::is_word(token, text, "copy");
        from = sql::is_word(token, text, "from");
    }
    return false;
}

// Blanks the backslash command at `at`, which takes its line, and notes what it runs. \g and its
// kind end a statement as a semicolon does. Returns the end of the line.
std::size_t blank_command(std::string& text, std::size_t at, std::vector<Unseen>& unseen) {
    const std::size_t end = line_end(text, at);
    std::size_t word_end = at + 1;
    while (word_end < end &&
           ((text[word_end] >= 'a' && text[word_end] <= 'z') || text[word_end] == '_')) {
        ++word_end;
    }
    const std::string word = text.substr(at + 1, word_end - at - 1);
    constexpr std::array<std::string_view, 5> kRuns{"i", "ir", "include", "include_relative",
                                                    "gexec"};
    if (std::ranges::find(kRuns, word) != kRuns.end()) {
        unseen.push_back({.begin = at, .end = end, .command = word});
    }
    blank(text, at, end);
    if (word.starts_with('g') || word == "watch" || word == "crosstabview") {
        text[at] = ';';
    }
    return end;
}

// psql: a backslash command takes its line; :name and :'name' become words and strings.
void clean_psql(std::string& text, std::vector<Unseen>& unseen) {
    if (text.find('\\') == std::string::npos && text.find(':') == std::string::npos) {
        return;
    }
    sql::Lexer lexer(text);
    sql::Token before;
    for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::kEnd;) {
        if (sql::is_punct(token, text, '\\')) {
            lexer = sql::Lexer(text, blank_command(text, token.begin, unseen));
        } else if (sql::is_punct(token, text, ':') && token.end < text.size() &&
                   before.kind != sql::TokenKind::kNumber && !sql::is_punct(before, text, ']')) {
            const char next = text[token.end];
            const bool name = (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') ||
                              next == '_' || next == '\'' || next == '"';
            if (name) {
                text[token.begin] = next == '\'' || next == '"' ? ' ' : '_';
                lexer = sql::Lexer(text, token.begin);
            }
        }
        before = token;
        token = lexer.next();
    }
}

void clean_copy(std::string& text, std::vector<Unseen>& unseen) {
    for (std::size_t at = 0; at < text.size();) {
        // A backslash command between statements ends with its line, not with a semicolon.
        const std::size_t first = text.find_first_not_of(" \t\r\n", at);
        if (first != std::string::npos && text[first] == '\\') {
            at = blank_command(text, first, unseen);
            continue;
        }
        const sql::Piece piece = sql::split_one(text, at);
        if (piece.end == piece.begin) {
            return;
        }
        at = is_copy_from_stdin(text, piece) ? blank_copy_data(text, piece.after) : piece.after;
    }
}

// From the line that holds `marker` to the line that holds `until` (or the end).
void blank_section(std::string& text, std::string_view marker, std::string_view until) {
    for (std::size_t at = text.find(marker); at != std::string::npos; at = text.find(marker, at)) {
        std::size_t end = text.find(until, at);
        end = end == std::string::npos ? text.size() : end;
        blank(text, at, end);
        at = end;
    }
}

bool asks_howdah_for_none(std::string_view text) {
    return text.starts_with("-- howdah:no-transaction") ||
           text.find("\n-- howdah:no-transaction") != std::string_view::npos;
}

bool find_no_transaction(std::string_view text, Tool tool) {
    switch (tool) {
        case Tool::kGoose:
            return text.find("+goose NO TRANSACTION") != std::string_view::npos;
        case Tool::kDbmate: {
            const std::size_t up = text.find("migrate:up");
            return up != std::string_view::npos &&
                   text.substr(up, line_end(text, up) - up).find("transaction:false") !=
                       std::string_view::npos;
        }
        case Tool::kGraphile: {  // the first line behind the headers, which begin with a capital
            for (std::size_t at = 0; at < text.size(); at = line_end(text, at) + 1) {
                const std::string_view line = text.substr(at, line_end(text, at) - at);
                const bool header =
                    line.starts_with("--! ") && line.size() > 4 && line[4] >= 'A' && line[4] <= 'Z';
                if (!header && !trimmed(line).empty()) {
                    return line.starts_with("--!") &&
                           trimmed(line.substr(3)).starts_with("no-transaction");
                }
            }
            return false;
        }
        default:
            return false;
    }
}

std::vector<std::string> split_names(std::string_view text) {
    std::vector<std::string> names;
    while (!text.empty()) {
        const std::size_t comma = text.find_first_of(", \t");
        const std::string_view name = trimmed(text.substr(0, comma));
        if (!name.empty()) {
            names.emplace_back(name);
        }
        text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    }
    return names;
}

void read_suppression(Script& script, const sql::Token& comment) {
    const std::string_view text = script.text;
    std::string_view inner = comment.in(text);
    constexpr std::string_view kMark = "howdah-ignore";
    const std::size_t mark = inner.find(kMark);
    if (mark == std::string_view::npos ||
        inner.substr(0, mark).find_first_not_of("-/* \t") != std::string_view::npos) {
        return;
    }
    Suppression found{.begin = comment.begin, .end = comment.end};
    inner = inner.substr(mark + kMark.size());
    found.whole_file = inner.starts_with("-file");
    inner = found.whole_file ? inner.substr(5) : inner;
    if (inner.ends_with("*/")) {
        inner.remove_suffix(2);
    }
    inner = trimmed(inner.starts_with(":") ? inner.substr(1) : inner);
    const std::size_t reason = inner.find("--");
    found.rules = split_names(inner.substr(0, reason));
    found.reason = reason == std::string_view::npos ? "" : trimmed(inner.substr(reason + 2));
    found.alone = starts_line(text, comment.begin);
    script.suppressions.push_back(std::move(found));
}

void read_comments(Script& script) {
    if (script.text.find("howdah-ignore") == std::string::npos) {
        return;
    }
    sql::Lexer lexer(script.clean);
    for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next()) {
        if (token.kind == sql::TokenKind::kComment) {
            read_suppression(script, token);
        }
    }
}

}  // namespace

std::string_view tool_name(Tool tool) {
    switch (tool) {
        case Tool::kPlain:
            return "plain SQL";
        case Tool::kDrizzle:
            return "Drizzle 0.x";
        case Tool::kDrizzle1:
            return "Drizzle 1.0";
        case Tool::kPrisma:
            return "Prisma";
        case Tool::kFlyway:
            return "Flyway";
        case Tool::kGolangMigrate:
            return "golang-migrate";
        case Tool::kGoose:
            return "goose";
        case Tool::kDbmate:
            return "dbmate";
        case Tool::kSqitch:
            return "sqitch";
        case Tool::kGraphile:
            return "graphile-migrate";
        case Tool::kDiesel:
            return "diesel";
    }
    return "plain SQL";
}

namespace {

// What the tool runs on the way up, in its own words.
std::string up_text(std::string_view text, Tool tool) {
    std::string up(text);
    if (up.starts_with("\xef\xbb\xbf")) {
        blank(up, 0, 3);
    }
    std::ranges::replace(up, '\0', ' ');
    if (tool == Tool::kGoose) {
        blank_section(up, "-- +goose Down", "-- +goose Up");
    } else if (tool == Tool::kDbmate) {
        blank_section(up, "-- migrate:down", "-- migrate:up");
    }
    return up;
}

// What PostgreSQL would be given.
std::string for_parser(std::string clean, Tool tool, std::vector<Unseen>& unseen) {
    if (tool == Tool::kFlyway || tool == Tool::kPlain) {
        rename_placeholders(clean);
    }
    if (clean.find("stdin") != std::string::npos || clean.find("STDIN") != std::string::npos) {
        clean_copy(clean, unseen);
    }
    clean_psql(clean, unseen);
    return clean;
}

// `@schema.table`, as OHDSI's SqlRender and others write templates. To PostgreSQL `@` is an
// operator (absolute value), so only a statement that is none as it stands is read again with
// `_schema`.
void read_templates(Script& script) {
    for (sql::ScriptStatement& statement : script.statements) {
        std::string text(statement.in(script.clean));
        if (statement.tree || text.find('@') == std::string::npos) {
            continue;
        }
        sql::Lexer lexer(text);
        for (sql::Token token = lexer.next(), next = lexer.next();
             next.kind != sql::TokenKind::kEnd; token = next, next = lexer.next()) {
            if (token.in(text) == "@" && token.end == next.begin &&
                next.kind == sql::TokenKind::kWord) {
                text[token.begin] = '_';
            }
        }
        if (auto tree = sql::Tree::parse(text)) {
            script.clean.replace(statement.begin, text.size(), text);
            script.rewritten = true;
            statement.tree = std::move(tree);
        }
    }
}

}  // namespace

std::string clean_text(std::string_view text, Tool tool) {
    std::vector<Unseen> unseen;
    return for_parser(up_text(text, tool), tool, unseen);
}

Script read_script(std::string text, Tool tool) {
    Script script;
    script.text = std::move(text);
    const std::string up = up_text(script.text, tool);
    script.clean = for_parser(up, tool, script.unseen);
    script.rewritten = script.clean != up;
    script.howdah_alone = asks_howdah_for_none(script.text);
    script.no_transaction = script.howdah_alone || find_no_transaction(script.text, tool);
    script.statements = sql::parse_script(script.clean);
    read_templates(script);
    script.line_starts.push_back(0);
    for (std::size_t end = script.text.find('\n'); end != std::string::npos;
         end = script.text.find('\n', end + 1)) {
        script.line_starts.push_back(end + 1);
    }
    read_comments(script);
    return script;
}

std::uint32_t Script::line_of(std::size_t offset) const {
    const auto after = std::ranges::upper_bound(line_starts, offset);
    return static_cast<std::uint32_t>(after - line_starts.begin());
}

std::uint32_t Script::column_of(std::size_t offset) const {
    const std::size_t start = line_starts[line_of(offset) - 1];
    std::uint32_t column = 1;
    for (std::size_t i = start; i < offset && i < text.size(); ++i) {
        column += (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U ? 0 : 1;
    }
    return column;
}

std::string_view Script::line_text(std::uint32_t line) const {
    if (line == 0 || line > line_starts.size()) {
        return {};
    }
    const std::size_t start = line_starts[line - 1];
    std::string_view found = std::string_view(text).substr(start, line_end(text, start) - start);
    while (found.ends_with('\r')) {
        found.remove_suffix(1);
    }
    return found;
}

}  // namespace howdah::migrate::lint
