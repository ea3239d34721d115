#include "insight/code_analysis.hpp"

#include <algorithm>
#include <cctype>

#include "insight/code_context.hpp"
#include "insight/code_rules.hpp"

namespace howdah::insight {
namespace {

// if (cached) return cached;
bool returns_what_is_there(const Syntax& syntax, NodeId statement) {
    if (!syntax.is(statement, Kind::kIf)) {
        return false;
    }
    const NodeId condition = syntax.bare(syntax.child(statement, Field::kCondition));
    NodeId arm = syntax.child(statement, Field::kConsequence);
    if (syntax.is(arm, Kind::kBlock)) {
        const std::vector<NodeId> inner = syntax.children(arm);
        arm = inner.empty() ? kNoNode : inner.back();
    }
    const NodeId value =
        syntax.is(arm, Kind::kReturn) ? syntax.bare(syntax.first_child(arm)) : kNoNode;
    return value != kNoNode && syntax.is(condition, Kind::kIdentifier) &&
           syntax.text(value).find(syntax.text(condition)) != std::string_view::npos;
}

// wrapRedis(key, () => prisma...), cache.wrap(key, load), remember(key, load): asked when it is not
// kept.
bool keeps_answers(const Syntax& syntax, NodeId call) {
    std::string text(syntax.text(syntax.child(call, Field::kFunction)));
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const std::string_view word : {"cache", "wrapredis", "remember", "memo", "getorset"}) {
        if (text.find(word) != std::string::npos) {
            return true;
        }
    }
    return false;
}

// In an arm of if, switch or ?: of the function, or behind an answer that was kept.
bool is_optional(const Syntax& syntax, NodeId node, NodeId function) {
    for (NodeId at = node; at != function && at != kNoNode; at = syntax.parent(at)) {
        const Kind kind = syntax.kind(syntax.parent(at));
        const bool condition = syntax.field(at) == Field::kCondition;
        if (!condition &&
            (kind == Kind::kIf || kind == Kind::kSwitchCase || kind == Kind::kTernary)) {
            return true;
        }
        if (is_function(syntax.kind(at)) && kind == Kind::kArguments &&
            keeps_answers(syntax, syntax.parent(syntax.parent(at)))) {
            return true;
        }
        if (kind == Kind::kBlock &&
            std::ranges::any_of(syntax.children(syntax.parent(at)), [&](NodeId before) {
                return before < at && returns_what_is_there(syntax, before);
            })) {
            return true;
        }
    }
    return false;
}

// How well a query stands for its function: it depends on what the function is given and takes no
// list of keys; every call sends it.
int rank_of(const QueryFunction& function) {
    return (function.depends && !function.batch ? 2 : 0) + (function.optional ? 0 : 1);
}

}  // namespace

CodeProject::Known CodeProject::prepare(std::shared_ptr<const Module> module) const {
    Known known{.module = std::move(module)};
    known.queries = find_queries(graph_, *known.module, schema_);
    find_functions(known);
    return known;
}

void CodeProject::add(Known known) {
    std::string file = known.module->file();
    files_[std::move(file)] = std::move(known);
}

// The query that stands best for its function, the first of equals.
void CodeProject::find_functions(Known& known) {
    const Module& module = *known.module;
    if (known.queries.empty()) {
        return;
    }
    const SourceText source(module.file(), module.syntax().text());
    for (const CodeQuery& query : known.queries) {
        const CodeContext context = context_of(module, query.call);
        if (context.function == kNoNode || query.piece || query.subquery) {
            continue;
        }
        QueryFunction function{.file = module.file(),
                               .model = std::string(query.model),
                               .method = std::string(query.method)};
        function.line = source.line_of(module.syntax().range(query.head).begin);
        function.write = is_write(query.verb);
        function.batch = query.verb == Verb::kCreateMany ||
                         std::ranges::any_of(query.conditions, &Condition::list);
        function.optional = is_optional(module.syntax(), query.call, context.function);
        for (const NodeId input : query.inputs) {
            function.depends = function.depends ||
                               (input != kNoNode && module.depends_on(input, context.function));
        }
        const auto [known_one, is_new] = known.functions.try_emplace(context.function, function);
        if (!is_new && rank_of(function) > rank_of(known_one->second)) {
            known_one->second = std::move(function);
        }
    }
}

const std::vector<CodeQuery>& CodeProject::queries(const Module& module) const {
    static const std::vector<CodeQuery> kNone;
    const auto found = files_.find(module.file());
    return found == files_.end() ? kNone : found->second.queries;
}

const QueryFunction* CodeProject::function_called(const Module& module, NodeId callee) const {
    const Definition called = graph_.function(module, callee);
    const auto file = called.known() ? files_.find(called.module->file()) : files_.end();
    if (file == files_.end()) {
        return nullptr;
    }
    const auto found = file->second.functions.find(called.node);
    return found == file->second.functions.end() ? nullptr : &found->second;
}

Analysis CodeProject::judge(const Module& module, const SourceText& source) const {
    Analysis analysis;
    CodeJudge(*this, module, source, analysis).judge();
    return analysis;
}

namespace {

bool has_folder(std::string_view path, std::span<const std::string_view> folders) {
    return std::ranges::any_of(folders, [&](std::string_view folder) {
        for (std::size_t at = path.find(folder); at != std::string_view::npos;
             at = path.find(folder, at + 1)) {
            if (at == 0 || path[at - 1] == '/') {
                return true;
            }
        }
        return false;
    });
}

// scripts/, but db-migrations/ and migration_scripts/ as well.
bool has_folder_of(std::string_view path, std::span<const std::string_view> words) {
    return std::ranges::any_of(words, [&](std::string_view word) {
        for (std::size_t at = path.find(word); at != std::string_view::npos;
             at = path.find(word, at + 1)) {
            if (at == 0 || path[at - 1] == '/' || path[at - 1] == '-' || path[at - 1] == '_') {
                return true;
            }
        }
        return false;
    });
}

}  // namespace

bool is_test_code(std::string_view path) {
    static constexpr std::string_view kFolders[] = {"__tests__/", "tests/", "test/", "__test__/"};
    for (const std::string_view part : {".test.", ".spec.", "fixtures/", "e2e/", ".stories."}) {
        if (path.find(part) != std::string_view::npos) {
            return true;
        }
    }
    return has_folder(path, kFolders);
}

bool is_side_code(std::string_view path) {
    static constexpr std::string_view kWords[] = {
        "scripts/", "script/", "migrations/", "migration/", "migration.", "migrate.", "backfill."};
    return is_test_code(path) || path.find("seed") != std::string_view::npos ||
           has_folder_of(path, kWords) ||
           (path.ends_with(".sql") && path.find("drizzle/") != std::string_view::npos);
}

}  // namespace howdah::insight
