#include "sql/tree.hpp"

#include <pg_query.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "sql/tree_copy.hpp"

namespace howdah::sql {
namespace {

void* arena_allocate(void* arena, std::size_t bytes) {
    return static_cast<Arena*>(arena)->allocate(bytes);
}

void arena_free(void*, void*) {}

// PostgreSQL counts a cursor in characters from 1; 0 = it does not know.
std::size_t byte_offset(std::string_view text, int cursor) {
    if (cursor <= 0) {
        return 0;
    }
    int characters = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool continuation = (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U;
        if (!continuation && ++characters == cursor) {
            return i;
        }
    }
    return text.size();
}

std::unexpected<ParseError> refuse(std::string_view text, const PgQueryError& error) {
    return std::unexpected(ParseError{.message = error.message != nullptr ? error.message : "",
                                      .offset = byte_offset(text, error.cursorpos)});
}

std::expected<void, ParseError> check_text(std::string_view text) {
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
        return std::unexpected(ParseError{.message = "NUL byte in the text", .offset = nul});
    }
    if (nesting_bound(text) > kNestingMax) {
        return std::unexpected(ParseError{.message = "statement nests too deeply"});
    }
    return {};
}

}  // namespace

struct Tree::Memory {
    explicit Memory(std::size_t bytes) : arena(bytes) {}
    Arena arena;
    PgQuery__ParseResult* result = nullptr;
};

Tree::Tree() = default;
Tree::Tree(Tree&&) noexcept = default;
Tree& Tree::operator=(Tree&&) noexcept = default;
Tree::~Tree() = default;

std::expected<Tree, ParseError> Tree::parse(std::string_view text) {
    if (auto checked = check_text(text); !checked) {
        return std::unexpected(std::move(checked).error());
    }
    // A tree takes 20 to 40 times its text's bytes.
    Tree tree;
    tree.memory_ = std::make_unique<Memory>(text.size() * 40 + 512);
    const std::string terminated(text);
    CopiedParse copied = parse_into(tree.memory_->arena, terminated.c_str());
    PgQueryProtobufParseResult& parsed = copied.parsed;
    const std::unique_ptr<PgQueryProtobufParseResult, void (*)(PgQueryProtobufParseResult*)> owner(
        &parsed,
        [](PgQueryProtobufParseResult* result) { pg_query_free_protobuf_parse_result(*result); });
    if (parsed.error != nullptr) {
        return refuse(text, *parsed.error);
    }
    tree.memory_->result = copied.tree;
    if (copied.tree == nullptr) {
        ProtobufCAllocator allocator{
            .alloc = arena_allocate, .free = arena_free, .allocator_data = &tree.memory_->arena};
        tree.memory_->result = pg_query__parse_result__unpack(
            &allocator, parsed.parse_tree.len,
            reinterpret_cast<const std::uint8_t*>(parsed.parse_tree.data));
    }
    if (tree.memory_->result == nullptr) {
        return std::unexpected(ParseError{.message = "the parse tree could not be unpacked"});
    }
    return tree;
}

std::span<PgQuery__RawStmt* const> Tree::statements() const {
    return {memory_->result->stmts, memory_->result->n_stmts};
}

const Node* Tree::first() const {
    return memory_->result->n_stmts == 0 ? nullptr : memory_->result->stmts[0]->stmt;
}

namespace {

// Where an open or misplaced quote should have ended: behind the first semicolon at a line's end
// inside a string of this piece. 0 = no such place.
std::size_t recovery_point(std::string_view text, const Piece& piece) {
    Lexer lexer(text.substr(0, piece.end), piece.begin);
    for (Token token = lexer.next(); token.kind != TokenKind::kEnd; token = lexer.next()) {
        const bool quoted =
            token.kind == TokenKind::kString || token.kind == TokenKind::kQuotedWord || token.open;
        if (!quoted) {
            continue;
        }
        const std::size_t semicolon = text.find(";\n", token.begin);
        if (semicolon != std::string_view::npos && semicolon < token.end) {
            return semicolon + 1;
        }
    }
    return 0;
}

}  // namespace

std::vector<ScriptStatement> parse_script(std::string_view text) {
    constexpr int kRecoveriesMax = 100;  // each may read the rest of the text again
    int recoveries = 0;
    std::vector<ScriptStatement> statements;
    for (std::size_t at = 0;;) {
        Piece piece = split_one(text, at);
        if (piece.end == piece.begin) {
            return statements;
        }
        auto tree = Tree::parse(text.substr(piece.begin, piece.end - piece.begin));
        if (!tree && recoveries++ < kRecoveriesMax) {
            if (const std::size_t resume = recovery_point(text, piece); resume != 0) {
                piece.end = resume - 1;
                piece.after = resume;
            }
        }
        statements.push_back({.begin = piece.begin, .end = piece.end, .tree = std::move(tree)});
        at = piece.after;
    }
}

std::expected<std::string, ParseError> parse_plpgsql(std::string_view statement) {
    if (auto checked = check_text(statement); !checked) {
        return std::unexpected(std::move(checked).error());
    }
    const std::string terminated(statement);
    PgQueryPlpgsqlParseResult parsed = pg_query_parse_plpgsql(terminated.c_str());
    const std::unique_ptr<PgQueryPlpgsqlParseResult, void (*)(PgQueryPlpgsqlParseResult*)> owner(
        &parsed,
        [](PgQueryPlpgsqlParseResult* result) { pg_query_free_plpgsql_parse_result(*result); });
    if (parsed.error != nullptr) {
        return refuse(statement, *parsed.error);
    }
    return std::string(parsed.plpgsql_funcs != nullptr ? parsed.plpgsql_funcs : "[]");
}

namespace {

constexpr std::size_t kHeavyLevel = 4;  // nodes that one parenthesis, join or set operation nests

bool separates(const Token& token, std::string_view text) {
    for (const std::string_view word : {"and", "or", "when", "then", "else"}) {
        if (is_word(token, text, word)) {
            return true;
        }
    }
    return is_punct(token, text, ',');
}

bool nests_for_good(const Token& token, std::string_view text) {
    for (const std::string_view word : {"union", "intersect", "except", "join", "case"}) {
        if (is_word(token, text, word)) {
            return true;
        }
    }
    return false;
}

}  // namespace

// Chains (a + b + c, x::int::int) nest to the left by one level a token until something flat (a
// comma, AND, OR) begins anew; parentheses add the chains around them; set operations and joins
// never begin anew within a statement.
std::size_t nesting_bound(std::string_view text) {
    if (text.size() < kNestingMax / kHeavyLevel) {
        return text.size();
    }
    std::vector<std::size_t> outer;  // the chain of each open parenthesis
    std::size_t outer_sum = 0;
    std::size_t chain = 0;
    std::size_t heavy = 0;
    std::size_t most = 0;
    Lexer lexer(text);
    for (Token token = lexer.next_code(); token.kind != TokenKind::kEnd;
         token = lexer.next_code()) {
        if (is_punct(token, text, ';')) {
            outer.clear();
            outer_sum = chain = heavy = 0;
        } else if (is_punct(token, text, '(') || is_punct(token, text, '[')) {
            outer.push_back(chain + kHeavyLevel);
            outer_sum += outer.back();
            chain = 0;
        } else if ((is_punct(token, text, ')') || is_punct(token, text, ']')) && !outer.empty()) {
            outer_sum -= outer.back();
            chain = outer.back() - kHeavyLevel + 1;
            outer.pop_back();
        } else if (separates(token, text)) {
            chain = 0;
        } else {
            ++chain;
            heavy += nests_for_good(token, text) ? kHeavyLevel : 0;
        }
        most = std::max(most, outer_sum + chain + heavy);
        if (most > kNestingMax) {
            break;
        }
    }
    return most;
}

std::string qualified_name(const PgQuery__RangeVar& relation) {
    std::string name;
    if (relation.schemaname != nullptr && *relation.schemaname != '\0') {
        name.append(relation.schemaname).push_back('.');
    }
    return name.append(relation.relname != nullptr ? relation.relname : "");
}

std::string_view string_value(const Node* node) {
    if (node == nullptr || node->node_case != PG_QUERY__NODE__NODE_STRING) {
        return {};
    }
    const char* value = node->string->sval;
    return value != nullptr ? value : std::string_view();
}

// The descriptors that protobuf-c generates know where a message keeps its parts.
void visit(const ProtobufCMessage& message, const std::function<void(const Node&)>& see) {
    if (message.descriptor == &pg_query__node__descriptor) {
        see(*reinterpret_cast<const Node*>(&message));
    }
    const auto* base = reinterpret_cast<const char*>(&message);
    if (message.descriptor == &pg_query__node__descriptor) {
        // One union of 230 pointers: looking at each of its fields took half of the walk's time.
        const auto* part = *reinterpret_cast<ProtobufCMessage* const*>(
            base + message.descriptor->fields[0].offset);
        if (reinterpret_cast<const Node*>(&message)->node_case != PG_QUERY__NODE__NODE__NOT_SET) {
            visit(*part, see);
        }
        return;
    }
    for (unsigned i = 0; i < message.descriptor->n_fields; ++i) {
        const ProtobufCFieldDescriptor& field = message.descriptor->fields[i];
        if (field.type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        const bool one_of = (field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0U;
        if (one_of &&
            *reinterpret_cast<const std::uint32_t*>(base + field.quantifier_offset) != field.id) {
            continue;
        }
        if (field.label == PROTOBUF_C_LABEL_REPEATED) {
            const auto count =
                *reinterpret_cast<const std::size_t*>(base + field.quantifier_offset);
            auto* const* items =
                *reinterpret_cast<ProtobufCMessage* const* const*>(base + field.offset);
            for (std::size_t n = 0; n < count; ++n) {
                visit(*items[n], see);
            }
        } else if (const auto* part =
                       *reinterpret_cast<ProtobufCMessage* const*>(base + field.offset);
                   part != nullptr) {
            visit(*part, see);
        }
    }
}

}  // namespace howdah::sql
