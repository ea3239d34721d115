// Syntax: a TypeScript or JavaScript text as a tree, by tree-sitter. The only door to that library.
//
// 1. Nodes stand in one array in the order of the text, a node before its children: the nodes below
//    n are n + 1 to after(n). Punctuation and key words have no node.
// 2. Any bytes may be parsed: what is no code becomes kError nodes, the rest is as it would be.
// 3. What nests deeper than kDepthMax, or takes longer than kParseMicroseconds, is refused.
//
// 4. kNoNode may be asked anything: it has no kind, text, parent or children.
//
// A tree belongs to one thread; 20 bytes a node, about one node for 5 bytes of text.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "insight/source_text.hpp"

namespace howdah::insight {

enum class Kind : std::uint8_t {
    kOther,
    kError,
#define KIND(name, text) name,
#include "insight/syntax_kinds.inc"
#undef KIND
};

enum class Field : std::uint8_t {
    kNone,
#define FIELD(name, text) name,
#include "insight/syntax_kinds.inc"
#undef FIELD
};

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = std::numeric_limits<NodeId>::max();

class Syntax {
  public:
    static constexpr std::uint16_t kDepthMax = 1000;
    static constexpr std::uint64_t kParseMicroseconds = 5'000'000;

    // text must outlive the tree. tsx: JSX is allowed, casts as <T>x are not.
    static Result<Syntax> parse(std::string_view text, bool tsx);

    std::string_view text() const { return text_; }
    NodeId size() const { return static_cast<NodeId>(nodes_.size()); }
    Kind kind(NodeId node) const { return at(node).kind; }
    Field field(NodeId node) const { return at(node).field; }
    bool is(NodeId node, Kind kind) const { return node != kNoNode && nodes_[node].kind == kind; }
    std::string_view text(NodeId node) const {
        return text_.substr(at(node).begin, at(node).end - at(node).begin);
    }
    Range range(NodeId node) const { return {at(node).begin, at(node).end}; }
    NodeId parent(NodeId node) const { return at(node).parent; }
    // Behind the last node below `node`.
    NodeId after(NodeId node) const { return at(node).after; }
    bool contains(NodeId outer, NodeId inner) const {
        return inner >= outer && inner < at(outer).after;
    }

    NodeId first_child(NodeId node) const {
        return node != kNoNode && at(node).after > node + 1 ? node + 1 : kNoNode;
    }
    NodeId next(NodeId node) const;
    NodeId child(NodeId node, Field field) const;
    std::vector<NodeId> children(NodeId node) const;  // without comments

    // The node inside parentheses, await, `as T`, `!`, satisfies.
    NodeId bare(NodeId node) const;
    // A string's or substitution-free template's value, escapes left as written; "" otherwise.
    std::string_view string(NodeId node) const;

    // The value of `key` in an object literal; a shorthand property is its own value.
    NodeId property(NodeId object, std::string_view key) const;
    bool has_spread(NodeId object) const;
    // "where" of a pair, shorthand or method; quotes taken off.
    std::string_view key(NodeId pair) const;
    NodeId value(NodeId pair) const;

    // call_expression: its argument nodes; a tagged template has one, the template.
    std::vector<NodeId> arguments(NodeId call) const;
    // "findMany" of prisma.post.findMany(...), "eq" of eq(...).
    std::string_view callee(NodeId call) const;

  private:
    struct Node {
        Kind kind;
        Field field;
        std::uint32_t begin;
        std::uint32_t end;
        NodeId parent;
        NodeId after;
    };
    const Node& at(NodeId node) const {
        static constexpr Node kNothing{Kind::kOther, Field::kNone, 0, 0, kNoNode, 0};
        return node < nodes_.size() ? nodes_[node] : kNothing;
    }

    std::string_view text_;
    std::vector<Node> nodes_;
};

bool is_function(Kind kind);

}  // namespace howdah::insight
