#include "insight/code_analysis.hpp"

#include <algorithm>
#include <filesystem>

#include "insight/code_context.hpp"
#include "insight/code_rules.hpp"

namespace howdah::insight {

CodeProject::Known CodeProject::prepare(std::shared_ptr<const Module> module) const {
    Known known{.module = std::move(module)};
    known.queries = find_queries(*known.module, schema_);
    find_functions(known);
    return known;
}

void CodeProject::add(Known known) {
    std::string file = known.module->file();
    files_[std::move(file)] = std::move(known);
}

void CodeProject::find_functions(Known& known) {
    const Module& module = *known.module;
    if (known.queries.empty()) {
        return;
    }
    const SourceText source(module.file(), module.syntax().text());
    for (const CodeQuery& query : known.queries) {
        const CodeContext context = context_of(module, query.call);
        if (context.function == kNoNode || known.functions.contains(context.function)) {
            continue;
        }
        QueryFunction function{.file = module.file(),
                               .model = std::string(query.model),
                               .method = std::string(query.method)};
        function.line = source.line_of(module.syntax().range(query.head).begin);
        function.write = is_write(query.verb);
        function.batch = query.verb == Verb::kCreateMany ||
                         std::ranges::any_of(query.conditions, &Condition::list);
        for (const NodeId input : query.inputs) {
            function.depends = function.depends ||
                               (input != kNoNode && module.depends_on(input, context.function));
        }
        known.functions.emplace(context.function, std::move(function));
    }
}

const std::vector<CodeQuery>& CodeProject::queries(const Module& module) const {
    static const std::vector<CodeQuery> kNone;
    const auto found = files_.find(module.file());
    return found == files_.end() ? kNone : found->second.queries;
}

const CodeProject::Known* CodeProject::known_file(const std::string& from,
                                                  std::string_view specifier) const {
    if (!specifier.starts_with('.')) {
        return nullptr;
    }
    const std::string base =
        (std::filesystem::path(from).parent_path() / specifier).lexically_normal().string();
    std::string stem = base;
    for (const std::string_view ending : {".js", ".mjs", ".jsx"}) {
        if (stem.ends_with(ending)) {
            stem.resize(stem.size() - ending.size());
            break;
        }
    }
    for (const std::string_view ending : {"", ".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs",
                                          "/index.ts", "/index.tsx", "/index.js"}) {
        for (const std::string& path : {base, stem}) {
            if (const auto found = files_.find(path + std::string(ending)); found != files_.end()) {
                return &found->second;
            }
        }
    }
    return nullptr;
}

const QueryFunction* CodeProject::function_called(const Module& module, NodeId callee) const {
    const Syntax& syntax = module.syntax();
    const auto own = files_.find(module.file());
    callee = syntax.bare(callee);
    if (own == files_.end() || callee == kNoNode) {
        return nullptr;
    }
    const auto in_file = [](const Known& known, NodeId node) -> const QueryFunction* {
        const Syntax& there = known.module->syntax();
        node = there.bare(node);
        // const load = cache(async (id) => ...)
        while (there.is(node, Kind::kCall)) {
            const std::vector<NodeId> arguments = there.arguments(node);
            node = arguments.empty() ? kNoNode : there.bare(arguments.front());
        }
        const auto found = node == kNoNode ? known.functions.end() : known.functions.find(node);
        return found == known.functions.end() ? nullptr : &found->second;
    };
    if (syntax.is(callee, Kind::kMember)) {
        const NodeId object = syntax.bare(syntax.child(callee, Field::kObject));
        if (!syntax.is(object, Kind::kThis)) {
            return nullptr;
        }
        const std::string_view name = syntax.text(syntax.child(callee, Field::kProperty));
        for (const auto& [node, function] : own->second.functions) {
            const bool member = syntax.is(syntax.parent(node), Kind::kClassBody) ||
                                syntax.is(syntax.parent(node), Kind::kFieldDefinition);
            if (member && module.function_name(node) == name) {
                return &function;
            }
        }
        return nullptr;
    }
    const Binding* binding = module.resolve(callee);
    if (binding == nullptr) {
        return nullptr;
    }
    if (binding->value != kNoNode) {
        return in_file(own->second, binding->value);
    }
    const Known* other = known_file(module.file(), binding->import_from);
    if (other == nullptr) {
        return nullptr;
    }
    for (const auto& [name, node] : other->module->exports()) {
        if (name == binding->import_name) {
            return in_file(*other, node);
        }
    }
    return nullptr;
}

Analysis CodeProject::judge(const Module& module, const SourceText& source) const {
    Analysis analysis;
    CodeJudge(*this, module, source, analysis).judge();
    return analysis;
}

bool is_side_code(std::string_view path) {
    for (const std::string_view part :
         {".test.", ".spec.", "seed", "fixtures/", "e2e/", ".stories."}) {
        if (path.find(part) != std::string_view::npos) {
            return true;
        }
    }
    for (const std::string_view folder : {"__tests__/", "tests/", "test/", "__test__/", "scripts/",
                                          "script/", "migrations/", "migration/"}) {
        const std::size_t at = path.find(folder);
        const bool whole = at == 0 || folder == "migrations/" ||
                           (at != std::string_view::npos && path[at - 1] == '/');
        if (at != std::string_view::npos && whole) {
            return true;
        }
    }
    return path.ends_with(".sql") && path.find("drizzle/") != std::string_view::npos;
}

}  // namespace howdah::insight
