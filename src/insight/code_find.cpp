// find_queries: which calls send statements.
#include <algorithm>
#include <array>
#include <cctype>

#include "insight/code_query.hpp"

namespace howdah::insight {
namespace {

struct Method {
    std::string_view name;
    Verb verb;
    bool distinctive;  // no other library's objects have it
};

constexpr auto kPrismaMethods = std::to_array<Method>({
    {"findUnique", Verb::kFindOne, true},
    {"findUniqueOrThrow", Verb::kFindOne, true},
    {"findFirst", Verb::kFindOne, true},
    {"findFirstOrThrow", Verb::kFindOne, true},
    {"findMany", Verb::kFindMany, true},
    {"create", Verb::kCreate, false},
    {"createMany", Verb::kCreateMany, true},
    {"createManyAndReturn", Verb::kCreateMany, true},
    {"update", Verb::kUpdate, false},
    {"updateMany", Verb::kUpdateMany, true},
    {"updateManyAndReturn", Verb::kUpdateMany, true},
    {"upsert", Verb::kUpsert, true},
    {"delete", Verb::kDelete, false},
    {"deleteMany", Verb::kDeleteMany, true},
    {"aggregate", Verb::kAggregate, false},
    {"groupBy", Verb::kAggregate, true},
    {"count", Verb::kAggregate, false},
});

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// prisma, this.prisma, ctx.db: the last name.
std::string_view last_name(const Syntax& syntax, NodeId node) {
    node = syntax.bare(node);
    if (syntax.is(node, Kind::kMember)) {
        const NodeId name = syntax.child(node, Field::kProperty);
        return name == kNoNode ? std::string_view() : syntax.text(name);
    }
    if (syntax.is(node, Kind::kCall)) {
        return syntax.callee(node);  // getPrisma().user
    }
    return syntax.is(node, Kind::kIdentifier) ? syntax.text(node) : std::string_view();
}

bool named_like_client(std::string_view name) {
    const std::string low = lower(name);
    static constexpr auto kNames = std::to_array<std::string_view>(
        {"db", "tx", "trx", "client", "database", "orm", "conn", "transaction", "t", "dbclient"});
    return low.find("prisma") != std::string::npos || low.find("drizzle") != std::string::npos ||
           low.ends_with("db") || std::ranges::find(kNames, low) != kNames.end();
}

enum class ClientKind : std::uint8_t { kNo, kMaybe, kPrisma, kDrizzle };

class Finder {
  public:
    Finder(const ModuleGraph& graph, const Module& module, const Schema& schema)
        : graph_(graph), module_(module), syntax_(module.syntax()), schema_(schema) {}

    std::vector<CodeQuery> find() {
        for (NodeId node = 0; node < syntax_.size(); ++node) {
            if (syntax_.is(node, Kind::kCall)) {
                visit(node);
            }
        }
        return std::move(queries_);
    }

  private:
    void visit(NodeId call);
    bool visit_prisma(NodeId call, NodeId member, std::string_view method);
    bool visit_drizzle(NodeId call, NodeId member, std::string_view method);
    bool visit_relational(NodeId call, NodeId member, std::string_view method);
    void visit_chain(NodeId call, NodeId member, std::string_view method);
    bool visit_raw(NodeId call, NodeId member, std::string_view method);
    bool visit_piece(NodeId call, NodeId member, NodeId text);
    void visit_tag(NodeId call);
    bool is_subquery(NodeId chain);
    bool is_operand(NodeId node) const;
    ClientKind client_kind(NodeId node) const;
    ClientKind kind_of_value(Definition value, int depth) const;
    ClientKind kind_of_result(Definition function, int depth) const;
    ClientKind kind_of_class(NodeId node) const;

    const ModuleGraph& graph_;
    const Module& module_;
    const Syntax& syntax_;
    const Schema& schema_;
    std::vector<CodeQuery> queries_;
    // Nodes that may still be looked through for uses of a name: of all chains of a file together.
    NodeId nodes_left_ = 20'000'000;
};

// What a value is, in whichever file it is made.
ClientKind Finder::kind_of_value(Definition at, int depth) const {
    if (!at.known() || depth > 8) {
        return ClientKind::kNo;
    }
    const Syntax& syntax = at.module->syntax();
    const NodeId value = syntax.bare(at.node);
    switch (value == kNoNode ? Kind::kOther : syntax.kind(value)) {
        case Kind::kNew: {
            const NodeId constructor = syntax.child(value, Field::kConstructor);
            return constructor != kNoNode &&
                           syntax.text(constructor).find("Prisma") != std::string_view::npos
                       ? ClientKind::kPrisma
                       : ClientKind::kNo;
        }
        case Kind::kCall: {
            const std::string_view callee = syntax.callee(value);
            if (callee == "drizzle") {
                return ClientKind::kDrizzle;
            }
            const NodeId function = syntax.bare(syntax.child(value, Field::kFunction));
            if (callee == "$extends" && syntax.is(function, Kind::kMember)) {
                return kind_of_value({at.module, syntax.child(function, Field::kObject)},
                                     depth + 1);
            }
            if (callee.find("Prisma") != std::string_view::npos) {
                return ClientKind::kPrisma;
            }
            // remember('client', () => new PrismaClient()), makeClient()
            for (const NodeId each : syntax.arguments(value)) {
                if (syntax.is(each, Kind::kArrow)) {
                    return kind_of_value({at.module, syntax.child(each, Field::kBody)}, depth + 1);
                }
            }
            return kind_of_result(graph_.function(*at.module, function), depth + 1);
        }
        case Kind::kBinary: {  // globalThis.prisma ?? new PrismaClient()
            return kind_of_value({at.module, syntax.child(value, Field::kRight)}, depth + 1);
        }
        case Kind::kIdentifier: {
            const Definition found = graph_.definition(*at.module, value);
            return found.module == at.module && found.node == value
                       ? ClientKind::kNo
                       : kind_of_value(found, depth + 1);
        }
        default:
            return ClientKind::kNo;
    }
}

// What a function returns: the expression of an arrow, or of the block's own return.
ClientKind Finder::kind_of_result(Definition function, int depth) const {
    if (!function.known()) {
        return ClientKind::kNo;
    }
    const Syntax& syntax = function.module->syntax();
    const NodeId body = syntax.child(function.node, Field::kBody);
    if (!syntax.is(body, Kind::kBlock)) {
        return kind_of_value({function.module, body}, depth);
    }
    for (const NodeId statement : syntax.children(body)) {
        if (syntax.is(statement, Kind::kReturn)) {
            return kind_of_value({function.module, syntax.first_child(statement)}, depth);
        }
    }
    return ClientKind::kNo;
}

// An object of class Database extends PrismaClient, by its declared type.
ClientKind Finder::kind_of_class(NodeId node) const {
    const Definition type = graph_.class_of(module_, node);
    if (!type.known()) {
        return ClientKind::kNo;
    }
    const Syntax& there = type.module->syntax();
    for (const NodeId each : there.children(type.node)) {
        if (there.is(each, Kind::kClassHeritage) &&
            there.text(each).find("PrismaClient") != std::string_view::npos) {
            return ClientKind::kPrisma;
        }
    }
    return ClientKind::kNo;
}

ClientKind Finder::client_kind(NodeId node) const {
    node = syntax_.bare(node);
    if (node == kNoNode) {
        return ClientKind::kNo;
    }
    if (const ClientKind known = kind_of_value({&module_, node}, 0); known != ClientKind::kNo) {
        return known;
    }
    if (const ClientKind known = kind_of_class(node); known != ClientKind::kNo) {
        return known;
    }
    const std::string_view name = last_name(syntax_, node);
    if (lower(name).find("prisma") != std::string::npos) {
        return ClientKind::kPrisma;
    }
    // The parameter of prisma.$transaction(async (tx) => ...)
    if (syntax_.is(node, Kind::kIdentifier)) {
        const Binding* binding = module_.resolve(node);
        if (binding != nullptr && binding->parameter) {
            const NodeId function = binding->scope;
            const NodeId list = syntax_.parent(function);
            if (list != kNoNode && syntax_.is(list, Kind::kArguments)) {
                const std::string_view callee = syntax_.callee(syntax_.parent(list));
                if (callee == "$transaction") {
                    return ClientKind::kPrisma;
                }
                if (callee == "transaction") {
                    return ClientKind::kMaybe;
                }
            }
        }
    }
    return named_like_client(name) ? ClientKind::kMaybe : ClientKind::kNo;
}

void Finder::visit(NodeId call) {
    const NodeId member = syntax_.bare(syntax_.child(call, Field::kFunction));
    if (!syntax_.is(member, Kind::kMember)) {
        visit_tag(call);
        return;
    }
    const NodeId property = syntax_.child(member, Field::kProperty);
    if (property == kNoNode) {
        return;
    }
    const std::string_view method = syntax_.text(property);
    if (visit_relational(call, member, method) || visit_prisma(call, member, method) ||
        visit_raw(call, member, method)) {
        return;
    }
    visit_drizzle(call, member, method);
}

bool Finder::visit_prisma(NodeId call, NodeId member, std::string_view method) {
    const auto known = std::ranges::find(kPrismaMethods, method, &Method::name);
    const NodeId model = syntax_.bare(syntax_.child(member, Field::kObject));
    if (known == kPrismaMethods.end() || !syntax_.is(model, Kind::kMember)) {
        return false;
    }
    const NodeId client = syntax_.child(model, Field::kObject);
    const NodeId name = syntax_.child(model, Field::kProperty);
    if (client == kNoNode || name == kNoNode) {
        return false;
    }
    CodeQuery query{.orm = Orm::kPrisma, .verb = known->verb, .method = method};
    query.model = syntax_.text(name);
    query.table = schema_.find_model(query.model);
    const ClientKind kind = client_kind(client);
    const bool in_schema = query.table != nullptr &&
                           std::ranges::find(query.table->models, query.model, &Model::accessor) !=
                               query.table->models.end();
    query.certain = kind == ClientKind::kPrisma || (in_schema && kind != ClientKind::kDrizzle);
    const bool guessed = kind == ClientKind::kMaybe && known->distinctive;
    const bool this_client = syntax_.is(syntax_.bare(client), Kind::kThis);
    if (kind != ClientKind::kPrisma && !guessed &&
        !(in_schema && (kind != ClientKind::kNo || known->distinctive || this_client))) {
        return false;
    }
    // trpc.query, createCaller(ctx).notes.upsert(...): procedures that are called like methods.
    const std::string_view text = syntax_.text(client);
    if (query.model.starts_with('$') || text.ends_with(".query") ||
        text.find("Caller") != std::string_view::npos || text.starts_with("caller")) {
        return false;
    }
    query.call = call;
    query.head = member;
    query.client = client;
    query.throwing = method.ends_with("OrThrow");
    query.by_unique = method.starts_with("findUnique");
    query.inputs = {syntax_.child(call, Field::kArguments)};
    read_prisma_options(module_, schema_, query);
    queries_.push_back(std::move(query));
    return true;
}

// db.query.users.findMany({...})
bool Finder::visit_relational(NodeId call, NodeId member, std::string_view method) {
    if (method != "findMany" && method != "findFirst") {
        return false;
    }
    const NodeId model = syntax_.bare(syntax_.child(member, Field::kObject));
    if (!syntax_.is(model, Kind::kMember)) {
        return false;
    }
    const NodeId list = syntax_.bare(syntax_.child(model, Field::kObject));
    if (!syntax_.is(list, Kind::kMember) ||
        syntax_.text(syntax_.child(list, Field::kProperty)) != "query") {
        return false;
    }
    const std::vector<NodeId> arguments = syntax_.arguments(call);
    if (!arguments.empty() &&
        syntax_.property(module_.value_of(arguments.front()), "query") != kNoNode) {
        return false;  // Keystone's context.query.Post.findMany({ query: 'id title' })
    }
    CodeQuery query{.orm = Orm::kDrizzle,
                    .verb = method == "findMany" ? Verb::kFindMany : Verb::kFindOne,
                    .method = method};
    query.model = syntax_.text(syntax_.child(model, Field::kProperty));
    query.table = schema_.find_model(query.model);
    query.certain = true;
    query.call = call;
    query.head = member;
    query.client = syntax_.child(list, Field::kObject);
    query.inputs = {syntax_.child(call, Field::kArguments)};
    read_drizzle_relational(module_, schema_, query);
    queries_.push_back(std::move(query));
    return true;
}

bool Finder::visit_drizzle(NodeId call, NodeId member, std::string_view method) {
    static constexpr auto kStarts = std::to_array<std::string_view>(
        {"select", "selectDistinct", "selectDistinctOn", "insert", "update", "delete", "$count"});
    if (std::ranges::find(kStarts, method) == kStarts.end()) {
        return false;
    }
    NodeId client = syntax_.bare(syntax_.child(member, Field::kObject));
    if (syntax_.is(client, Kind::kCall) && syntax_.callee(client) == "with") {
        client =
            syntax_.child(syntax_.bare(syntax_.child(client, Field::kFunction)), Field::kObject);
    }
    if (client == kNoNode || syntax_.is(client, Kind::kCall)) {
        return false;
    }
    visit_chain(call, member, method);
    return true;
}

// Whether `node` is what another chain is made of: exists(node), inArray(id, node), .from(node).
bool Finder::is_operand(NodeId node) const {
    static constexpr auto kTakers = std::to_array<std::string_view>({"exists",
                                                                     "notExists",
                                                                     "inArray",
                                                                     "notInArray",
                                                                     "eq",
                                                                     "ne",
                                                                     "gt",
                                                                     "gte",
                                                                     "lt",
                                                                     "lte",
                                                                     "union",
                                                                     "unionAll",
                                                                     "intersect",
                                                                     "intersectAll",
                                                                     "except",
                                                                     "exceptAll",
                                                                     "as",
                                                                     "from",
                                                                     "innerJoin",
                                                                     "leftJoin",
                                                                     "rightJoin",
                                                                     "fullJoin",
                                                                     "innerJoinLateral",
                                                                     "leftJoinLateral",
                                                                     "with"});
    NodeId above = syntax_.parent(node);
    while (syntax_.is(above, Kind::kParenthesized)) {
        above = syntax_.parent(above);
    }
    if (syntax_.is(above, Kind::kSubstitution)) {  // sql`... in ${db.select()...}`
        return syntax_.callee(syntax_.parent(syntax_.parent(above))) == "sql";
    }
    return syntax_.is(above, Kind::kArguments) &&
           std::ranges::find(kTakers, syntax_.callee(syntax_.parent(above))) != kTakers.end();
}

// A chain that sends nothing: part of another one, at once or under a name of its own.
bool Finder::is_subquery(NodeId chain) {
    if (syntax_.callee(chain) == "as" || is_operand(chain)) {
        return true;
    }
    const NodeId declarator = syntax_.parent(chain);
    if (!syntax_.is(declarator, Kind::kDeclarator)) {
        return false;
    }
    const std::vector<const Binding*> bound =
        module_.bound_in(syntax_.child(declarator, Field::kName));
    if (bound.size() != 1) {
        return false;
    }
    const NodeId nodes = syntax_.after(bound.front()->scope) - bound.front()->scope;
    if (nodes > nodes_left_) {
        return false;
    }
    nodes_left_ -= nodes;
    bool operand = false;
    for (NodeId at = bound.front()->scope; at < syntax_.after(bound.front()->scope); ++at) {
        if (at == bound.front()->node || !syntax_.is(at, Kind::kIdentifier) ||
            syntax_.text(at) != bound.front()->name || module_.resolve(at) != bound.front()) {
            continue;
        }
        const NodeId up = syntax_.parent(at);
        if (is_operand(at)) {
            operand = true;
        } else if (!syntax_.is(up, Kind::kMember) || syntax_.is(syntax_.parent(up), Kind::kCall)) {
            return false;  // awaited, returned, handed on; but sub.id is a column
        }
    }
    return operand;
}

// db.select().from(t).where(...): from the first call up to the last.
void Finder::visit_chain(NodeId call, NodeId member, std::string_view method) {
    std::vector<std::pair<std::string_view, NodeId>> links{{method, call}};
    NodeId last = call;
    for (;;) {
        const NodeId up = syntax_.parent(last);
        const NodeId above = up == kNoNode ? kNoNode : syntax_.parent(up);
        if (!syntax_.is(up, Kind::kMember) || syntax_.field(last) != Field::kObject ||
            !syntax_.is(above, Kind::kCall) || syntax_.field(up) != Field::kFunction) {
            break;
        }
        links.emplace_back(syntax_.text(syntax_.child(up, Field::kProperty)), above);
        last = above;
    }
    const auto has = [&](std::string_view name) {
        return std::ranges::find(links, name, &std::pair<std::string_view, NodeId>::first) !=
               links.end();
    };
    const NodeId client = syntax_.child(member, Field::kObject);
    const ClientKind kind = client_kind(client);
    const std::vector<NodeId> arguments = syntax_.arguments(call);
    const Table* target =
        arguments.empty() ? nullptr : drizzle_table(module_, schema_, arguments.front());
    const bool select = method.starts_with("select");
    const bool shaped = select               ? has("from")
                        : method == "insert" ? has("values") || has("select")
                        : method == "update"
                            ? has("set")
                            : target != nullptr || (has("where") || has("returning"));
    // `supabase.from(..)` and Map.delete() look alike: a client or a known table decides.
    const bool is_query = shaped && (kind == ClientKind::kDrizzle || kind == ClientKind::kMaybe ||
                                     target != nullptr || (select && has("from") && has("where")));
    if (!is_query || kind == ClientKind::kPrisma) {
        return;
    }
    CodeQuery query{.orm = Orm::kDrizzle, .method = method};
    query.verb = select               ? Verb::kFindMany
                 : method == "insert" ? Verb::kCreate
                 : method == "update" ? Verb::kUpdateMany
                 : method == "delete" ? Verb::kDeleteMany
                                      : Verb::kAggregate;
    query.call = last;
    query.head = member;
    query.client = client;
    query.table = target;
    query.certain = kind == ClientKind::kDrizzle || target != nullptr;
    query.subquery = select && is_subquery(last);
    read_drizzle_chain(module_, schema_, query, links);
    queries_.push_back(std::move(query));
}

// sql.raw(text), Prisma.raw(text): goes into a statement as it is.
bool Finder::visit_piece(NodeId call, NodeId member, NodeId text) {
    text = syntax_.is(text, Kind::kIdentifier) ? syntax_.bare(module_.value_of(text)) : text;
    CodeQuery query{.orm = Orm::kRaw, .verb = Verb::kRaw, .method = "raw"};
    query.call = call;
    query.head = member;
    query.certain = true;
    if (text == kNoNode || !read_sql_piece(module_, schema_, text, query) || !query.pasted) {
        return false;
    }
    query.piece = true;
    queries_.push_back(std::move(query));
    return true;
}

bool Finder::visit_raw(NodeId call, NodeId member, std::string_view method) {
    static constexpr auto kMethods = std::to_array<std::string_view>(
        {"$queryRaw", "$executeRaw", "$queryRawUnsafe", "$executeRawUnsafe", "$queryRawTyped",
         "query", "unsafe", "execute", "raw", "any", "one", "oneOrNone", "many", "manyOrNone",
         "none"});
    const std::vector<NodeId> arguments = syntax_.arguments(call);
    if (std::ranges::find(kMethods, method) == kMethods.end() || arguments.empty()) {
        return false;
    }
    NodeId literal = syntax_.bare(arguments.front());
    const NodeId maker = syntax_.bare(syntax_.child(member, Field::kObject));
    if (method == "raw" && syntax_.is(maker, Kind::kIdentifier) &&
        (syntax_.text(maker) == "sql" || syntax_.text(maker) == "Prisma") &&
        visit_piece(call, member, literal)) {
        return true;
    }
    if (syntax_.is(literal, Kind::kObject)) {
        literal =
            syntax_.bare(syntax_.property(literal, "text"));  // client.query({ text, values })
    }
    if (syntax_.is(literal, Kind::kIdentifier)) {
        literal = module_.value_of(literal);
    }
    bool tagged = syntax_.is(syntax_.child(call, Field::kArguments), Kind::kTemplate);
    if (syntax_.is(literal,
                   Kind::kCall)) {  // db.execute(sql`...`), prisma.$queryRaw(Prisma.sql`...`)
        const NodeId inner = syntax_.child(literal, Field::kArguments);
        if (syntax_.callee(literal) != "sql" || !syntax_.is(inner, Kind::kTemplate)) {
            return false;
        }
        literal = inner;
        tagged = true;
    }
    CodeQuery query{.orm = Orm::kRaw, .verb = Verb::kRaw, .method = method};
    query.call = call;
    query.head = member;
    query.client = syntax_.child(member, Field::kObject);
    query.inputs = {syntax_.child(call, Field::kArguments)};
    query.certain = true;
    if (literal == kNoNode || !read_sql_text(module_, schema_, literal, query)) {
        return false;
    }
    query.pasted = query.pasted && !tagged;
    queries_.push_back(std::move(query));
    return true;
}

// sql`select ...` by itself: postgres.js, Neon, slonik. Inside of another call it is that call's.
void Finder::visit_tag(NodeId call) {
    const NodeId literal = syntax_.child(call, Field::kArguments);
    const NodeId function = syntax_.bare(syntax_.child(call, Field::kFunction));
    if (!syntax_.is(literal, Kind::kTemplate) || !syntax_.is(function, Kind::kIdentifier) ||
        (syntax_.text(function) != "sql" && syntax_.text(function) != "pgsql")) {
        return;
    }
    const NodeId parent = syntax_.parent(call);
    if (!syntax_.is(parent, Kind::kAwait) && !syntax_.is(parent, Kind::kReturn) &&
        !syntax_.is(parent, Kind::kArrow) && !syntax_.is(parent, Kind::kArray)) {
        return;  // a fragment, or kept for db.execute()
    }
    CodeQuery query{.orm = Orm::kRaw, .verb = Verb::kRaw, .method = "sql"};
    query.call = call;
    query.head = function;
    query.inputs = {literal};
    query.certain = true;
    if (read_sql_text(module_, schema_, literal, query)) {
        query.pasted = false;
        queries_.push_back(std::move(query));
    }
}

}  // namespace

bool is_write(Verb verb) {
    switch (verb) {
        case Verb::kCreate:
        case Verb::kCreateMany:
        case Verb::kUpdate:
        case Verb::kUpdateMany:
        case Verb::kUpsert:
        case Verb::kDelete:
        case Verb::kDeleteMany:
            return true;
        default:
            return false;
    }
}

std::vector<CodeQuery> find_queries(const ModuleGraph& graph, const Module& module,
                                    const Schema& schema) {
    return Finder(graph, module, schema).find();
}

}  // namespace howdah::insight
