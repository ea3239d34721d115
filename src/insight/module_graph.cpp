#include "insight/module_graph.hpp"

#include <algorithm>

namespace howdah::insight {
namespace {

constexpr int kSteps = 12;  // imports, re-exports and aliases between a name and its value

bool is_class(const Definition& found) {
    return found.is(Kind::kClass) || found.is(Kind::kAbstractClass);
}

NodeId enclosing_class(const Syntax& syntax, NodeId node) {
    for (NodeId at = syntax.parent(node); at != kNoNode; at = syntax.parent(at)) {
        if (syntax.is(at, Kind::kClass) || syntax.is(at, Kind::kAbstractClass)) {
            return at;
        }
    }
    return kNoNode;
}

// load() { ... } or load = async () => { ... } of a class.
NodeId method_of(const Syntax& syntax, NodeId type, std::string_view name) {
    for (const NodeId each : syntax.children(syntax.child(type, Field::kBody))) {
        if (syntax.text(syntax.child(each, Field::kName)) != name) {
            continue;
        }
        if (syntax.is(each, Kind::kMethod)) {
            return each;
        }
        if (syntax.is(each, Kind::kFieldDefinition)) {
            return syntax.child(each, Field::kValue);
        }
    }
    return kNoNode;
}

NodeId first_of(const Syntax& syntax, NodeId top, Kind kind) {
    for (NodeId at = top; top != kNoNode && at < syntax.after(top); ++at) {
        if (syntax.is(at, kind)) {
            return at;
        }
    }
    return kNoNode;
}

}  // namespace

ModuleGraph::ModuleGraph(std::vector<std::shared_ptr<const Module>> modules,
                         const std::vector<ImportMap::Config>& configs)
    : modules_(std::move(modules)) {
    std::map<std::string, const Module*, std::less<>> by_file;
    std::vector<std::string> files;
    for (const auto& module : modules_) {
        by_file.emplace(module->file(), module.get());
        files.push_back(module->file());
    }
    const ImportMap map(configs, files);
    for (const auto& module : modules_) {
        auto& known = imports_[module.get()];
        const auto add = [&](std::string_view specifier) {
            if (specifier.empty() || known.contains(specifier)) {
                return;
            }
            if (const std::string file = map.resolve(module->file(), specifier); !file.empty()) {
                known.emplace(specifier, by_file.find(file)->second);
            }
        };
        for (const Binding& binding : module->bindings()) {
            add(binding.import_from);
        }
        for (const Export& each : module->exports()) {
            add(each.from);
        }
    }
}

Definition ModuleGraph::imported(const Module& module, std::string_view from, std::string_view name,
                                 int depth) const {
    const auto known = imports_.find(&module);
    if (known == imports_.end()) {
        return {};
    }
    const auto other = known->second.find(from);
    if (other == known->second.end()) {
        return {};
    }
    return name == "*" ? Definition{other->second, 0} : exported(*other->second, name, depth - 1);
}

Definition ModuleGraph::exported(const Module& module, std::string_view name, int depth) const {
    if (depth <= 0) {
        return {};
    }
    for (const Export& each : module.exports()) {
        if (each.name == name) {
            return each.from.empty() ? follow(module, each.value, depth - 1)
                                     : imported(module, each.from, each.from_name, depth - 1);
        }
    }
    for (const Export& each : module.exports()) {
        const bool all = each.name == "*" && name != "default";
        if (const Definition found =
                all ? imported(module, each.from, name, depth - 1) : Definition{};
            found.known()) {
            return found;
        }
    }
    return {};
}

// From a name to what it stands for; anything else stands for itself.
Definition ModuleGraph::follow(const Module& module, NodeId node, int depth) const {
    const Syntax& syntax = module.syntax();
    node = syntax.bare(node);
    const bool name = syntax.is(node, Kind::kIdentifier) || syntax.is(node, Kind::kShorthand) ||
                      syntax.is(node, Kind::kTypeName);
    if (!name || depth <= 0) {
        return name ? Definition{} : Definition{&module, node};
    }
    const Binding* binding = module.resolve(node);
    if (binding == nullptr || binding->parameter) {
        return {};
    }
    if (!binding->import_name.empty()) {
        return imported(module, binding->import_from, binding->import_name, depth - 1);
    }
    return binding->value == kNoNode || syntax.bare(binding->value) == node
               ? Definition{}
               : follow(module, binding->value, depth - 1);
}

Definition ModuleGraph::definition(const Module& module, NodeId name) const {
    return follow(module, name, kSteps);
}

// const load = cache(async (id) => ...): the function inside.
Definition ModuleGraph::callable(Definition found, int depth) const {
    while (found.is(Kind::kCall) && depth-- > 0) {
        const std::vector<NodeId> arguments = found.module->syntax().arguments(found.node);
        found = arguments.empty() ? Definition{} : follow(*found.module, arguments.front(), depth);
    }
    return found.module != nullptr && is_function(found.module->syntax().kind(found.node))
               ? found
               : Definition{};
}

// The class that the annotation of a parameter or field names.
Definition ModuleGraph::typed(const Module& module, NodeId holder, int depth) const {
    const Syntax& syntax = module.syntax();
    const NodeId annotation = syntax.child(holder, Field::kType);
    const NodeId name = syntax.is(annotation, Kind::kTypeAnnotation)
                            ? first_of(syntax, annotation, Kind::kTypeName)
                            : kNoNode;
    const Definition found = name == kNoNode ? Definition{} : follow(module, name, depth - 1);
    return is_class(found) ? found : Definition{};
}

// this.users: a field of the class, or a parameter of its constructor.
Definition ModuleGraph::field_class(const Module& module, NodeId place, std::string_view name,
                                    int depth) const {
    const Syntax& syntax = module.syntax();
    const NodeId body = syntax.child(enclosing_class(syntax, place), Field::kBody);
    for (const NodeId each : syntax.children(body)) {
        const std::string_view own = syntax.text(syntax.child(each, Field::kName));
        if (syntax.is(each, Kind::kFieldDefinition) && own == name) {
            const Definition found = typed(module, each, depth);
            return found.known() ? found
                                 : class_at(module, syntax.child(each, Field::kValue), depth - 1);
        }
        if (!syntax.is(each, Kind::kMethod) || own != "constructor") {
            continue;
        }
        for (const NodeId parameter : syntax.children(syntax.child(each, Field::kParameters))) {
            if (syntax.text(syntax.child(parameter, Field::kPattern)) == name) {
                return typed(module, parameter, depth);
            }
        }
    }
    return {};
}

Definition ModuleGraph::class_at(const Module& module, NodeId expression, int depth) const {
    const Syntax& syntax = module.syntax();
    expression = syntax.bare(expression);
    if (expression == kNoNode || depth <= 0) {
        return {};
    }
    if (syntax.is(expression, Kind::kNew)) {
        const Definition found =
            follow(module, syntax.child(expression, Field::kConstructor), depth - 1);
        return is_class(found) ? found : Definition{};
    }
    if (syntax.is(expression, Kind::kThis)) {
        return {&module, enclosing_class(syntax, expression)};
    }
    if (syntax.is(expression, Kind::kMember)) {
        const NodeId object = syntax.bare(syntax.child(expression, Field::kObject));
        return syntax.is(object, Kind::kThis)
                   ? field_class(module, expression,
                                 syntax.text(syntax.child(expression, Field::kProperty)), depth - 1)
                   : Definition{};
    }
    if (!syntax.is(expression, Kind::kIdentifier)) {
        return {};
    }
    const Binding* binding = module.resolve(expression);
    if (binding != nullptr && (binding->parameter || binding->value == kNoNode) &&
        binding->import_name.empty()) {
        return typed(module, syntax.parent(binding->node), depth);
    }
    const Definition found = follow(module, expression, depth - 1);
    return found.is(Kind::kNew) ? class_at(*found.module, found.node, depth - 1) : Definition{};
}

Definition ModuleGraph::class_of(const Module& module, NodeId expression) const {
    return class_at(module, expression, kSteps);
}

Definition ModuleGraph::member(const Module& module, NodeId object, std::string_view name,
                               int depth) const {
    const Syntax& syntax = module.syntax();
    if (const Definition type = class_at(module, object, depth); type.known()) {
        const NodeId method = method_of(type.module->syntax(), type.node, name);
        return method == kNoNode ? Definition{} : follow(*type.module, method, depth - 1);
    }
    if (!syntax.is(object, Kind::kIdentifier)) {
        return {};
    }
    const Definition found = follow(module, object, depth);
    if (!found.known()) {
        return {};
    }
    if (found.node == 0) {
        return exported(*found.module, name, depth - 1);
    }
    const Syntax& there = found.module->syntax();
    if (found.is(Kind::kObject)) {  // const users = { load: async (id) => ..., save }
        for (const NodeId each : there.children(found.node)) {
            if (there.is(each, Kind::kMethod) &&
                there.text(there.child(each, Field::kName)) == name) {
                return {found.module, each};
            }
        }
        const NodeId value = there.property(found.node, name);
        return value == kNoNode ? Definition{} : follow(*found.module, value, depth - 1);
    }
    const NodeId method = is_class(found) ? method_of(there, found.node, name) : kNoNode;
    return method == kNoNode ? Definition{} : follow(*found.module, method, depth - 1);
}

Definition ModuleGraph::function(const Module& module, NodeId callee) const {
    const Syntax& syntax = module.syntax();
    callee = syntax.bare(callee);
    if (syntax.is(callee, Kind::kIdentifier)) {
        return callable(follow(module, callee, kSteps), kSteps);
    }
    if (!syntax.is(callee, Kind::kMember)) {
        return {};
    }
    const NodeId object = syntax.bare(syntax.child(callee, Field::kObject));
    const std::string_view name = syntax.text(syntax.child(callee, Field::kProperty));
    return callable(member(module, object, name, kSteps), kSteps);
}

}  // namespace howdah::insight
