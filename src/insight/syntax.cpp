#include "insight/syntax.hpp"

#include <tree_sitter/api.h>

#include <array>
#include <memory>
#include <utility>

extern "C" {
const TSLanguage* tree_sitter_typescript(void);
const TSLanguage* tree_sitter_tsx(void);
}

namespace howdah::insight {
namespace {

struct ParserDelete {
    void operator()(TSParser* parser) const { ts_parser_delete(parser); }
};
struct TreeDelete {
    void operator()(TSTree* tree) const { ts_tree_delete(tree); }
};

constexpr std::pair<Kind, std::string_view> kKinds[] = {
#define KIND(name, text) {Kind::name, text},
#include "insight/syntax_kinds.inc"
#undef KIND
};
constexpr std::pair<Field, std::string_view> kFields[] = {
#define FIELD(name, text) {Field::name, text},
#include "insight/syntax_kinds.inc"
#undef FIELD
};

// tree-sitter's numbers of one grammar -> ours.
struct Numbers {
    std::vector<Kind> kinds;
    std::vector<Field> fields;

    explicit Numbers(const TSLanguage* language)
        : kinds(ts_language_symbol_count(language), Kind::kOther),
          fields(ts_language_field_count(language) + 1, Field::kNone) {
        for (std::uint32_t i = 0; i < kinds.size(); ++i) {
            const auto symbol = static_cast<TSSymbol>(i);
            if (ts_language_symbol_type(language, symbol) != TSSymbolTypeRegular) {
                continue;
            }
            const std::string_view name = ts_language_symbol_name(language, symbol);
            for (const auto& [kind, text] : kKinds) {
                kinds[i] = text == name ? kind : kinds[i];
            }
        }
        for (const auto& [field, text] : kFields) {
            const TSFieldId id = ts_language_field_id_for_name(
                language, text.data(), static_cast<std::uint32_t>(text.size()));
            if (id != 0) {
                fields[id] = field;
            }
        }
    }
};

const Numbers& numbers_of(bool tsx) {
    static const Numbers kTypeScript(tree_sitter_typescript());
    static const Numbers kTsx(tree_sitter_tsx());
    return tsx ? kTsx : kTypeScript;
}

class CursorOwner {
  public:
    explicit CursorOwner(TSNode node) : cursor(ts_tree_cursor_new(node)) {}
    ~CursorOwner() { ts_tree_cursor_delete(&cursor); }
    CursorOwner(const CursorOwner&) = delete;
    CursorOwner& operator=(const CursorOwner&) = delete;
    TSTreeCursor cursor;
};

}  // namespace

namespace {

// What the grammar (0.23) does not know, put out of its sight: `typeof import("x")` among type
// arguments becomes a name of the same length, `export type *` loses its middle word, so that every
// offset stays. Only this copy is parsed, all text is the file's own.
void mask_imports(std::string& out) {
    constexpr std::string_view kImport = "import(";
    constexpr std::size_t kLengthMax = 300;
    for (std::size_t at = out.find(kImport); at != std::string::npos;
         at = out.find(kImport, at + kImport.size())) {
        const std::size_t word = out.find_last_not_of(" \t\r\n", at == 0 ? 0 : at - 1);
        const std::size_t end = out.find_first_of(")\n", at);
        const bool type = word != std::string::npos && word >= 5 && word < at &&
                          std::string_view(out).substr(word - 5, 6) == "typeof";
        if (type && end != std::string::npos && out[end] == ')' && end - at < kLengthMax) {
            std::fill(out.begin() + static_cast<std::ptrdiff_t>(at),
                      out.begin() + static_cast<std::ptrdiff_t>(end) + 1, 'x');
        }
    }
}

void mask_type_exports(std::string& out) {
    constexpr std::string_view kStart = "export type ";
    for (std::size_t at = out.find(kStart); at != std::string::npos;
         at = out.find(kStart, at + kStart.size())) {
        const std::size_t next = out.find_first_not_of(' ', at + kStart.size());
        const bool line = at == 0 || out[at - 1] == '\n';
        if (line && next != std::string::npos && out[next] == '*') {
            out.replace(at + 7, 4, "    ");
        }
    }
}

bool needs_mask(std::string_view text) {
    return text.find("import(") != std::string_view::npos ||
           text.find("export type *") != std::string_view::npos;
}

std::string masked(std::string_view text) {
    std::string out(text);
    mask_imports(out);
    mask_type_exports(out);
    return out;
}

}  // namespace

Result<Syntax> Syntax::parse(std::string_view text, bool tsx) {
    const std::unique_ptr<TSParser, ParserDelete> parser(ts_parser_new());
    if (!ts_parser_set_language(parser.get(), tsx ? tree_sitter_tsx() : tree_sitter_typescript())) {
        return fail(ErrorCode::kInternal, "the grammar's ABI is not this libtree-sitter's");
    }
    ts_parser_set_timeout_micros(parser.get(), kParseMicroseconds);
    const bool mask = needs_mask(text);
    const std::string copy = mask ? masked(text) : std::string();
    const std::string_view parsed = mask ? std::string_view(copy) : text;
    const std::unique_ptr<TSTree, TreeDelete> tree(ts_parser_parse_string(
        parser.get(), nullptr, parsed.data(), static_cast<std::uint32_t>(parsed.size())));
    if (tree == nullptr) {
        return fail(ErrorCode::kTimeout, "takes too long to parse");
    }
    const Numbers& numbers = numbers_of(tsx);
    Syntax syntax;
    syntax.text_ = text;
    syntax.nodes_.reserve(text.size() / 4 + 16);
    CursorOwner owner(ts_tree_root_node(tree.get()));
    TSTreeCursor* cursor = &owner.cursor;
    NodeId parent = kNoNode;
    std::vector<NodeId> open;  // one for each level of the cursor; kNoNode = a level without a node
    for (;;) {
        const TSNode node = ts_tree_cursor_current_node(cursor);
        const TSSymbol symbol = ts_node_symbol(node);
        const bool kept = ts_node_is_named(node);
        if (kept) {
            const TSFieldId field = ts_tree_cursor_current_field_id(cursor);
            const Kind kind = symbol < numbers.kinds.size() ? numbers.kinds[symbol] : Kind::kError;
            syntax.nodes_.push_back({.kind = ts_node_is_missing(node) ? Kind::kError : kind,
                                     .field = numbers.fields[field],
                                     .begin = ts_node_start_byte(node),
                                     .end = ts_node_end_byte(node),
                                     .parent = parent,
                                     .after = 0});
        }
        const NodeId here = kept ? syntax.size() - 1 : kNoNode;
        if (kept && ts_tree_cursor_goto_first_child(cursor)) {
            open.push_back(here);
            parent = here;
            if (open.size() > kDepthMax) {
                return fail(ErrorCode::kInvalidInput, "nests too deeply to be judged");
            }
            continue;
        }
        if (kept) {
            syntax.nodes_[here].after = syntax.size();
        }
        while (!ts_tree_cursor_goto_next_sibling(cursor)) {
            if (open.empty()) {
                return syntax;
            }
            ts_tree_cursor_goto_parent(cursor);
            syntax.nodes_[open.back()].after = syntax.size();
            open.pop_back();
            parent = open.empty() ? kNoNode : open.back();
        }
    }
}

NodeId Syntax::next(NodeId node) const {
    const NodeId behind = at(node).after;
    return behind < at(at(node).parent).after ? behind : kNoNode;
}

NodeId Syntax::child(NodeId node, Field field) const {
    if (node == kNoNode) {
        return kNoNode;
    }
    for (NodeId at = first_child(node); at != kNoNode; at = next(at)) {
        if (nodes_[at].field == field) {
            return at;
        }
    }
    return kNoNode;
}

std::vector<NodeId> Syntax::children(NodeId node) const {
    std::vector<NodeId> found;
    for (NodeId at = node == kNoNode ? kNoNode : first_child(node); at != kNoNode; at = next(at)) {
        if (nodes_[at].kind != Kind::kComment) {
            found.push_back(at);
        }
    }
    return found;
}

NodeId Syntax::bare(NodeId node) const {
    while (node != kNoNode) {
        switch (nodes_[node].kind) {
            case Kind::kParenthesized:
            case Kind::kAwait:
            case Kind::kAs:
            case Kind::kSatisfies:
            case Kind::kNonNull: {
                NodeId inner = first_child(node);
                while (inner != kNoNode && nodes_[inner].kind == Kind::kComment) {
                    inner = next(inner);
                }
                node = inner;
                break;
            }
            default:
                return node;
        }
    }
    return kNoNode;
}

std::string_view Syntax::string(NodeId node) const {
    if (node == kNoNode ||
        (nodes_[node].kind != Kind::kString && nodes_[node].kind != Kind::kTemplate)) {
        return {};
    }
    for (NodeId at = node + 1; at < nodes_[node].after; ++at) {
        if (nodes_[at].kind == Kind::kSubstitution) {
            return {};
        }
    }
    const std::string_view whole = text(node);
    return whole.size() < 2 ? std::string_view() : whole.substr(1, whole.size() - 2);
}

std::string_view Syntax::key(NodeId pair) const {
    switch (kind(pair)) {
        case Kind::kShorthand:
        case Kind::kShorthandPattern:
            return text(pair);
        case Kind::kMethod: {
            const NodeId name = child(pair, Field::kName);
            return name == kNoNode ? std::string_view() : text(name);
        }
        default: {
            const NodeId name = child(pair, Field::kKey);
            if (name == kNoNode) {
                return {};
            }
            return is(name, Kind::kString) ? string(name) : text(name);
        }
    }
}

NodeId Syntax::value(NodeId pair) const {
    return is(pair, Kind::kPair) ? child(pair, Field::kValue) : pair;
}

NodeId Syntax::property(NodeId object, std::string_view name) const {
    if (!is(object, Kind::kObject)) {
        return kNoNode;
    }
    for (NodeId at = first_child(object); at != kNoNode; at = next(at)) {
        if (key(at) == name) {
            return value(at);
        }
    }
    return kNoNode;
}

bool Syntax::has_spread(NodeId object) const {
    for (NodeId at = first_child(object); at != kNoNode; at = next(at)) {
        if (nodes_[at].kind == Kind::kSpread) {
            return true;
        }
    }
    return false;
}

std::vector<NodeId> Syntax::arguments(NodeId call) const {
    const NodeId list = child(call, Field::kArguments);
    if (is(list, Kind::kTemplate)) {
        return {list};
    }
    return children(list);
}

std::string_view Syntax::callee(NodeId call) const {
    const NodeId function = bare(child(call, Field::kFunction));
    if (is(function, Kind::kMember)) {
        const NodeId name = child(function, Field::kProperty);
        return name == kNoNode ? std::string_view() : text(name);
    }
    return is(function, Kind::kIdentifier) ? text(function) : std::string_view();
}

bool is_function(Kind kind) {
    switch (kind) {
        case Kind::kArrow:
        case Kind::kFunction:
        case Kind::kFunctionExpression:
        case Kind::kGenerator:
        case Kind::kGeneratorExpression:
        case Kind::kMethod:
            return true;
        default:
            return false;
    }
}

}  // namespace howdah::insight
