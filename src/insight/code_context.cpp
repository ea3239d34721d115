#include "insight/code_context.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace howdah::insight {
namespace {

constexpr auto kIterators = std::to_array<std::string_view>(
    {"map",       "forEach", "flatMap",   "filter",       "some",     "every",       "find",
     "findIndex", "reduce",  "mapSeries", "eachSeries",   "each",     "pMap",        "mapLimit",
     "eachLimit", "pEach",   "mapAsync",  "forEachAsync", "asyncMap", "asyncForEach"});

// Callbacks that run some other time, not where they stand.
constexpr auto kRegistrars = std::to_array<std::string_view>({"on",
                                                              "once",
                                                              "get",
                                                              "post",
                                                              "put",
                                                              "patch",
                                                              "delete",
                                                              "use",
                                                              "all",
                                                              "route",
                                                              "addEventListener",
                                                              "setTimeout",
                                                              "setInterval",
                                                              "setImmediate",
                                                              "describe",
                                                              "it",
                                                              "test",
                                                              "beforeEach",
                                                              "afterEach",
                                                              "beforeAll",
                                                              "afterAll",
                                                              "subscribe",
                                                              "handle",
                                                              "handler",
                                                              "query",
                                                              "mutation",
                                                              "input",
                                                              "useEffect",
                                                              "useCallback",
                                                              "useMemo",
                                                              "schedule",
                                                              "process",
                                                              "nextTick"});

template <typename List>
bool is_one_of(const List& list, std::string_view name) {
    return std::ranges::find(list, name) != list.end();
}

bool is_registrar(std::string_view name) {
    static constexpr auto kParts = std::to_array<std::string_view>(
        {"schedule", "Schedule", "cron", "Cron", "ubscribe", "register", "enqueue", "defer",
         "listen", "Listen", "Job"});
    const bool event =
        name.size() > 2 && name.starts_with("on") && name[2] >= 'A' && name[2] <= 'Z';
    return event || is_one_of(kRegistrars, name) ||
           std::ranges::any_of(kParts, [&](std::string_view part) {
               return name.find(part) != std::string_view::npos;
           });
}

// Whether something is pushed into the list that `name` stands for.
bool grows(const Module& module, NodeId name) {
    const Syntax& syntax = module.syntax();
    name = name == kNoNode ? kNoNode : syntax.bare(name);
    const Binding* list =
        name != kNoNode && syntax.is(name, Kind::kIdentifier) ? module.resolve(name) : nullptr;
    if (list == nullptr) {
        return false;
    }
    for (NodeId at = list->scope; at < syntax.after(list->scope); ++at) {
        if (!syntax.is(at, Kind::kCall) ||
            (syntax.callee(at) != "push" && syntax.callee(at) != "unshift")) {
            continue;
        }
        const NodeId object = syntax.bare(
            syntax.child(syntax.bare(syntax.child(at, Field::kFunction)), Field::kObject));
        if (syntax.is(object, Kind::kIdentifier) && module.resolve(object) == list) {
            return true;
        }
    }
    return false;
}

// The list behind EVENTS.filter(...) and its kind: no longer than it.
NodeId listed(const Module& module, NodeId iterable) {
    static constexpr auto kKeep = std::to_array<std::string_view>(
        {"filter", "map", "slice", "sort", "reverse", "toSorted", "toReversed"});
    const Syntax& syntax = module.syntax();
    for (int steps = 0; steps < 8 && iterable != kNoNode; ++steps) {
        const NodeId value = module.value_of(iterable);
        const NodeId function = syntax.is(value, Kind::kCall)
                                    ? syntax.bare(syntax.child(value, Field::kFunction))
                                    : kNoNode;
        if (!syntax.is(function, Kind::kMember) || !is_one_of(kKeep, syntax.callee(value))) {
            return iterable;
        }
        iterable = syntax.child(function, Field::kObject);
    }
    return iterable;
}

// Object.values(Role) of Prisma's enumeration, Object.entries({ a: 1, b: 2 }): as long as the
// program says.
bool is_literal_object(const Module& module, NodeId call) {
    const Syntax& syntax = module.syntax();
    const NodeId function = syntax.bare(syntax.child(call, Field::kFunction));
    const std::string_view name = syntax.callee(call);
    const std::vector<NodeId> arguments = syntax.arguments(call);
    if (!syntax.is(function, Kind::kMember) || arguments.size() != 1 ||
        syntax.text(syntax.child(function, Field::kObject)) != "Object" ||
        (name != "values" && name != "keys" && name != "entries")) {
        return false;
    }
    const NodeId argument = syntax.bare(arguments.front());
    const Binding* binding =
        syntax.is(argument, Kind::kIdentifier) ? module.resolve(argument) : nullptr;
    if (binding != nullptr && !binding->import_from.empty()) {
        return binding->import_from.ends_with("prisma/client") &&
               std::isupper(static_cast<unsigned char>(binding->name.front())) != 0;
    }
    const NodeId object = syntax.bare(module.value_of(argument));
    const std::vector<NodeId> pairs =
        syntax.is(object, Kind::kObject) ? syntax.children(object) : std::vector<NodeId>();
    return !pairs.empty() && pairs.size() <= kLiteralMax && !syntax.has_spread(object);
}

bool is_literal_list(const Module& module, NodeId iterable) {
    const Syntax& syntax = module.syntax();
    const NodeId list = listed(module, iterable);
    const NodeId value = list == kNoNode ? kNoNode : module.value_of(list);
    if (syntax.is(value, Kind::kCall)) {
        return is_literal_object(module, value);
    }
    if (!syntax.is(value, Kind::kArray) || grows(module, list)) {
        return false;
    }
    const std::vector<NodeId> items = syntax.children(value);
    return items.size() <= kLiteralMax &&
           std::ranges::none_of(items, [&](NodeId item) { return syntax.is(item, Kind::kSpread); });
}

// Promise.all(xs.map(...)), or const jobs = xs.map(...); ... Promise.all(jobs).
bool is_gathered(const Module& module, NodeId call) {
    const Syntax& syntax = module.syntax();
    NodeId up = syntax.parent(call);
    while (syntax.is(up, Kind::kArray) || syntax.is(up, Kind::kSpread)) {
        up = syntax.parent(up);
    }
    if (syntax.is(up, Kind::kArguments)) {
        const NodeId outer = syntax.parent(up);
        const NodeId function = syntax.bare(syntax.child(outer, Field::kFunction));
        return syntax.is(function, Kind::kMember) &&
               syntax.text(syntax.child(function, Field::kObject)) == "Promise";
    }
    if (!syntax.is(up, Kind::kDeclarator)) {
        return false;
    }
    const std::string_view name = syntax.text(syntax.child(up, Field::kName));
    const NodeId function = module.enclosing_function(call);
    const std::string_view rest = syntax.text(function == kNoNode ? 0 : function);
    for (const std::string_view method : {"all", "allSettled"}) {
        if (rest.find("Promise." + std::string(method) + "(" + std::string(name)) !=
            std::string_view::npos) {
            return true;
        }
    }
    return false;
}

// const load = cache(async (id) => ...): a function under another name, not a call of it.
bool is_wrapped_definition(const Module& module, NodeId function, NodeId call) {
    const Syntax& syntax = module.syntax();
    NodeId up = syntax.parent(call);
    while (syntax.is(up, Kind::kArguments) && syntax.is(syntax.parent(up), Kind::kCall)) {
        up = syntax.parent(syntax.parent(up));
    }
    const bool named = syntax.is(up, Kind::kDeclarator) || syntax.is(up, Kind::kFieldDefinition) ||
                       syntax.is(up, Kind::kExport);
    const bool takes = !syntax.children(syntax.child(function, Field::kParameters)).empty() ||
                       syntax.child(function, Field::kParameter) != kNoNode;
    return named && (takes || module.enclosing_function(call) == kNoNode);
}

// The callback `function` of a call: is it a loop's body?
bool read_callback(const Module& module, NodeId function, CodeContext& context, bool& goes_on) {
    const Syntax& syntax = module.syntax();
    const NodeId list = syntax.parent(function);
    goes_on = false;
    if (!syntax.is(list, Kind::kArguments)) {
        // (async () => { ... })() runs where it stands
        const bool called =
            syntax.is(list, Kind::kParenthesized) && syntax.is(syntax.parent(list), Kind::kCall);
        goes_on = called;
        return false;
    }
    const NodeId call = syntax.parent(list);
    if (!syntax.is(call, Kind::kCall)) {
        return false;  // new Promise(...), new DataLoader(...)
    }
    const std::string_view name = syntax.callee(call);
    const NodeId callee = syntax.bare(syntax.child(call, Field::kFunction));
    if (is_one_of(kIterators, name)) {
        const std::vector<NodeId> arguments = syntax.arguments(call);
        Loop loop{.node = function, .collection = true};
        loop.iterable = syntax.is(callee, Kind::kMember) && arguments.front() == function
                            ? syntax.child(callee, Field::kObject)
                            : arguments.front();
        loop.concurrent = name == "forEach" || is_gathered(module, call) || name == "pMap";
        loop.literal = is_literal_list(module, loop.iterable);
        context.loops.push_back(loop);
        goes_on = true;
        return true;
    }
    if (name == "from" && syntax.arguments(call).size() == 2) {  // Array.from(xs, fn)
        context.loops.push_back({.node = function,
                                 .iterable = syntax.arguments(call).front(),
                                 .concurrent = is_gathered(module, call),
                                 .collection = true});
        goes_on = true;
        return true;
    }
    if (name == "$transaction" || name == "transaction") {
        context.transaction = context.transaction == kNoNode ? function : context.transaction;
        goes_on = true;
        return false;
    }
    goes_on = !is_registrar(name) && !is_wrapped_definition(module, function, call);
    return false;
}

// for (let i = 0; i < xs.length; i++): xs.
NodeId counted_list(const Syntax& syntax, NodeId loop) {
    const NodeId condition = syntax.child(loop, Field::kCondition);
    const NodeId step = syntax.child(loop, Field::kIncrement);
    if (condition == kNoNode || !syntax.is(step, Kind::kUpdate)) {
        return kNoNode;
    }
    for (NodeId node = condition; node < syntax.after(condition); ++node) {
        const NodeId left =
            syntax.is(node, Kind::kBinary) ? syntax.child(node, Field::kLeft) : kNoNode;
        // The counter against a length; not found.length < wanted beside it.
        if (left == kNoNode || !syntax.is(syntax.bare(left), Kind::kIdentifier) ||
            syntax.text(step).find(syntax.text(left)) == std::string_view::npos) {
            continue;
        }
        const NodeId right = syntax.child(node, Field::kRight);
        for (NodeId at = right; at != kNoNode && at < syntax.after(right); ++at) {
            if (syntax.is(at, Kind::kMember) &&
                syntax.text(syntax.child(at, Field::kProperty)) == "length") {
                return syntax.child(at, Field::kObject);
            }
        }
    }
    return kNoNode;
}

void read_statement(const Module& module, NodeId at, NodeId child, CodeContext& context) {
    const Syntax& syntax = module.syntax();
    const Field field = syntax.field(child);
    switch (syntax.kind(at)) {
        case Kind::kForIn:
            if (field == Field::kBody) {
                const NodeId iterable = syntax.child(at, Field::kRight);
                context.loops.push_back({.node = at,
                                         .iterable = iterable,
                                         .collection = true,
                                         .literal = is_literal_list(module, iterable)});
            }
            break;
        case Kind::kFor:
            if (field != Field::kInitializer) {
                const NodeId counted = counted_list(syntax, at);
                context.loops.push_back(
                    {.node = at, .iterable = counted, .collection = counted != kNoNode});
            }
            break;
        case Kind::kWhile:
        case Kind::kDo:
            context.loops.push_back({.node = at});
            break;
        default:
            break;
    }
}

// A variable, the name of a called method or an option's key; not prisma.page of
// prisma.page.count().
bool is_spoken_name(const Syntax& syntax, NodeId node) {
    if (syntax.is(node, Kind::kIdentifier) || syntax.is(node, Kind::kShorthand)) {
        return true;
    }
    const NodeId parent = syntax.parent(node);
    const bool called = syntax.is(parent, Kind::kMember) &&
                        syntax.field(node) == Field::kProperty &&
                        syntax.field(parent) == Field::kFunction;
    const bool key = syntax.is(parent, Kind::kPair) && syntax.field(node) == Field::kKey;
    return syntax.is(node, Kind::kPropertyName) && (called || key);
}

// Whether one of the words that make up lastId, page_no, setTimeout speaks of paging or waiting.
bool has_pace_word(std::string_view name) {
    static constexpr auto kWords = std::to_array<std::string_view>(
        {"sleep", "delay", "timeout", "wait", "backoff", "retry", "retries", "attempt", "attempts",
         "cursor", "more", "next", "page", "pages", "offset", "skip", "last", "batch", "chunk"});
    std::string word;
    for (std::size_t i = 0; i <= name.size(); ++i) {
        const char each = i < name.size() ? name[i] : '_';
        const bool upper = each >= 'A' && each <= 'Z';
        if (upper || each == '_') {
            if (is_one_of(kWords, word)) {
                return true;
            }
            word.clear();
        }
        if (each != '_') {
            word += upper ? static_cast<char>(each - 'A' + 'a') : each;
        }
    }
    return false;
}

bool is_loop(Kind kind) {
    return kind == Kind::kFor || kind == Kind::kForIn || kind == Kind::kWhile || kind == Kind::kDo;
}

enum class Exit : std::uint8_t { kNone, kBreak, kFunction };

// What ends `block` behind `child`, one of its statements, with no way round it.
Exit exit_behind(const Syntax& syntax, NodeId block, NodeId child) {
    for (const NodeId statement : syntax.children(block)) {
        if (statement <= child) {
            continue;
        }
        const Kind kind = syntax.kind(statement);
        if (kind == Kind::kReturn || kind == Kind::kThrow) {
            return Exit::kFunction;
        }
        if (kind == Kind::kBreak && syntax.is(block, Kind::kBlock)) {  // a case's leaves the switch
            return Exit::kBreak;
        }
        for (NodeId node = statement; node < syntax.after(statement); ++node) {
            if (syntax.is(node, Kind::kContinue)) {
                return Exit::kNone;
            }
        }
    }
    return Exit::kNone;
}

}  // namespace

bool leaves_loop(const Module& module, NodeId node, const Loop& loop) {
    const Syntax& syntax = module.syntax();
    if (!is_loop(syntax.kind(loop.node))) {
        return false;
    }
    Exit exit = Exit::kNone;
    NodeId child = node;
    for (NodeId at = syntax.parent(node); at != kNoNode && at != loop.node;
         child = at, at = syntax.parent(at)) {
        const Kind kind = syntax.kind(at);
        if (is_function(kind)) {
            exit = Exit::kNone;  // what ended there was the callback
        } else if (exit == Exit::kBreak && (is_loop(kind) || kind == Kind::kSwitchCase)) {
            exit = Exit::kNone;  // an inner loop, the switch
        }
        const bool arm = syntax.parent(at) != loop.node;  // the loop's own body may go on before
        if (kind == Kind::kReturn || kind == Kind::kThrow) {
            exit = Exit::kFunction;
        } else if (exit == Exit::kNone && arm &&
                   (kind == Kind::kBlock || kind == Kind::kSwitchCase)) {
            exit = exit_behind(syntax, at, child);
        }
    }
    return exit != Exit::kNone;
}

bool in_catch(const Module& module, NodeId node, const Loop& loop) {
    const Syntax& syntax = module.syntax();
    for (NodeId at = node; at != kNoNode && at != loop.node; at = syntax.parent(at)) {
        if (syntax.is(at, Kind::kCatch)) {
            return true;
        }
    }
    return false;
}

bool is_fallback(const Module& module, const Loop& loop) {
    const Syntax& syntax = module.syntax();
    for (NodeId at = loop.node; at != kNoNode; at = syntax.parent(at)) {
        if (syntax.is(at, Kind::kCatch)) {
            return true;
        }
        if (at != loop.node && is_function(syntax.kind(at))) {
            return false;
        }
    }
    return false;
}

CodeContext context_of(const Module& module, NodeId node) {
    const Syntax& syntax = module.syntax();
    CodeContext context;
    NodeId child = node;
    for (NodeId at = syntax.parent(node); at != kNoNode; child = at, at = syntax.parent(at)) {
        if (!is_function(syntax.kind(at))) {
            read_statement(module, at, child, context);
            continue;
        }
        bool goes_on = false;
        read_callback(module, at, context, goes_on);
        if (!goes_on) {
            context.function = at;
            break;
        }
    }
    return context;
}

bool is_paced(const Module& module, const Loop& loop) {
    const Syntax& syntax = module.syntax();
    if (loop.collection || loop.node == kNoNode) {
        return false;
    }
    for (NodeId node = loop.node; node < syntax.after(loop.node); ++node) {
        if (is_spoken_name(syntax, node) && has_pace_word(syntax.text(node))) {
            return true;
        }
    }
    return false;
}

}  // namespace howdah::insight
