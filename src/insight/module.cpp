#include "insight/module.hpp"

#include <algorithm>

namespace howdah::insight {

Module::Module(std::string file, Syntax syntax)
    : file_(std::move(file)), syntax_(std::move(syntax)) {
    bind();
}

void Module::add(Binding binding) {
    by_name_[binding.name].push_back(static_cast<std::uint32_t>(bindings_.size()));
    bindings_.push_back(binding);
}

NodeId Module::scope_of(NodeId node, bool function_only) const {
    for (NodeId at = syntax_.parent(node); at != kNoNode; at = syntax_.parent(at)) {
        const Kind kind = syntax_.kind(at);
        const bool block = kind == Kind::kBlock || kind == Kind::kFor || kind == Kind::kForIn ||
                           kind == Kind::kClassBody;
        if (kind == Kind::kProgram || is_function(kind) || (block && !function_only)) {
            return at;
        }
    }
    return 0;
}

void Module::bind() {
    for (NodeId node = 0; node < syntax_.size(); ++node) {
        bind_node(node);
    }
}

void Module::bind_node(NodeId node) {
    switch (syntax_.kind(node)) {
        case Kind::kImport:
            bind_import(node);
            break;
        case Kind::kDeclarator:
            bind_pattern(syntax_.child(node, Field::kName),
                         scope_of(node, syntax_.is(syntax_.parent(node), Kind::kVar)),
                         syntax_.child(node, Field::kValue), false);
            break;
        case Kind::kFunction:
        case Kind::kGenerator:
        case Kind::kClass:
        case Kind::kAbstractClass:
            if (const NodeId name = syntax_.child(node, Field::kName); name != kNoNode) {
                add({.name = syntax_.text(name),
                     .node = name,
                     .scope = scope_of(node, false),
                     .value = node});
            }
            break;
        case Kind::kRequiredParameter:
        case Kind::kOptionalParameter: {
            const NodeId pattern = syntax_.child(node, Field::kPattern);
            bind_pattern(pattern, scope_of(node, true), kNoNode, true);
            break;
        }
        case Kind::kArrow:
            bind_pattern(syntax_.child(node, Field::kParameter), node, kNoNode, true);
            break;
        case Kind::kForIn:
            bind_pattern(syntax_.child(node, Field::kLeft), node, kNoNode, false);
            break;
        case Kind::kAssignment:
        case Kind::kAugmented: {
            const NodeId left = syntax_.child(node, Field::kLeft);
            if (syntax_.is(left, Kind::kIdentifier)) {
                assigned_[syntax_.text(left)].push_back(node);
            } else if (left != kNoNode) {
                for (NodeId at = left; at < syntax_.after(left); ++at) {
                    if (syntax_.is(at, Kind::kShorthandPattern) ||
                        (syntax_.is(at, Kind::kIdentifier) &&
                         syntax_.is(left, Kind::kArrayPattern))) {
                        assigned_[syntax_.text(at)].push_back(node);
                    }
                }
            }
            break;
        }
        case Kind::kUpdate:
            if (const NodeId target = syntax_.child(node, Field::kArgument);
                syntax_.is(target, Kind::kIdentifier)) {
                assigned_[syntax_.text(target)].push_back(node);
            }
            break;
        case Kind::kExport:
            find_exports(node);
            break;
        default:
            break;
    }
}

void Module::bind_pattern(NodeId pattern, NodeId scope, NodeId value, bool parameter) {
    if (pattern == kNoNode) {
        return;
    }
    if (syntax_.is(pattern, Kind::kIdentifier)) {
        add({.name = syntax_.text(pattern),
             .node = pattern,
             .scope = scope,
             .value = value,
             .parameter = parameter});
        return;
    }
    // { a, b: c, d = 1, ...rest } and [a, b]: the names only; defaults are expressions.
    for (NodeId at = pattern + 1; at < syntax_.after(pattern); ++at) {
        const Kind kind = syntax_.kind(at);
        const Field field = syntax_.field(at);
        const bool name = kind == Kind::kShorthandPattern ||
                          (kind == Kind::kIdentifier && field != Field::kRight &&
                           field != Field::kKey && field != Field::kType);
        if (name) {
            add({.name = syntax_.text(at),
                 .node = at,
                 .scope = scope,
                 .value = kNoNode,
                 .parameter = parameter});
        } else if (field == Field::kRight) {
            at = syntax_.after(at) - 1;
        }
    }
}

void Module::bind_import(NodeId statement) {
    const std::string_view from = syntax_.string(syntax_.child(statement, Field::kSource));
    for (NodeId at = statement + 1; at < syntax_.after(statement); ++at) {
        const Kind parent = syntax_.kind(syntax_.parent(at));
        if (syntax_.is(at, Kind::kImportSpecifier)) {
            const NodeId name = syntax_.child(at, Field::kName);
            const NodeId alias = syntax_.child(at, Field::kAlias);
            const NodeId local = alias != kNoNode ? alias : name;
            if (local != kNoNode && name != kNoNode) {
                add({.name = syntax_.text(local),
                     .node = local,
                     .scope = 0,
                     .import_from = from,
                     .import_name = syntax_.text(name)});
            }
            at = syntax_.after(at) - 1;
        } else if (syntax_.is(at, Kind::kIdentifier) &&
                   (parent == Kind::kImportClause || parent == Kind::kNamespaceImport)) {
            add({.name = syntax_.text(at),
                 .node = at,
                 .scope = 0,
                 .import_from = from,
                 .import_name = parent == Kind::kNamespaceImport ? "*" : "default"});
        }
    }
}

// export { a, b as c }; the same with from; export * from; export * as n from
void Module::find_clause_exports(NodeId statement) {
    const std::string_view from = syntax_.string(syntax_.child(statement, Field::kSource));
    bool named = false;
    for (NodeId at = statement + 1; at < syntax_.after(statement); ++at) {
        if (syntax_.is(at, Kind::kNamespaceExport)) {
            named = true;
            exports_.push_back(
                {.name = syntax_.text(syntax_.first_child(at)), .from = from, .from_name = "*"});
        } else if (syntax_.is(at, Kind::kExportClause)) {
            named = true;
        } else if (syntax_.is(at, Kind::kExportSpecifier)) {
            const NodeId name = syntax_.child(at, Field::kName);
            const NodeId alias = syntax_.child(at, Field::kAlias);
            exports_.push_back({.name = syntax_.text(alias != kNoNode ? alias : name),
                                .value = from.empty() ? name : kNoNode,
                                .from = from,
                                .from_name = syntax_.text(name)});
        }
    }
    if (!named && !from.empty()) {
        exports_.push_back({.name = "*", .from = from, .from_name = "*"});
    }
}

void Module::find_exports(NodeId statement) {
    const NodeId declaration = syntax_.child(statement, Field::kDeclaration);
    if (declaration == kNoNode) {
        if (const NodeId value = syntax_.child(statement, Field::kValue); value != kNoNode) {
            exports_.push_back({.name = "default", .value = value});
        } else {
            find_clause_exports(statement);
        }
        return;
    }
    const NodeId name = syntax_.child(declaration, Field::kName);
    if (name != kNoNode) {  // a function, a class; interfaces and types do no harm
        const bool is_default =
            syntax_.text(statement).substr(0, 40).find("default") != std::string_view::npos;
        exports_.push_back(
            {.name = is_default ? "default" : syntax_.text(name), .value = declaration});
        return;
    }
    for (const NodeId each : syntax_.children(declaration)) {
        if (syntax_.is(each, Kind::kDeclarator)) {
            const NodeId value = syntax_.bare(syntax_.child(each, Field::kValue));
            if (value != kNoNode) {
                exports_.push_back(
                    {.name = syntax_.text(syntax_.child(each, Field::kName)), .value = value});
            }
        }
    }
}

const Binding* Module::resolve(std::string_view name, NodeId at) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) {
        return nullptr;
    }
    const Binding* best = nullptr;
    for (const std::uint32_t index : found->second) {
        const Binding& each = bindings_[index];
        // Scopes that hold `at` are nested: the innermost begins last.
        if (syntax_.contains(each.scope, at) && (best == nullptr || each.scope >= best->scope)) {
            best = &each;
        }
    }
    return best;
}

NodeId Module::value_of(NodeId node) const {
    node = syntax_.bare(node);
    for (int steps = 0; steps < 16 && node != kNoNode; ++steps) {
        if (!syntax_.is(node, Kind::kIdentifier) && !syntax_.is(node, Kind::kShorthand)) {
            return node;
        }
        const Binding* binding = resolve(node);
        if (binding == nullptr || binding->value == kNoNode || assigned_.contains(binding->name)) {
            return kNoNode;
        }
        node = syntax_.bare(binding->value);
    }
    return kNoNode;
}

bool Module::depends_on(NodeId node, NodeId scope) const {
    for (NodeId at = node; at < syntax_.after(node); ++at) {
        const Kind kind = syntax_.kind(at);
        if (kind != Kind::kIdentifier && kind != Kind::kShorthand) {
            continue;
        }
        const Binding* binding = resolve(at);
        if (binding == nullptr) {
            continue;
        }
        const bool inside = syntax_.contains(scope, binding->node) &&
                            !syntax_.contains(node, binding->node) && binding->value != node;
        if (inside) {
            // const limit = 10 inside the loop changes nothing
            const Kind value =
                binding->value == kNoNode ? Kind::kOther : syntax_.kind(binding->value);
            const bool constant = value == Kind::kNumber || value == Kind::kString ||
                                  value == Kind::kTrue || value == Kind::kFalse;
            if (!constant) {
                return true;
            }
        }
        if (const auto changes = assigned_.find(binding->name); changes != assigned_.end()) {
            const bool changed = std::ranges::any_of(
                changes->second, [&](NodeId change) { return syntax_.contains(scope, change); });
            if (changed) {
                return true;
            }
        }
    }
    return false;
}

bool Module::names_any(NodeId node, const std::vector<const Binding*>& bindings) const {
    for (NodeId at = node; at < syntax_.after(node); ++at) {
        const Kind kind = syntax_.kind(at);
        if ((kind == Kind::kIdentifier || kind == Kind::kShorthand) &&
            std::ranges::find(bindings, resolve(at)) != bindings.end()) {
            return true;
        }
    }
    return false;
}

std::vector<NodeId> Module::origins(const Binding& binding, NodeId scope) const {
    std::vector<NodeId> found;
    NodeId declarator = binding.node;
    while (declarator != kNoNode && !syntax_.is(declarator, Kind::kDeclarator) &&
           !is_function(syntax_.kind(declarator))) {
        declarator = syntax_.parent(declarator);
    }
    if (syntax_.is(declarator, Kind::kDeclarator) && syntax_.contains(scope, declarator)) {
        found.push_back(syntax_.child(declarator, Field::kValue));
    }
    if (const auto changes = assigned_.find(binding.name); changes != assigned_.end()) {
        for (const NodeId change : changes->second) {
            if (syntax_.contains(scope, change) && resolve(binding.name, change) == &binding) {
                found.push_back(syntax_.child(change, Field::kRight));
            }
        }
    }
    std::erase(found, kNoNode);
    return found;
}

std::vector<const Binding*> Module::bound_in(NodeId node) const {
    std::vector<const Binding*> found;
    for (const Binding& binding : bindings_) {
        if (syntax_.contains(node, binding.node)) {
            found.push_back(&binding);
        }
    }
    return found;
}

std::string_view Module::function_name(NodeId function) const {
    if (const NodeId name = syntax_.child(function, Field::kName); name != kNoNode) {
        return syntax_.text(name);
    }
    NodeId parent = syntax_.parent(function);
    // const load = cache(async (id) => ...): the wrapper's name is the function's
    while (parent != kNoNode &&
           (syntax_.is(parent, Kind::kArguments) || syntax_.is(parent, Kind::kCall) ||
            syntax_.is(parent, Kind::kParenthesized) || syntax_.is(parent, Kind::kSatisfies))) {
        parent = syntax_.parent(parent);
    }
    if (syntax_.is(parent, Kind::kDeclarator) || syntax_.is(parent, Kind::kFieldDefinition)) {
        const NodeId name = syntax_.child(parent, Field::kName);
        return name == kNoNode ? std::string_view() : syntax_.text(name);
    }
    return syntax_.is(parent, Kind::kPair) ? syntax_.key(parent) : std::string_view();
}

NodeId Module::enclosing_function(NodeId node) const {
    for (NodeId at = syntax_.parent(node); at != kNoNode; at = syntax_.parent(at)) {
        if (is_function(syntax_.kind(at))) {
            return at;
        }
    }
    return kNoNode;
}

}  // namespace howdah::insight
