// CodeJudge: queries in loops, through functions, one after the other.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "insight/code_rules.hpp"

namespace howdah::insight {
namespace {

// A list of lists: chunks, batches, chunk(ids, 100); not the rows of one chunk, nor somebody's
// groups or pages.
bool names_batch(std::string_view text) {
    std::string low(text);
    std::ranges::transform(low, low.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const std::string_view word :
         {"chunks", "batches", "chunk(", "chunkarray(", "batch(", "splice("}) {
        if (low.find(word) != std::string::npos) {
            return true;
        }
    }
    return false;
}

// GraphQL's: what they resolve has no parent.
bool is_root_type(std::string_view type) {
    return type == "Query" || type == "Mutation" || type == "Subscription";
}

std::string subject(const CodeQuery& query) {
    return query.model.empty() ? std::string(query.method)
                               : fmt::format("{}.{}", query.model, query.method);
}

std::string read_fix(const CodeQuery& query) {
    if (query.orm == Orm::kRaw) {
        return "One statement for all: where key = any($1), and a Map in the loop.";
    }
    std::string key = "id";
    for (const Condition& condition : query.conditions) {
        if (condition.test == Test::kEquals && !condition.relation && !condition.column.empty()) {
            const Column* column =
                condition.table == nullptr ? nullptr : condition.table->column(condition.column);
            key = column == nullptr || column->field.empty() ? condition.column : column->field;
            break;
        }
    }
    if (query.verb == Verb::kAggregate) {  // a row for each key, counted by the server
        return query.orm == Orm::kPrisma
                   ? fmt::format(
                         "const rows = await prisma.{0}.groupBy({{ by: ['{1}'], where: {{ {1}: "
                         "{{ in: keys }} }}, _count: true }});\nconst byKey = new "
                         "Map(rows.map((row) => [row.{1}, row._count]));",
                         query.model, key)
                   : fmt::format(
                         "const rows = await db.select({{ key: {0}.{1}, n: count() "
                         "}}).from({0}).where(inArray({0}.{1}, keys)).groupBy({0}.{1});",
                         query.model.empty() ? "table" : query.model, key);
    }
    return query.orm == Orm::kPrisma
               ? fmt::format(
                     "const rows = await prisma.{}.findMany({{ where: {{ {}: {{ in: keys }} "
                     "}} }});\nconst byKey = new Map(rows.map((row) => [row.{}, row]));",
                     query.model, key, key)
               : fmt::format(
                     "const rows = await db.select().from({0}).where(inArray({0}.{1}, "
                     "keys));\nconst byKey = new Map(rows.map((row) => [row.{1}, row]));",
                     query.model.empty() ? "table" : query.model, key);
}

// The statement's first word.
std::string_view raw_verb(const CodeQuery& query) {
    std::string_view text = query.sql;
    text = text.substr(std::min(text.find_first_not_of(" \t\r\n("), text.size()));
    for (const auto& [lower, upper] :
         {std::pair("insert", "INSERT"), {"update", "UPDATE"}, {"delete", "DELETE"}}) {
        if (text.starts_with(lower) || text.starts_with(upper)) {
            return lower;
        }
    }
    return {};
}

std::string write_fix(const CodeQuery& query) {
    if (query.orm == Orm::kRaw) {
        const std::string_view verb = raw_verb(query);
        return verb == "update"
                   ? "One statement for all: update ... from unnest($1::..., $2::...) as "
                     "new (id, value) where ... = new.id."
               : verb == "delete"
                   ? "One statement for all: delete ... where key = any($1)."
                   : "One statement for all: insert ... select * from unnest($1::..., "
                     "$2::...).";
    }
    const bool prisma = query.orm == Orm::kPrisma;
    switch (query.verb) {
        case Verb::kCreate:
            return prisma
                       ? fmt::format("await prisma.{}.createMany({{ data: rows }});", query.model)
                       : "await db.insert(table).values(rows);";
        case Verb::kDelete:
        case Verb::kDeleteMany:
            return prisma ? fmt::format(
                                "await prisma.{}.deleteMany({{ where: {{ id: {{ in: ids }} "
                                "}} }});",
                                query.model)
                          : "await db.delete(table).where(inArray(table.id, ids));";
        case Verb::kUpsert:
            return prisma
                       ? "One insert ... on conflict ... do update over all rows, by $executeRaw."
                       : "await db.insert(table).values(rows).onConflictDoUpdate(...);";
        default:
            return prisma ? "updateMany over the keys where the value is the same; else one update "
                            "... from (values ...) by $executeRaw."
                          : "One update ... from (values ...) by sql`...`.";
    }
}

}  // namespace

bool CodeJudge::depends(const std::vector<NodeId>& inputs, NodeId scope) const {
    return std::ranges::any_of(
        inputs, [&](NodeId input) { return input != kNoNode && module_.depends_on(input, scope); });
}

// Many keys or rows a turn: chunks, not elements.
bool CodeJudge::is_batch(const CodeQuery& query, const Loop& loop) const {
    if (query.verb == Verb::kCreateMany ||
        std::ranges::any_of(query.conditions, &Condition::list)) {
        return true;
    }
    if (loop.iterable != kNoNode && names_batch(syntax_.text(loop.iterable))) {
        return true;
    }
    for (const NodeId input : query.inputs) {
        const std::string_view text = input == kNoNode ? "" : syntax_.text(input);
        if (text.find(".slice(") != std::string_view::npos ||
            text.find(".splice(") != std::string_view::npos) {
            return true;
        }
    }
    std::string sql = query.sql;
    std::ranges::transform(sql, sql.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return sql.find("any($") != std::string::npos || sql.find("any ($") != std::string::npos ||
           sql.find("unnest($") != std::string::npos;
}

// Whether `node` gives another element of something, or what `call` gave the turn before.
bool CodeJudge::comes_along(NodeId node, NodeId call, NodeId scope, int depth) const {
    static constexpr auto kTakes = std::to_array<std::string_view>(
        {"shift", "pop", "next", "splice", "dequeue", "take", "at", "read"});
    for (NodeId at = node; at < syntax_.after(node); ++at) {
        const Kind kind = syntax_.kind(at);
        const bool takes =
            kind == Kind::kCall && std::ranges::find(kTakes, syntax_.callee(at)) != kTakes.end();
        if (at == call || takes || kind == Kind::kSubscript) {
            return true;
        }
        const bool name = kind == Kind::kIdentifier || kind == Kind::kShorthand;
        const Binding* binding = name && depth > 0 ? module_.resolve(at) : nullptr;
        if (binding == nullptr) {
            continue;
        }
        const std::vector<NodeId> origins = module_.origins(*binding, scope);
        if (std::ranges::any_of(origins, [&](NodeId origin) {
                return comes_along(origin, call, scope, depth - 1);
            })) {
            return true;
        }
    }
    return false;
}

// while (slug === null) { slug = random(); ... } tries; a walk or a queue goes on to something
// else.
bool CodeJudge::walks(const std::vector<NodeId>& inputs, NodeId call, const Loop& loop) const {
    constexpr int kSteps = 3;
    return std::ranges::any_of(inputs, [&](NodeId input) {
        return input != kNoNode && comes_along(input, call, loop.node, kSteps);
    });
}

// One arm of a switch inside the loop: for some of the elements, often one of each kind. Or
// if (buffer.length >= 100): once for a hundred.
bool CodeJudge::in_case(NodeId call, const Loop& loop) const {
    for (NodeId at = call; at != kNoNode && at != loop.node; at = syntax_.parent(at)) {
        const NodeId condition = syntax_.is(at, Kind::kIf)
                                     ? syntax_.bare(syntax_.child(at, Field::kCondition))
                                     : kNoNode;
        const std::string_view text = condition == kNoNode ? "" : syntax_.text(condition);
        const bool full = text.find(".length >=") != std::string_view::npos ||
                          text.find(".length ===") != std::string_view::npos ||
                          text.find(".size >=") != std::string_view::npos;
        const bool counts = full && syntax_.is(condition, Kind::kBinary) && !text.ends_with(" 0") &&
                            !text.ends_with(" 1");
        if (syntax_.is(at, Kind::kSwitchCase) || counts) {
            return true;
        }
    }
    return false;
}

void CodeJudge::check_loops(const CodeQuery& query) {
    const CodeContext context = context_of(module_, query.call);
    if (context.loops.empty()) {
        check_resolver(query, context);
        return;
    }
    for (const Loop& loop : context.loops) {
        // while (true) { rows = take 500; delete them }: many rows a turn
        const bool drains = !loop.collection && query.verb == Verb::kFindMany && query.limited;
        if (drains) {
            return;
        }
        if (loop.literal || is_batch(query, loop) || leaves_loop(module_, query.call, loop)) {
            continue;
        }
        if (depends(query.inputs, loop.node)) {
            const bool pages = !loop.collection && (query.limited || is_paced(module_, loop) ||
                                                    !walks(query.inputs, query.call, loop));
            if (!pages && !in_case(query.call, loop)) {
                report_loop(query, loop, context);
            }
            return;
        }
        // A DELETE with LIMIT, a claim, a poll: not the same answer each turn
        if (loop.collection && query.verb != Verb::kRaw && !is_write(query.verb) &&
            !in_case(query.call, loop)) {
            in_loops_.insert(query.call);
            report("query-in-loop", query.head,
                   {.message =
                        fmt::format("{} asks the same in every turn of the loop", subject(query))});
            return;
        }
    }
}

// updates.push(prisma.x.update(...)) in the loop, prisma.$transaction(updates) behind it.
bool CodeJudge::is_pushed(NodeId call) const {
    const NodeId list = syntax_.parent(call);
    const NodeId push = syntax_.is(list, Kind::kArguments) ? syntax_.parent(list) : kNoNode;
    if (!syntax_.is(push, Kind::kCall) || syntax_.callee(push) != "push") {
        return false;
    }
    const NodeId object = syntax_.bare(
        syntax_.child(syntax_.bare(syntax_.child(push, Field::kFunction)), Field::kObject));
    const Binding* pushed =
        syntax_.is(object, Kind::kIdentifier) ? module_.resolve(object) : nullptr;
    if (pushed == nullptr) {
        return false;
    }
    // $transaction(updates), $transaction([...updates, other]), by another name in between
    std::vector<const Binding*> names{pushed};
    for (NodeId at = pushed->scope; at < syntax_.after(pushed->scope); ++at) {
        if (syntax_.is(at, Kind::kDeclarator) && syntax_.child(at, Field::kValue) != kNoNode &&
            syntax_.is(syntax_.bare(syntax_.child(at, Field::kValue)), Kind::kArray) &&
            module_.names_any(syntax_.child(at, Field::kValue), names)) {
            const std::vector<const Binding*> more = module_.bound_in(at);
            names.insert(names.end(), more.begin(), more.end());
        }
        if (syntax_.is(at, Kind::kCall) && syntax_.callee(at) == "$transaction" &&
            module_.names_any(syntax_.child(at, Field::kArguments), names)) {
            return true;
        }
    }
    return false;
}

void CodeJudge::report_loop(const CodeQuery& query, const Loop& loop, const CodeContext& context) {
    in_loops_.insert(query.call);
    const bool write =
        is_write(query.verb) || (query.verb == Verb::kRaw && !raw_verb(query).empty());
    const bool in_transaction =
        context.transaction != kNoNode && syntax_.contains(context.transaction, loop.node);
    // prisma.$transaction(rows.map((row) => prisma.x.update(...))): one commit, but N statements
    const NodeId callback = syntax_.parent(loop.node);
    const NodeId gather = callback == kNoNode ? kNoNode : syntax_.parent(syntax_.parent(callback));
    const bool batched = syntax_.is(callback, Kind::kArguments) &&
                         syntax_.is(gather, Kind::kArguments) &&
                         syntax_.callee(syntax_.parent(gather)) == "$transaction";
    if ((batched || is_pushed(query.call)) && query.verb != Verb::kCreate) {
        return;
    }
    if (in_transaction) {
        report("transaction-loop", query.head,
               {.message =
                    fmt::format("{} once for each element, inside a transaction", subject(query)),
                .fix = write ? write_fix(query) : read_fix(query)});
    } else if (write) {
        const bool fails = in_catch(module_, query.call, loop);
        report("write-in-loop", query.head,
               {.message = fmt::format("{} once for each element{}", subject(query),
                                       fails ? " that fails" : ""),
                .fix = write_fix(query),
                .confidence = query.certain ? "certain" : "likely",
                .minor = fails || is_fallback(module_, loop)});
    } else {
        const bool chain =
            !loop.collection && loop.iterable == kNoNode && !syntax_.is(loop.node, Kind::kFor);
        report(loop.concurrent ? "n-plus-one-concurrent" : "n-plus-one", query.head,
               {.message = chain ? fmt::format("{} once for each step of a walk", subject(query))
                                 : fmt::format("{} once for each element", subject(query)),
                .fix = chain ? std::string("One WITH RECURSIVE query walks the whole way.")
                             : read_fix(query),
                .impact = loop.concurrent ? "N connections at once: the pool runs dry"
                                          : "N round trips, one after the other",
                .confidence = query.certain ? "certain" : "likely"});
    }
}

// Calls of functions that send a query, in a loop: N+1 through one level of functions.
void CodeJudge::check_calls() {
    for (NodeId node = 0; node < syntax_.size(); ++node) {
        if (syntax_.is(node, Kind::kCall)) {
            check_call(node, syntax_.child(node, Field::kFunction),
                       {syntax_.child(node, Field::kArguments)});
        } else if (syntax_.is(node, Kind::kJsxSelfClosing) || syntax_.is(node, Kind::kJsxOpening)) {
            const NodeId name = syntax_.child(node, Field::kName);
            if (syntax_.is(name, Kind::kIdentifier)) {
                check_call(node, name, {node});
            }
        }
    }
}

void CodeJudge::check_call(NodeId call, NodeId callee, const std::vector<NodeId>& inputs) {
    const QueryFunction* function = project_.function_called(module_, callee);
    if (function == nullptr || !function->depends || function->batch) {
        return;
    }
    const CodeContext context = context_of(module_, call);
    for (const Loop& loop : context.loops) {
        const bool paced =
            !loop.collection && (is_paced(module_, loop) || !walks(inputs, call, loop));
        const bool chunks = loop.iterable != kNoNode && names_batch(syntax_.text(loop.iterable));
        if (loop.literal || paced || chunks || in_case(call, loop) ||
            leaves_loop(module_, call, loop) || !depends(inputs, loop.node)) {
            continue;
        }
        const std::string what = function->model.empty()
                                     ? function->method
                                     : fmt::format("{}.{}", function->model, function->method);
        const bool component = !syntax_.is(call, Kind::kCall);
        const std::string_view rule = function->write   ? "write-in-loop"
                                      : component       ? "n-plus-one-resolver"
                                      : loop.concurrent ? "n-plus-one-concurrent"
                                                        : "n-plus-one";
        const bool fails = in_catch(module_, call, loop);
        report(rule, callee,
               {.message = fmt::format(
                    "{} {} {} once for each element{}", syntax_.text(callee).substr(0, 60),
                    function->optional ? "may send" : "sends", what, fails ? " that fails" : ""),
                .evidence = fmt::format("{}:{}", function->file, function->line),
                .confidence = function->optional ? "suspected" : "likely",
                .minor = function->optional || fails || is_fallback(module_, loop)});
        return;
    }
}

// { User: { posts: (parent) => ... } }, @ResolveField() posts(@Parent() user)
void CodeJudge::check_resolver(const CodeQuery& query, const CodeContext& context) {
    const NodeId function = context.function;
    if (function == kNoNode || is_write(query.verb) ||
        (query.method == "findUnique" && query.orm == Orm::kPrisma) || query.fluent) {
        return;
    }
    NodeId parent = kNoNode;  // the parameter that is the parent object
    const NodeId parameters = syntax_.child(function, Field::kParameters);
    for (const NodeId each : syntax_.children(parameters)) {
        for (NodeId at = each; at < syntax_.after(each); ++at) {
            if (syntax_.is(at, Kind::kDecorator) && (syntax_.text(at).starts_with("@Parent") ||
                                                     syntax_.text(at).starts_with("@Root"))) {
                parent = each;
            }
        }
    }
    const NodeId pair = syntax_.parent(function);
    const NodeId field = syntax_.is(function, Kind::kMethod) ? function : pair;
    const NodeId object = field == kNoNode ? kNoNode : syntax_.parent(field);
    const NodeId outer = syntax_.is(object, Kind::kObject) ? syntax_.parent(object) : kNoNode;
    const std::vector<NodeId> list = syntax_.children(parameters);
    if (parent == kNoNode && syntax_.is(outer, Kind::kPair) && !list.empty()) {
        const std::string_view type = syntax_.key(outer);
        const std::string_view name = syntax_.text(list.front());
        const bool root = is_root_type(type);
        const bool typed = !type.empty() && std::isupper(static_cast<unsigned char>(type[0])) != 0;
        const bool named = name.starts_with("parent") || name.starts_with("root") ||
                           name.starts_with("source") || name.starts_with("_parent") ||
                           name.starts_with("obj") || list.size() >= 3 || name.starts_with('{');
        // { Query: {...}, Post: {...} }: a map of resolvers, whatever its parameters are called.
        const std::vector<NodeId> types = syntax_.children(syntax_.parent(outer));
        const bool resolvers = std::ranges::any_of(
            types, [&](NodeId each) { return is_root_type(syntax_.key(each)); });
        if (typed && !root && (named || resolvers)) {
            parent = list.front();
        }
    }
    if (parent == kNoNode) {
        return;
    }
    const std::vector<const Binding*> bound = module_.bound_in(parent);
    const bool asks = std::ranges::any_of(query.inputs, [&](NodeId input) {
        return input != kNoNode && module_.names_any(input, bound);
    });
    if (asks) {
        report("n-plus-one-resolver", query.head,
               {.message = fmt::format("{} once for each parent object", subject(query)),
                .confidence = "likely"});
    }
}

// const x = await <read>; the read, when that is all the statement does.
const CodeQuery* CodeJudge::awaited_read(NodeId statement) const {
    if (!syntax_.is(statement, Kind::kLexical)) {
        return nullptr;
    }
    const std::vector<NodeId> declarators = syntax_.children(statement);
    if (declarators.size() != 1) {
        return nullptr;
    }
    const NodeId value = syntax_.child(declarators.front(), Field::kValue);
    if (!syntax_.is(value, Kind::kAwait)) {
        return nullptr;
    }
    const NodeId call = syntax_.bare(value);
    const auto found = by_call_.find(call);
    if (found == by_call_.end()) {
        return nullptr;
    }
    const CodeQuery& query = *found->second;
    const bool write = is_write(query.verb) || (query.orm == Orm::kRaw && !raw_verb(query).empty());
    return write ? nullptr : &query;
}

void CodeJudge::check_sequences() {
    std::set<NodeId> blocks;
    for (const CodeQuery& query : project_.queries(module_)) {
        NodeId at = syntax_.parent(query.call);
        while (at != kNoNode && !syntax_.is(at, Kind::kLexical)) {
            at = syntax_.is(at, Kind::kAwait) || syntax_.is(at, Kind::kDeclarator) ||
                         syntax_.is(at, Kind::kParenthesized) || syntax_.is(at, Kind::kAs)
                     ? syntax_.parent(at)
                     : kNoNode;
        }
        if (at != kNoNode) {
            blocks.insert(syntax_.parent(at));
        }
    }
    for (const NodeId block : blocks) {
        check_sequence(syntax_.children(block));
    }
}

void CodeJudge::check_sequence(const std::vector<NodeId>& statements) {
    std::vector<const Binding*> bound;  // by the run of reads so far
    const CodeQuery* first = nullptr;
    bool reported = false;
    for (const NodeId statement : statements) {
        const CodeQuery* query = awaited_read(statement);
        if (query == nullptr || in_loops_.contains(query->call)) {
            first = nullptr;
            reported = false;
            bound.clear();
            continue;
        }
        const bool independent =
            first != nullptr && std::ranges::none_of(query->inputs, [&](NodeId input) {
                return input != kNoNode && module_.names_any(input, bound);
            });
        if (!independent) {
            first = nullptr;
            reported = false;
            bound.clear();
        }
        // One connection: what runs in a transaction runs one after the other anyway.
        const std::string_view client =
            query->client == kNoNode ? std::string_view() : syntax_.text(query->client);
        const bool in_transaction = context_of(module_, query->call).transaction != kNoNode ||
                                    client == "tx" || client == "trx" || client == "transaction";
        if (independent && !reported && !in_transaction) {
            const bool total = query->verb == Verb::kAggregate || first->verb == Verb::kAggregate;
            report(
                "sequential-queries", query->head,
                {.message = fmt::format("{} does not need {}, but waits for it", subject(*query),
                                        subject(*first)),
                 .fix = total && query->orm == Orm::kPrisma
                            ? "await prisma.$transaction([findMany, count]): one round trip, one "
                              "state"
                        : query->orm == Orm::kDrizzle ? "await Promise.all([...])"
                                                      : ""});
            reported = true;
        }
        first = first == nullptr ? query : first;
        const std::vector<const Binding*> more = module_.bound_in(statement);
        bound.insert(bound.end(), more.begin(), more.end());
    }
}

}  // namespace howdah::insight
