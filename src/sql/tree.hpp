// The one door to libpg_query: text in, PostgreSQL's own parse tree out.
//
// Only module `sql` names libpg_query's library; other modules walk the tree through the node types
// which this header shows (PgQuery__*, protobuf-c structs generated from PostgreSQL 15's nodes).
//
// 1. A Tree owns every node it shows; nodes are read only and die with it.
// 2. Offsets are bytes from the start of the text that was parsed.
// 3. Any bytes may be parsed: what would nest too deeply for the stack, or holds a NUL, is an
// error.
// 4. Every function is safe on any thread (libpg_query keeps its memory per thread). The thread
// needs
//    a stack of 8 MB, glibc's default: kNestingMax is held against that by tree_test.
//
// Cost, measured for the statements of migrations: 23,000 instructions each, 14,000 of them the
// grammar's (tree_copy.hpp says what the way through protobuf took).
#pragma once

#include <pg_query/pg_query.pb-c.h>

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sql/tokens.hpp"

namespace howdah::sql {

using Node = PgQuery__Node;

// Where and why PostgreSQL's parser refused.
struct ParseError {
    std::string message;     // PostgreSQL's own words
    std::size_t offset = 0;  // byte; the text's size when it ended too early
};

class Tree {
  public:
    // One text, any number of statements; one syntax error refuses them all (see parse_script).
    static std::expected<Tree, ParseError> parse(std::string_view text);

    Tree(Tree&&) noexcept;
    Tree& operator=(Tree&&) noexcept;
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;
    ~Tree();

    // stmt, stmt_location and stmt_len (0 = to the end) of each statement.
    std::span<PgQuery__RawStmt* const> statements() const;
    // The only statement's node; nullptr where there is none.
    const Node* first() const;

  private:
    struct Memory;
    Tree();
    std::unique_ptr<Memory> memory_;
};

// One statement of a script: its bytes, and its tree or its own error.
struct ScriptStatement {
    std::size_t begin = 0;                 // first byte of the first token that is no comment
    std::size_t end = 0;                   // behind the last token; the semicolon is not in it
    std::expected<Tree, ParseError> tree;  // offsets inside count from `begin`, the error's too

    std::string_view in(std::string_view text) const { return text.substr(begin, end - begin); }
};

// Splits and parses, each statement by itself: a statement that does not parse costs only itself.
// A quote that was left open ends at the next line that ends with a semicolon.
std::vector<ScriptStatement> parse_script(std::string_view text);

// The body of CREATE FUNCTION or DO as libpg_query's JSON (an array of functions with PLpgSQL_*
// objects; line numbers, no offsets). `statement` is the whole CREATE FUNCTION or DO statement.
std::expected<std::string, ParseError> parse_plpgsql(std::string_view statement);

// Levels that a statement may nest (parentheses, operator chains, set operations, joins weigh
// differently); PostgreSQL's own limit is its max_stack_depth.
inline constexpr std::size_t kNestingMax = 3000;

// An upper bound for how deep the tree of `text` can nest, from its tokens alone; parse() refuses
// what is over kNestingMax. Stops counting there.
std::size_t nesting_bound(std::string_view text);

// A name's last part, its schema in front when there is one: "app.users", "users".
std::string qualified_name(const PgQuery__RangeVar& relation);
// String node's value; "" for any other node.
std::string_view string_value(const Node* node);

// Calls `see` with every Node below `message` (a Node or any PgQuery__ struct), parents first.
void visit(const ProtobufCMessage& message, const std::function<void(const Node&)>& see);

}  // namespace howdah::sql
