#include "sql/prepared_names.hpp"

#include <algorithm>

#include "sql/redact.hpp"
#include "sql/tokens.hpp"

namespace howdah::sql {
namespace {

constexpr std::size_t kNameBytesMax = 63;  // NAMEDATALEN - 1

bool is_name(const Token& token) {
    return (token.kind == TokenKind::kWord || token.kind == TokenKind::kQuotedWord) && !token.open;
}

// One statement's tokens without comments.
class Statements {
  public:
    explicit Statements(std::string_view text) : text_(text) {}

    // The next statement into `piece_`; false at the end.
    bool next() {
        piece_ = split_one(text_, after_);
        after_ = piece_.after;
        lexer_ = Lexer(text_.substr(0, piece_.end), piece_.begin);
        advance();
        return piece_.end > piece_.begin;
    }
    void advance() { token_ = lexer_.next_code(); }
    bool at(std::string_view word) const { return is_word(token_, text_, word); }
    bool at_punct(char c) const { return is_punct(token_, text_, c); }
    bool accept(std::string_view word) {
        const bool found = at(word);
        if (found) {
            advance();
        }
        return found;
    }
    void skip_parentheses();
    const Token& token() const { return token_; }
    std::size_t end() const { return piece_.end; }

  private:
    std::string_view text_;
    std::size_t after_ = 0;
    Piece piece_;
    Lexer lexer_{{}};
    Token token_;
};

void Statements::skip_parentheses() {
    std::size_t depth = 0;
    do {
        depth += at_punct('(') ? 1 : 0;
        depth -= at_punct(')') ? 1 : 0;
        advance();
    } while (depth > 0 && token_.kind != TokenKind::kEnd);
}

class Finder {
  public:
    Finder(std::string_view text, std::vector<PreparedNameUse>& uses)
        : text_(text), statements_(text), uses_(uses) {}

    void run() {
        while (!stopped_ && statements_.next()) {
            statement();
        }
    }

  private:
    void statement() {
        if (statements_.accept("prepare")) {
            prepare();
        } else if (statements_.accept("deallocate")) {
            deallocate();
        } else if (statements_.accept("explain")) {
            explain();
        } else {
            executes();
        }
    }

    PreparedNameUse* add(PreparedNameUse::Kind kind) {
        const Token name = statements_.token();
        if (!is_name(name) || stopped_) {
            return nullptr;
        }
        const std::string_view written = name.in(text_);
        if (name.kind == TokenKind::kQuotedWord && written.front() != '"') {
            stopped_ = true;
            return nullptr;
        }
        uses_.push_back(
            {.kind = kind, .begin = name.begin, .end = name.end, .name = fold_identifier(written)});
        statements_.advance();
        return &uses_.back();
    }

    // PREPARE name [(types)] AS statement
    void prepare() {
        if (statements_.at("transaction")) {
            return;
        }
        PreparedNameUse* use = add(PreparedNameUse::Kind::kPrepare);
        if (use == nullptr) {
            return;
        }
        if (statements_.at_punct('(')) {
            statements_.skip_parentheses();
        }
        if (statements_.accept("as") && statements_.token().kind != TokenKind::kEnd) {
            use->body_begin = statements_.token().begin;
            use->body_end = statements_.end();
        }
    }

    // DEALLOCATE [PREPARE] {name | ALL}
    void deallocate() {
        if (statements_.at("prepare")) {
            const Token word = statements_.token();
            statements_.advance();
            if (!is_name(statements_.token())) {
                // DEALLOCATE prepare: a statement of that name.
                uses_.push_back({.kind = PreparedNameUse::Kind::kDeallocate,
                                 .begin = word.begin,
                                 .end = word.end,
                                 .name = "prepare"});
                return;
            }
        }
        if (statements_.at("all")) {
            const std::size_t at = statements_.token().begin;
            uses_.push_back({.kind = PreparedNameUse::Kind::kDeallocateAll,
                             .begin = at,
                             .end = at,
                             .name = {}});
            return;
        }
        add(PreparedNameUse::Kind::kDeallocate);
    }

    // EXPLAIN [ANALYZE] [VERBOSE] or EXPLAIN (options), then a statement
    void explain() {
        if (statements_.at_punct('(')) {
            statements_.skip_parentheses();
        }
        while (statements_.accept("analyze") || statements_.accept("analyse") ||
               statements_.accept("verbose")) {
        }
        executes();
    }

    // EXECUTE name, CREATE [...] TABLE name [...] AS EXECUTE name
    void executes() {
        if (statements_.accept("execute")) {
            add(PreparedNameUse::Kind::kExecute);
            return;
        }
        if (!statements_.accept("create")) {
            return;
        }
        while (statements_.accept("global") || statements_.accept("local") ||
               statements_.accept("temporary") || statements_.accept("temp") ||
               statements_.accept("unlogged")) {
        }
        if (!statements_.accept("table")) {
            return;
        }
        while (statements_.token().kind != TokenKind::kEnd) {
            if (statements_.at_punct('(')) {
                statements_.skip_parentheses();
            } else if (statements_.accept("as")) {
                if (statements_.accept("execute")) {
                    add(PreparedNameUse::Kind::kExecute);
                }
                return;
            } else {
                statements_.advance();
            }
        }
    }

    std::string_view text_;
    Statements statements_;
    std::vector<PreparedNameUse>& uses_;
    bool stopped_ = false;
};

}  // namespace

std::string fold_identifier(std::string_view written) {
    std::string name;
    if (written.starts_with('"')) {
        written = written.substr(1, written.size() - 2);
        for (std::size_t i = 0; i < written.size(); ++i) {
            name += written[i];
            i += written[i] == '"' ? 1 : 0;
        }
    } else {
        name = written;
        std::ranges::transform(name, name.begin(), [](char c) {
            return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        });
    }
    if (name.size() > kNameBytesMax) {
        std::size_t size = kNameBytesMax;
        while (size > 0 && (static_cast<unsigned char>(name[size]) & 0xC0U) == 0x80U) {
            --size;
        }
        name.resize(size);
    }
    return name;
}

std::vector<PreparedNameUse> prepared_names(std::string_view text, TextRules rules) {
    std::vector<PreparedNameUse> uses;
    if (is_readable(text, rules)) {
        Finder(text, uses).run();
    }
    return uses;
}

}  // namespace howdah::sql
