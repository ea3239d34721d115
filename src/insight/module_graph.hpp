// ModuleGraph: what names mean across the files of a project: through imports, aliases, packages of
// the same repository and re-exports; and which function a call reaches.
//
// Built once from parsed modules, then read only, by any number of threads.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "insight/imports.hpp"
#include "insight/module.hpp"

namespace howdah::insight {

// An expression, function or class; node 0 is the module as a whole (import * as it).
struct Definition {
    const Module* module = nullptr;
    NodeId node = kNoNode;

    bool known() const { return module != nullptr && node != kNoNode; }
    bool is(Kind kind) const { return module != nullptr && module->syntax().is(node, kind); }
};

class ModuleGraph {
  public:
    explicit ModuleGraph(std::vector<std::shared_ptr<const Module>> modules,
                         const std::vector<ImportMap::Config>& configs = {});

    const std::vector<std::shared_ptr<const Module>>& modules() const { return modules_; }

    // What `name` (an identifier, a name of a type) at this place means, followed to its value; not
    // known for parameters and for what comes from outside of the project.
    Definition definition(const Module& module, NodeId name) const;
    // The function that f, a.f, ns.f, this.f, this.service.f, Class.f or new Class().f is.
    Definition function(const Module& module, NodeId callee) const;
    // The class that an expression is an object of: new Class(), or a parameter or field of that
    // type.
    Definition class_of(const Module& module, NodeId expression) const;

  private:
    Definition follow(const Module& module, NodeId node, int depth) const;
    Definition exported(const Module& module, std::string_view name, int depth) const;
    Definition imported(const Module& module, std::string_view from, std::string_view name,
                        int depth) const;
    Definition callable(Definition found, int depth) const;
    Definition member(const Module& module, NodeId object, std::string_view name, int depth) const;
    Definition class_at(const Module& module, NodeId expression, int depth) const;
    Definition typed(const Module& module, NodeId holder, int depth) const;
    Definition field_class(const Module& module, NodeId place, std::string_view name,
                           int depth) const;

    std::vector<std::shared_ptr<const Module>> modules_;
    // (file, specifier) -> module; only what is found
    std::map<const Module*, std::map<std::string_view, const Module*>> imports_;
};

}  // namespace howdah::insight
