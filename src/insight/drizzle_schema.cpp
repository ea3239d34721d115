// read_drizzle_tables, read_drizzle_relations: pgTable() and relations() as a schema.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "insight/code_analysis.hpp"

namespace howdah::insight {
namespace {

// One call chain from its root: index("x").on(t.a) -> index, on.
struct Link {
    std::string_view name = {};
    NodeId call = kNoNode;
};

class TableReader {
  public:
    TableReader(const Module& module, const SourceText& source, Schema& schema)
        : module_(module), syntax_(module.syntax()), source_(source), schema_(schema) {}

    void read();

  private:
    bool is_table_call(NodeId call, std::string& sql_schema) const;
    std::string created_name(NodeId call, std::string_view name) const;
    void read_table(NodeId declarator, NodeId call, const std::string& sql_schema);
    void read_columns(NodeId object, Table& table, int depth);
    void read_column(NodeId pair, Table& table);
    void read_extras(NodeId function, Table& table);
    void read_extra(NodeId value, Table& table);
    void read_index(const std::vector<Link>& links, Table& table);
    void read_foreign_key(NodeId call, NodeId place, Table& table);
    std::vector<Link> chain_of(NodeId node) const;
    void add_type(std::string_view function, NodeId root, Column& column) const;
    IndexKey key_of(NodeId node, const Table& table) const;
    std::string expression_of(NodeId node, const Table& table, const std::string& given) const;
    std::string column_of(NodeId node, const Table& table) const;
    void add_reference(NodeId arrow, const Column& column, NodeId place, Table& table);

    const Module& module_;
    const Syntax& syntax_;
    const SourceText& source_;
    Schema& schema_;
};

std::vector<Link> TableReader::chain_of(NodeId node) const {
    std::vector<Link> links;
    node = syntax_.bare(node);
    while (syntax_.is(node, Kind::kCall)) {
        links.push_back({.name = syntax_.callee(node), .call = node});
        const NodeId function = syntax_.bare(syntax_.child(node, Field::kFunction));
        node = syntax_.is(function, Kind::kMember)
                   ? syntax_.bare(syntax_.child(function, Field::kObject))
                   : kNoNode;
    }
    std::ranges::reverse(links);
    return links;
}

bool TableReader::is_table_call(NodeId call, std::string& sql_schema) const {
    const std::string_view name = syntax_.callee(call);
    if (name == "pgTable") {
        return true;
    }
    const NodeId function = syntax_.bare(syntax_.child(call, Field::kFunction));
    if (syntax_.is(function, Kind::kMember) && (name == "table" || name == "withRLS")) {
        // const app = pgSchema("app"); app.table("users", ...)
        const NodeId maker = module_.value_of(syntax_.child(function, Field::kObject));
        if (syntax_.is(maker, Kind::kCall) && syntax_.callee(maker) == "pgSchema") {
            const std::vector<NodeId> arguments = syntax_.arguments(maker);
            sql_schema = arguments.empty() ? "" : std::string(syntax_.string(arguments.front()));
            return true;
        }
        return syntax_.text(syntax_.child(function, Field::kObject)) == "pgTable";
    }
    if (!syntax_.is(function, Kind::kIdentifier)) {
        return false;
    }
    const NodeId maker = module_.value_of(function);
    return syntax_.is(maker, Kind::kCall) && syntax_.callee(maker) == "pgTableCreator";
}

// const createTable = pgTableCreator((name) => `app_${name}`): createTable("users") is app_users.
std::string TableReader::created_name(NodeId call, std::string_view name) const {
    const NodeId function = syntax_.bare(syntax_.child(call, Field::kFunction));
    const NodeId maker =
        syntax_.is(function, Kind::kIdentifier) ? module_.value_of(function) : kNoNode;
    if (!syntax_.is(maker, Kind::kCall) || syntax_.callee(maker) != "pgTableCreator") {
        return std::string(name);
    }
    const std::vector<NodeId> arguments = syntax_.arguments(maker);
    const NodeId arrow = arguments.empty() ? kNoNode : syntax_.bare(arguments.front());
    const NodeId made = syntax_.bare(syntax_.child(arrow, Field::kBody));
    const std::vector<NodeId> parts = syntax_.children(made);
    NodeId given = kNoNode;
    for (const NodeId part : parts) {
        if (syntax_.is(part, Kind::kSubstitution)) {
            if (given != kNoNode || !syntax_.is(syntax_.first_child(part), Kind::kIdentifier)) {
                return std::string(name);
            }
            given = part;
        }
    }
    if (!syntax_.is(made, Kind::kTemplate) || given == kNoNode) {
        return std::string(name);
    }
    const Range whole = syntax_.range(made);
    const Range middle = syntax_.range(given);
    const std::string_view text = syntax_.text();
    return fmt::format("{}{}{}", text.substr(whole.begin + 1, middle.begin - whole.begin - 1), name,
                       text.substr(middle.end, whole.end - 1 - middle.end));
}

void TableReader::read() {
    for (NodeId node = 0; node < syntax_.size(); ++node) {
        if (!syntax_.is(node, Kind::kDeclarator)) {
            continue;
        }
        const NodeId value = syntax_.bare(syntax_.child(node, Field::kValue));
        std::string sql_schema;
        if (syntax_.is(value, Kind::kCall) && is_table_call(value, sql_schema)) {
            read_table(node, value, sql_schema);
        }
    }
}

void TableReader::read_table(NodeId declarator, NodeId call, const std::string& sql_schema) {
    const std::vector<NodeId> arguments = syntax_.arguments(call);
    if (arguments.size() < 2) {
        return;
    }
    const std::string_view name = syntax_.string(arguments[0]);
    const NodeId variable = syntax_.child(declarator, Field::kName);
    if (name.empty() || !syntax_.is(variable, Kind::kIdentifier)) {
        return;
    }
    Schema own;
    Table& table = own.at(canonical_name(sql_schema, created_name(call, name)));
    const std::string model(syntax_.text(variable));
    table.models.push_back({.name = model, .accessor = model, .origin = Origin::kDrizzle});
    NodeId columns = syntax_.bare(arguments[1]);
    if (syntax_.is(columns, Kind::kArrow)) {  // (t) => ({ id: t.integer() })
        columns = syntax_.bare(syntax_.child(columns, Field::kBody));
    }
    read_columns(module_.value_of(columns), table, 0);
    if (arguments.size() > 2) {
        read_extras(syntax_.bare(arguments[2]), table);
    }
    schema_.merge(std::move(own));
}

void TableReader::read_columns(NodeId object, Table& table, int depth) {
    if (!syntax_.is(object, Kind::kObject) || depth > 4) {
        return;
    }
    for (const NodeId pair : syntax_.children(object)) {
        if (syntax_.is(pair, Kind::kPair)) {
            read_column(pair, table);
        } else if (syntax_.is(pair, Kind::kSpread)) {
            read_columns(module_.value_of(syntax_.first_child(pair)), table, depth + 1);
        }
    }
}

void TableReader::add_type(std::string_view function, NodeId root, Column& column) const {
    struct Known {
        std::string_view name;
        TypeClass type;
    };
    static constexpr auto kKnown = std::to_array<Known>({
        {"integer", TypeClass::kInteger},   {"serial", TypeClass::kInteger},
        {"smallint", TypeClass::kInteger},  {"bigint", TypeClass::kInteger},
        {"bigserial", TypeClass::kInteger}, {"smallserial", TypeClass::kInteger},
        {"text", TypeClass::kText},         {"varchar", TypeClass::kText},
        {"char", TypeClass::kChar},         {"boolean", TypeClass::kBoolean},
        {"numeric", TypeClass::kNumeric},   {"decimal", TypeClass::kNumeric},
        {"real", TypeClass::kFloat},        {"doublePrecision", TypeClass::kFloat},
        {"date", TypeClass::kDate},         {"timestamp", TypeClass::kTimestamp},
        {"uuid", TypeClass::kUuid},         {"json", TypeClass::kJson},
        {"jsonb", TypeClass::kJson},        {"bytea", TypeClass::kBytes},
    });
    const auto found = std::ranges::find(kKnown, function, &Known::name);
    if (found != kKnown.end()) {
        column.type = found->type;
        return;
    }
    const NodeId callee = syntax_.bare(syntax_.child(root, Field::kFunction));
    const NodeId maker = syntax_.is(callee, Kind::kIdentifier) ? module_.value_of(callee) : kNoNode;
    column.type = syntax_.is(maker, Kind::kCall) && syntax_.callee(maker) == "pgEnum"
                      ? TypeClass::kEnum
                      : TypeClass::kOther;
}

void TableReader::read_column(NodeId pair, Table& table) {
    std::vector<Link> links = chain_of(syntax_.value(pair));
    if (links.empty()) {
        return;
    }
    NodeId root = links.front().call;
    const std::vector<NodeId> given = syntax_.arguments(root);
    // A helper of the file: const id = () => bigint("id").primaryKey()
    const NodeId callee = syntax_.bare(syntax_.child(root, Field::kFunction));
    const NodeId helper =
        syntax_.is(callee, Kind::kIdentifier) ? module_.value_of(callee) : kNoNode;
    if (helper != kNoNode && is_function(syntax_.kind(helper))) {
        std::vector<Link> inner = chain_of(syntax_.child(helper, Field::kBody));
        if (!inner.empty()) {
            root = inner.front().call;
            links.insert(links.begin() + 1, inner.begin(), inner.end());
        }
    }
    Column column{.name = std::string(syntax_.key(pair)), .field = std::string(syntax_.key(pair))};
    const std::vector<NodeId> arguments = syntax_.arguments(root);
    for (const std::vector<NodeId>* list : {&given, &arguments}) {
        if (!list->empty() && !syntax_.string(list->front()).empty()) {
            column.name = syntax_.string(list->front());
            break;
        }
    }
    add_type(syntax_.callee(root), root, column);
    bool primary = false;
    bool unique = false;
    NodeId reference = kNoNode;
    for (const Link& link : links) {
        primary = primary || link.name == "primaryKey";
        unique = unique || link.name == "unique";
        column.not_null = column.not_null || link.name == "notNull" || link.name == "primaryKey";
        column.type = link.name == "array" ? TypeClass::kArray : column.type;
        if (link.name == "references") {
            const std::vector<NodeId> target = syntax_.arguments(link.call);
            reference = target.empty() ? kNoNode : syntax_.bare(target.front());
        }
    }
    if (reference != kNoNode && !syntax_.is(reference, Kind::kArrow)) {
        const auto arrow = std::ranges::find_if(
            given, [&](NodeId each) { return syntax_.is(syntax_.bare(each), Kind::kArrow); });
        reference = arrow == given.end() ? kNoNode : syntax_.bare(*arrow);
    }
    if (primary || unique) {
        table.indexes.push_back(
            {.keys = {{.column = column.name}}, .unique = true, .primary = primary});
    }
    if (reference != kNoNode) {
        add_reference(reference, column, pair, table);
    }
    table.columns.push_back(std::move(column));
}

// () => users.id: the table by its variable, looked up when all files are read.
void TableReader::add_reference(NodeId arrow, const Column& column, NodeId place, Table& table) {
    const NodeId target = syntax_.bare(syntax_.child(arrow, Field::kBody));
    if (!syntax_.is(target, Kind::kMember)) {
        return;
    }
    ForeignKey key{.columns = {column.name}};
    key.table = syntax_.text(syntax_.child(target, Field::kObject));
    key.origin = Origin::kDrizzle;
    key.place = source_.place(syntax_.range(place));
    table.foreign_keys.push_back(std::move(key));
}

void TableReader::read_extras(NodeId function, Table& table) {
    if (!is_function(syntax_.kind(function))) {
        return;
    }
    NodeId body = syntax_.bare(syntax_.child(function, Field::kBody));
    if (syntax_.is(body, Kind::kBlock)) {
        for (const NodeId statement : syntax_.children(body)) {
            if (syntax_.is(statement, Kind::kReturn)) {
                body = syntax_.bare(syntax_.first_child(statement));
                break;
            }
        }
    }
    for (const NodeId each : syntax_.children(body)) {
        read_extra(syntax_.is(each, Kind::kPair) ? syntax_.value(each) : each, table);
    }
}

void TableReader::read_extra(NodeId value, Table& table) {
    const std::vector<Link> links = chain_of(value);
    if (links.empty()) {
        return;
    }
    const std::string_view name = links.front().name;
    if (name == "index" || name == "uniqueIndex" || name == "unique" || name == "primaryKey") {
        read_index(links, table);
    } else if (name == "foreignKey") {
        read_foreign_key(links.front().call, value, table);
    }
}

std::string TableReader::column_of(NodeId node, const Table& table) const {
    node = syntax_.bare(node);
    while (syntax_.is(node, Kind::kCall)) {  // t.b.desc().nullsLast()
        const NodeId function = syntax_.bare(syntax_.child(node, Field::kFunction));
        if (!syntax_.is(function, Kind::kMember)) {
            return {};
        }
        node = syntax_.bare(syntax_.child(function, Field::kObject));
    }
    if (!syntax_.is(node, Kind::kMember)) {
        return {};
    }
    const Column* column = table.field(syntax_.text(syntax_.child(node, Field::kProperty)));
    return column == nullptr ? std::string() : column->name;
}

IndexKey TableReader::key_of(NodeId node, const Table& table) const {
    IndexKey key{.column = column_of(node, table)};
    if (!key.column.empty()) {
        return key;
    }
    key.expression = expression_key(expression_of(node, table, ""));
    return key;
}

// sql`lower(${table.email})`; lower(table.email), where a function here makes such a text or SQL's
// own is meant. `given`: the column that stands for the function's parameter.
std::string TableReader::expression_of(NodeId node, const Table& table,
                                       const std::string& given) const {
    for (NodeId at = node; at < syntax_.after(node); ++at) {
        if (!syntax_.is(at, Kind::kTemplate)) {
            continue;
        }
        std::string text;
        std::size_t from = syntax_.range(at).begin + 1;
        for (const NodeId part : syntax_.children(at)) {
            if (syntax_.is(part, Kind::kSubstitution)) {
                text += syntax_.text().substr(from, syntax_.range(part).begin - from);
                text += given.empty() ? column_of(syntax_.first_child(part), table) : given;
                from = syntax_.range(part).end;
            }
        }
        return text.append(syntax_.text().substr(from, syntax_.range(at).end - 1 - from));
    }
    const std::vector<NodeId> arguments = given.empty() && syntax_.is(node, Kind::kCall)
                                              ? syntax_.arguments(node)
                                              : std::vector<NodeId>();
    const std::string column =
        arguments.size() == 1 ? column_of(arguments.front(), table) : std::string();
    const NodeId function = syntax_.bare(syntax_.child(node, Field::kFunction));
    if (column.empty() || !syntax_.is(function, Kind::kIdentifier)) {
        return {};
    }
    const NodeId made = module_.value_of(function);
    const std::string text = made != kNoNode && is_function(syntax_.kind(made))
                                 ? expression_of(made, table, column)
                                 : std::string();
    return text.empty() ? fmt::format("{}({})", syntax_.text(function), column) : text;
}

void TableReader::read_index(const std::vector<Link>& links, Table& table) {
    const std::string_view kind = links.front().name;
    Index index{.unique = kind != "index", .primary = kind == "primaryKey"};
    for (const Link& link : links) {
        std::vector<NodeId> arguments = syntax_.arguments(link.call);
        if (link.name == "where") {
            index.partial = true;
        }
        if (link.name == "using" && !arguments.empty()) {
            index.method = syntax_.string(arguments.front());
            arguments.erase(arguments.begin());
        } else if (link.name == "primaryKey" && !arguments.empty() &&
                   syntax_.is(arguments.front(), Kind::kObject)) {
            arguments = syntax_.children(syntax_.property(arguments.front(), "columns"));
        } else if (link.name != "on" && link.name != "onOnly" && link.name != "primaryKey") {
            continue;
        }
        for (const NodeId each : arguments) {
            index.trigram =
                index.trigram || syntax_.text(each).find("trgm") != std::string_view::npos;
            index.keys.push_back(key_of(each, table));
        }
    }
    if (!index.keys.empty()) {
        table.indexes.push_back(std::move(index));
    }
}

void TableReader::read_foreign_key(NodeId call, NodeId place, Table& table) {
    const std::vector<NodeId> arguments = syntax_.arguments(call);
    if (arguments.empty()) {
        return;
    }
    ForeignKey key{.origin = Origin::kDrizzle, .place = source_.place(syntax_.range(place))};
    for (const NodeId each : syntax_.children(syntax_.property(arguments.front(), "columns"))) {
        key.columns.push_back(column_of(each, table));
    }
    for (const NodeId each :
         syntax_.children(syntax_.property(arguments.front(), "foreignColumns"))) {
        if (syntax_.is(each, Kind::kMember)) {
            key.table = syntax_.text(syntax_.child(each, Field::kObject));
        }
    }
    if (!key.columns.empty()) {
        table.foreign_keys.push_back(std::move(key));
    }
}

// ({ one, many }) => ({ posts: many(posts), author: one(users, {...}) })
void read_relation(const Module& module, NodeId pair, const std::string& table, Schema& schema) {
    const Syntax& syntax = module.syntax();
    const NodeId call = syntax.bare(syntax.value(pair));
    if (!syntax.is(call, Kind::kCall)) {
        return;
    }
    const std::vector<NodeId> arguments = syntax.arguments(call);
    const NodeId function = syntax.bare(syntax.child(call, Field::kFunction));
    Relation relation{.field = std::string(syntax.key(pair))};
    const Table* other = nullptr;
    if (syntax.is(function, Kind::kMember)) {  // r.many.posts({...})
        const NodeId kind = syntax.bare(syntax.child(function, Field::kObject));
        other = schema.find_model(syntax.callee(call));
        relation.to_many = syntax.is(kind, Kind::kMember) &&
                           syntax.text(syntax.child(kind, Field::kProperty)) == "many";
    } else if (!arguments.empty()) {
        relation.to_many = syntax.callee(call) == "many";
        other = schema.find_model(syntax.text(syntax.bare(arguments.front())));
    }
    if (other == nullptr || table.empty()) {
        return;
    }
    relation.table = other->name;
    Table& into = schema.at(table);
    if (into.relation(relation.field) == nullptr) {
        into.relations.push_back(std::move(relation));
    }
}

}  // namespace

void read_drizzle_tables(const Module& module, const SourceText& source, Schema& schema) {
    TableReader(module, source, schema).read();
}

void resolve_references(Schema& schema) {
    for (auto& [name, table] : schema.tables()) {
        for (ForeignKey& key : table.foreign_keys) {
            const Table* other =
                key.origin == Origin::kDrizzle ? schema.find_model(key.table) : nullptr;
            key.table = other != nullptr ? other->name : key.table;
        }
    }
}

void read_drizzle_relations(const Module& module, Schema& schema) {
    const Syntax& syntax = module.syntax();
    for (NodeId node = 0; node < syntax.size(); ++node) {
        if (!syntax.is(node, Kind::kCall)) {
            continue;
        }
        const std::string_view callee = syntax.callee(node);
        const std::vector<NodeId> arguments = syntax.arguments(node);
        if ((callee != "relations" && callee != "defineRelations") || arguments.size() < 2) {
            continue;
        }
        const NodeId body = syntax.bare(syntax.child(syntax.bare(arguments[1]), Field::kBody));
        if (callee == "relations") {
            const Table* table = schema.find_model(syntax.text(syntax.bare(arguments[0])));
            for (const NodeId pair : syntax.children(body)) {
                read_relation(module, pair, table == nullptr ? "" : table->name, schema);
            }
            continue;
        }
        for (const NodeId each : syntax.children(body)) {
            const Table* table = schema.find_model(syntax.key(each));
            for (const NodeId pair : syntax.children(syntax.value(each))) {
                read_relation(module, pair, table == nullptr ? "" : table->name, schema);
            }
        }
    }
}

}  // namespace howdah::insight
