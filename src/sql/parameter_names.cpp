#include "sql/parameter_names.hpp"

#include <algorithm>

#include "sql/prepared_names.hpp"
#include "sql/redact.hpp"
#include "sql/tokens.hpp"

namespace howdah::sql {
namespace {

bool is_escaped(const Token& token, std::string_view text) {
    return token.kind == TokenKind::kQuotedWord && token.in(text).front() != '"';
}

std::string to_lower(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    });
    return lower;
}

// A literal's text, where nothing in it is doubled, escaped or continued.
bool plain_literal(std::string_view written, std::string& value) {
    if (written.size() < 2 || written.front() != '\'') {
        return false;
    }
    written = written.substr(1, written.size() - 2);
    if (written.find_first_of("'\\") != std::string_view::npos) {
        return false;
    }
    value = to_lower(written);
    return true;
}

// One statement.
class Finder {
  public:
    Finder(std::string_view text, std::size_t begin, ParameterNames& found)
        : text_(text), lexer_(text, begin), found_(found) {
        advance();
    }

    void run() {
        if (accept("set")) {
            set();
        } else if (accept("reset")) {
            reset();
        } else {
            calls();
        }
    }

  private:
    void advance() { token_ = lexer_.next_code(); }
    bool at(std::string_view word) const { return is_word(token_, text_, word); }
    bool accept(std::string_view word) {
        const bool there = at(word);
        if (there) {
            advance();
        }
        return there;
    }
    bool ended() const { return token_.kind == TokenKind::kEnd; }
    void add(std::string_view name) { found_.names.emplace_back(name); }

    void set() {
        const bool session = accept("session");
        if (session && accept("authorization")) {
            return add("session_authorization");
        }
        if (!session) {
            accept("local");
        }
        if (at("session")) {  // SET [SESSION | LOCAL] SESSION AUTHORIZATION, ... CHARACTERISTICS
            advance();
            return add(at("authorization") ? "session_authorization" : "session");
        }
        if (session && at("characteristics")) {
            return add("default_transaction_isolation");
        }
        if (at("transaction") || at("constraints")) {
            return;
        }
        if (!special()) {
            generic();
        }
    }

    void reset() {
        if (accept("session")) {
            return add("session_authorization");
        }
        if (!at("transaction") && !special()) {
            generic();
        }
    }

    // Those with a grammar of their own.
    bool special() {
        constexpr std::pair<std::string_view, std::string_view> kSpecial[] = {
            {"time", "timezone"},
            {"names", "client_encoding"},
            {"schema", "search_path"},
            {"xml", "xmloption"}};
        for (const auto& [word, name] : kSpecial) {
            if (at(word)) {
                add(name);
                return true;
            }
        }
        return false;
    }

    void generic() {
        std::string name;
        while (true) {
            const bool identifier =
                token_.kind == TokenKind::kWord || token_.kind == TokenKind::kQuotedWord;
            if (!identifier || token_.open || is_escaped(token_, text_)) {
                found_.computed = true;
                return;
            }
            name += fold_identifier(token_.in(text_));
            advance();
            if (!is_punct(token_, text_, '.')) {
                break;
            }
            advance();
            name += '.';
        }
        add(to_lower(name));
    }

    void calls() {
        bool updates = false;
        bool settings = false;
        while (!ended()) {
            updates = updates || at("update");
            const Token token = token_;
            advance();
            if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuotedWord) {
                continue;
            }
            if (is_escaped(token, text_)) {
                found_.computed = found_.computed || is_punct(token_, text_, '(');
                settings = true;
                continue;
            }
            const std::string word = fold_identifier(token.in(text_));
            settings = settings || word == "pg_settings";
            if (word == "set_config" && is_punct(token_, text_, '(')) {
                advance();
                argument();
            }
        }
        found_.listed = found_.listed || (updates && settings);
    }

    // The first argument: a literal or a parameter and nothing more, but for a cast.
    void argument() {
        const Token first = token_;
        std::string name;
        const bool literal =
            first.kind == TokenKind::kString && plain_literal(first.in(text_), name);
        if (!literal && first.kind != TokenKind::kParam) {
            found_.computed = true;
            return;
        }
        advance();
        if (token_.kind == TokenKind::kOperator && token_.in(text_) == "::") {
            advance();
            advance();
        }
        if (!is_punct(token_, text_, ',')) {
            found_.computed = true;
        } else if (literal) {
            add(name);
        } else {
            found_.bound = true;
        }
    }

    std::string_view text_;
    Lexer lexer_;
    ParameterNames& found_;
    Token token_;
};

}  // namespace

ParameterNames parameter_names(std::string_view text, TextRules rules) {
    ParameterNames found;
    if (!is_readable(text, rules)) {
        found.computed = true;
        return found;
    }
    for (const Piece& piece : split(text)) {
        Finder(text.substr(0, piece.end), piece.begin, found).run();
    }
    return found;
}

bool decides_meaning(std::string_view name) {
    constexpr std::string_view kHarmless[] = {
        "application_name",
        "bytea_output",
        "client_min_messages",
        "commit_delay",
        "commit_siblings",
        "cpu_index_tuple_cost",
        "cpu_operator_cost",
        "cpu_tuple_cost",
        "deadlock_timeout",
        "effective_cache_size",
        "effective_io_concurrency",
        "extra_float_digits",
        "hash_mem_multiplier",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "lock_timeout",
        "maintenance_work_mem",
        "max_parallel_workers",
        "max_parallel_workers_per_gather",
        "random_page_cost",
        "seq_page_cost",
        "statement_timeout",
        "synchronous_commit",
        "temp_buffers",
        "transaction_timeout",
        "work_mem",
    };
    constexpr std::string_view kHarmlessGroups[] = {
        "default_transaction_", "enable_", "geqo", "jit", "log_", "tcp_", "track_"};
    return name.find('.') == std::string_view::npos &&
           std::ranges::find(kHarmless, name) == std::end(kHarmless) &&
           std::ranges::none_of(kHarmlessGroups,
                                [&](std::string_view group) { return name.starts_with(group); });
}

}  // namespace howdah::sql
