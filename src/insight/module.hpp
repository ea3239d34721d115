// Module: one TypeScript or JavaScript file and what its names mean: where they are bound, what
// they are bound to, what is imported and exported. Built once, then read only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "insight/syntax.hpp"

namespace howdah::insight {

struct Binding {
    std::string_view name = {};
    NodeId node = kNoNode;   // the identifier that binds
    NodeId scope = kNoNode;  // where it holds
    NodeId value = kNoNode;  // initializer or function; kNoNode for parameters and imports
    std::string_view import_from = {};  // module specifier
    std::string_view import_name = {};  // name there; "default", "*"
    bool parameter = false;
};

// What a file gives to others: a value of its own, or one of another file's.
struct Export {
    std::string_view name = {};  // "*": all that the other file gives
    NodeId value = kNoNode;      // expression, function, class, or the identifier of a binding
    std::string_view from = {};
    std::string_view from_name = {};
};

class Module {
  public:
    Module(std::string file, Syntax syntax);

    const std::string& file() const { return file_; }
    const Syntax& syntax() const { return syntax_; }

    // What `name` means at `at`; nullptr when nothing here binds it.
    const Binding* resolve(std::string_view name, NodeId at) const;
    const Binding* resolve(NodeId identifier) const {
        return resolve(syntax_.text(identifier), identifier);
    }
    // The value of an identifier's const binding, through as many identifiers as it takes (16);
    // the node itself when it is no identifier; kNoNode when nothing says.
    NodeId value_of(NodeId node) const;
    // Whether anything below `node` names a binding made inside `scope` (but outside of `node`), or
    // a variable that is assigned inside `scope`.
    bool depends_on(NodeId node, NodeId scope) const;
    // Whether anything below `node` names one of these bindings.
    bool names_any(NodeId node, const std::vector<const Binding*>& bindings) const;
    // Expressions that `binding` is given inside `scope`: initializer and assignments.
    std::vector<NodeId> origins(const Binding& binding, NodeId scope) const;
    // Bindings made by a pattern or declaration below `node`.
    std::vector<const Binding*> bound_in(NodeId node) const;
    // Name of the function whose node it is; "" without one.
    std::string_view function_name(NodeId function) const;
    // The innermost function around `node`; kNoNode at the top.
    NodeId enclosing_function(NodeId node) const;

    const std::vector<Export>& exports() const { return exports_; }
    const std::vector<Binding>& bindings() const { return bindings_; }

  private:
    void bind();
    void bind_pattern(NodeId pattern, NodeId scope, NodeId value, bool parameter);
    void bind_import(NodeId statement);
    void bind_node(NodeId node);
    void add(Binding binding);
    void find_exports(NodeId statement);
    void find_clause_exports(NodeId statement);
    NodeId scope_of(NodeId node, bool function_only) const;

    std::string file_;
    Syntax syntax_;
    std::vector<Binding> bindings_;
    std::unordered_map<std::string_view, std::vector<std::uint32_t>> by_name_;
    std::unordered_map<std::string_view, std::vector<NodeId>> assigned_;  // name -> assignments
    std::vector<Export> exports_;
};

}  // namespace howdah::insight
