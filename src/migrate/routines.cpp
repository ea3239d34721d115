#include "migrate/routines.hpp"

#include <algorithm>
#include <array>

#include "migrate/build_table.hpp"

namespace howdah::migrate {
namespace {

constexpr int kDepthMax = 5;  // functions that call functions

// Words after which a statement of a PL/pgSQL block may begin.
bool opens_statement(const sql::Token& token, std::string_view text) {
    for (const std::string_view word : {"begin", "then", "else", "loop", "declare"}) {
        if (sql::is_word(token, text, word)) {
            return true;
        }
    }
    return false;
}

// Words that begin an SQL statement worth reading (PERFORM is SELECT).
bool begins_sql(const sql::Token& token, std::string_view text) {
    constexpr std::array<std::string_view, 21> kWords{
        "create",  "alter", "drop",    "truncate", "update",  "delete",  "insert",
        "merge",   "lock",  "refresh", "reindex",  "cluster", "comment", "select",
        "perform", "call",  "execute", "with",     "analyze", "grant",   "copy"};
    return std::ranges::any_of(
        kWords, [&](std::string_view word) { return sql::is_word(token, text, word); });
}

// The value of '...' or $$...$$ as PostgreSQL reads it (escapes of E'' are left alone).
std::string literal_value(std::string_view token) {
    if (token.starts_with('$')) {
        const std::size_t tag = token.find('$', 1) + 1;
        return token.size() >= 2 * tag ? std::string(token.substr(tag, token.size() - 2 * tag))
                                       : std::string();
    }
    const std::size_t open = token.find('\'');
    if (open == std::string_view::npos || token.size() < open + 2) {
        return {};
    }
    std::string value;
    const std::string_view inner = token.substr(open + 1, token.size() - open - 2);
    for (std::size_t i = 0; i < inner.size(); ++i) {
        value.push_back(inner[i]);
        if (inner[i] == '\'' && i + 1 < inner.size() && inner[i + 1] == '\'') {
            ++i;
        }
    }
    return value;
}

// A body of DO or CREATE FUNCTION in the file: its text and, when the quotes change nothing in it,
// where it begins.
std::size_t find_body(const StatementPlace& place, std::string_view body) {
    sql::Lexer lexer(place.text.substr(0, place.end), place.begin);
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        if (token.kind == sql::TokenKind::kString) {
            const std::string_view raw = token.in(place.text);
            const std::size_t at = raw.find(body);
            if (at != std::string_view::npos) {
                return token.begin + at;
            }
        }
    }
    return std::string_view::npos;
}

// The arguments of format() behind its first one: the value of a lone literal, "" for anything
// else.
std::vector<std::string> format_arguments(std::string_view body, std::size_t from) {
    std::vector<std::string> arguments;
    sql::Lexer lexer(body, from);
    int depth = 0;
    std::size_t tokens = 0;
    std::string value;
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        const bool comma = depth == 0 && sql::is_punct(token, body, ',');
        const bool close = depth == 0 && sql::is_punct(token, body, ')');
        if (comma || close) {
            if (tokens > 0) {
                arguments.push_back(tokens == 1 ? value : "");
            }
            tokens = 0;
            value.clear();
            if (close) {
                break;
            }
            continue;
        }
        depth += sql::is_punct(token, body, '(') ? 1 : sql::is_punct(token, body, ')') ? -1 : 0;
        ++tokens;
        value = token.kind == sql::TokenKind::kString ? literal_value(token.in(body)) : "";
    }
    return arguments;
}

// Behind a '%': "2$" is 2 and names the argument, as in %2$I; 0 when nothing is named.
std::size_t argument_number(std::string_view pattern, std::size_t& at) {
    std::size_t number = 0;
    std::size_t end = at;
    for (; end < pattern.size() && pattern[end] >= '0' && pattern[end] <= '9' && number < 1000;
         ++end) {
        number = number * 10 + static_cast<std::size_t>(pattern[end] - '0');
    }
    if (end == at || end >= pattern.size() || pattern[end] != '$') {
        return 0;
    }
    at = end + 1;
    return number;
}

// %I, %s and %L (also %1$I) filled in; `unknown` is set where an argument is no literal.
std::string fill_format(std::string_view pattern, const std::vector<std::string>& arguments,
                        bool& unknown) {
    std::string text;
    std::size_t next = 0;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '%' || i + 1 == pattern.size()) {
            text += pattern[i];
            continue;
        }
        std::size_t at = i + 1;
        if (const std::size_t number = argument_number(pattern, at); number > 0) {
            next = number - 1;
        }
        const char kind = at < pattern.size() ? pattern[at] : ' ';
        if (kind == '%') {
            text += '%';
        } else if (kind == 'I' || kind == 's' || kind == 'L') {
            const std::string value = next < arguments.size() ? arguments[next] : "";
            ++next;
            unknown = unknown || value.empty();
            text += kind == 'L' ? "'" + value + "'" : value.empty() ? "unknown_name" : value;
        } else {
            text += pattern[i];
            continue;
        }
        i = at;
    }
    return text;
}

// INSERT, UPDATE, DELETE ... RETURNING x INTO variable: without what PL/pgSQL alone knows.
std::string_view without_into(std::string_view statement) {
    sql::Lexer lexer(statement);
    bool returning = false;
    int depth = 0;
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        depth += sql::is_punct(token, statement, '(') ? 1 : 0;
        depth -= sql::is_punct(token, statement, ')') ? 1 : 0;
        returning = returning || (depth == 0 && sql::is_word(token, statement, "returning"));
        if (returning && depth == 0 && sql::is_word(token, statement, "into")) {
            return statement.substr(0, token.begin);
        }
    }
    return statement;
}

// CALL f(), SELECT f(): not for a value, as it seems.
bool called_for_its_effect(const sql::Node& node) {
    if (node.node_case == PG_QUERY__NODE__NODE_CALL_STMT) {
        return true;
    }
    return node.node_case == PG_QUERY__NODE__NODE_SELECT_STMT &&
           node.select_stmt->n_from_clause == 0 && node.select_stmt->n_values_lists == 0;
}

}  // namespace

void Routines::run(const sql::Node& node) {
    if (node.node_case == PG_QUERY__NODE__NODE_CALL_STMT) {
        run_called(node);
        return;
    }
    std::string body;
    std::string language = "plpgsql";
    for (std::size_t i = 0; i < node.do_stmt->n_args; ++i) {
        const PgQuery__DefElem& option = *node.do_stmt->args[i]->def_elem;
        (text_or(option.defname) == "language" ? language : body) = sql::string_value(option.arg);
    }
    const std::size_t at = find_body(interpreter_.place_, body);
    const bool exact = at != std::string_view::npos && !body.empty();
    run_body(body, language, exact ? at : 0, exact);
}

void Routines::run_called(const sql::Node& node) {
    if (interpreter_.depth_ >= kDepthMax) {
        return;
    }
    std::vector<std::string> called;
    const auto note = [&](const PgQuery__FuncCall& call) {
        const std::vector<std::string> names = strings_of(call.funcname, call.n_funcname);
        if (!names.empty()) {
            called.push_back(interpreter_.schema_.name_of(
                names.size() > 1 ? names[names.size() - 2] : "", names.back()));
        }
    };
    if (node.node_case == PG_QUERY__NODE__NODE_CALL_STMT && node.call_stmt->funccall != nullptr) {
        note(*node.call_stmt->funccall);
    }
    sql::visit(node.base, [&](const sql::Node& part) {
        if (part.node_case == PG_QUERY__NODE__NODE_FUNC_CALL) {
            note(*part.func_call);
        }
    });
    for (const std::string& name : called) {
        if (const Routine* routine = interpreter_.schema_.routines.find(name)) {
            const Routine copy = *routine;
            run_body(copy.body, copy.language, 0, false);
        } else if (called_for_its_effect(node) && builtin_volatility(last_part(name)) == 0) {
            Action made = interpreter_.action(ActionKind::kExecuteUnknown);
            made.name = name;
            interpreter_.emit(made);
        }
    }
}

void Routines::run_body(std::string_view body, std::string_view language, std::size_t offset,
                        bool exact) {
    if (interpreter_.depth_ >= kDepthMax) {
        return;
    }
    offset_ = offset;
    exact_ = exact;
    const bool plpgsql = language == "plpgsql";
    if (!plpgsql && language != "sql") {
        return;
    }
    sql::Lexer lexer(body);
    bool fresh = true;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool open = false;
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        if (sql::is_punct(token, body, ';')) {
            if (open) {
                run_piece(body, begin, end);
            }
            open = false;
            fresh = true;
            continue;
        }
        if (!open && fresh && begins_sql(token, body)) {
            open = true;
            begin = token.begin;
        }
        end = token.end;
        // IF EXISTS (SELECT ...) THEN, EXCEPTION WHEN x THEN: what stands before THEN is no
        // statement
        // ... and a label (<<name>>) stands in front of one.
        fresh =
            plpgsql && !open && (opens_statement(token, body) || token.in(body).ends_with(">>"));
    }
    if (open) {
        run_piece(body, begin, end);
    }
}

void Routines::run_piece(std::string_view body, std::size_t begin, std::size_t end) {
    sql::Lexer lexer(body.substr(0, end), begin);
    const sql::Token first = lexer.next_code();
    if (sql::is_word(first, body, "execute")) {
        run_execute(body, begin, end);
        return;
    }
    if (sql::is_word(first, body, "perform")) {
        (void)run_text("select" + std::string(body.substr(first.end, end - first.end)), begin, end);
        return;
    }
    (void)run_text(without_into(body.substr(begin, end - begin)), begin, end);
}

// EXECUTE 'literal' and EXECUTE format('literal', ...): the literal, with %I, %s and %L filled in.
void Routines::run_execute(std::string_view body, std::size_t begin, std::size_t end) {
    sql::Lexer lexer(body.substr(0, end), begin);
    lexer.next_code();
    sql::Token token = lexer.next_code();
    const bool format = sql::is_word(token, body, "format");
    if (format) {
        lexer.next_code();
        token = lexer.next_code();
    }
    const sql::Token after = lexer.next_code();
    const bool whole = after.kind == sql::TokenKind::kEnd || sql::is_punct(after, body, ')') ||
                       sql::is_word(after, body, "using") || sql::is_word(after, body, "into") ||
                       (format && sql::is_punct(after, body, ','));
    if (token.kind != sql::TokenKind::kString || !whole) {
        unknown(begin, end);
        return;
    }
    std::string text = literal_value(token.in(body));
    bool filled = false;
    if (format) {
        text = fill_format(text, format_arguments(body.substr(0, end), token.end), filled);
    }
    if (!run_text(text, begin, end) || filled) {
        unknown(begin, end);
    }
}

void Routines::unknown(std::size_t begin, std::size_t end) {
    Action made = interpreter_.action(ActionKind::kExecuteUnknown);
    made.nested = true;
    made.traits |= kDynamic;
    if (exact_) {
        made.begin = offset_ + begin;
        made.end = offset_ + end;
    }
    interpreter_.emit(made);
}

// false: something of it is no statement that PostgreSQL's parser knows.
bool Routines::run_text(std::string_view text, std::size_t begin, std::size_t end) {
    bool understood = true;
    for (const sql::ScriptStatement& statement : sql::parse_script(text)) {
        if (!statement.tree || statement.tree->first() == nullptr) {
            understood = understood && statement.tree.has_value();
            continue;  // SELECT ... INTO STRICT variable and the like: PL/pgSQL's own
        }
        const sql::Node& node = *statement.tree->first();
        const StatementPlace outer = interpreter_.place_;
        const sql::Node* outer_node = interpreter_.node_;
        StatementPlace inner = outer;
        if (exact_) {
            inner.begin = offset_ + begin;
            inner.end = offset_ + end;
        }
        const bool exact = exact_;
        const std::size_t offset = offset_;
        ++interpreter_.depth_;
        interpreter_.run(node, inner, *interpreter_.see_);
        --interpreter_.depth_;
        exact_ = exact;
        offset_ = offset;
        interpreter_.place_ = outer;
        interpreter_.node_ = outer_node;
    }
    return understood;
}

}  // namespace howdah::migrate
