// read_drizzle_chain, read_drizzle_relational: what Drizzle's calls say.
#include <algorithm>
#include <array>

#include "insight/code_query.hpp"

namespace howdah::insight {
namespace {

struct Operator {
    std::string_view name;
    Test test;
};

constexpr auto kOperators = std::to_array<Operator>({
    {"eq", Test::kEquals},
    {"ne", Test::kUnequal},
    {"gt", Test::kRange},
    {"gte", Test::kRange},
    {"lt", Test::kRange},
    {"lte", Test::kRange},
    {"between", Test::kRange},
    {"inArray", Test::kEquals},
    {"notInArray", Test::kUnequal},
    {"isNull", Test::kNull},
    {"isNotNull", Test::kUnequal},
    {"like", Test::kWildcard},
    {"ilike", Test::kWildcard},
    {"notLike", Test::kUnequal},
    {"notIlike", Test::kUnequal},
    {"notBetween", Test::kUnequal},
    {"arrayContains", Test::kOperator},
    {"arrayContained", Test::kOperator},
    {"arrayOverlaps", Test::kOperator},
});

// Columns of the query's own table that are one value in every row.
std::vector<std::string> equal_columns(const CodeQuery& query) {
    std::vector<std::string> equal;
    for (const Condition& condition : query.conditions) {
        if (condition.test == Test::kEquals && condition.table == query.table &&
            condition.alternative == 0) {
            equal.push_back(condition.column);
        }
    }
    return equal;
}

class DrizzleReader {
  public:
    DrizzleReader(const Module& module, const Schema& schema, CodeQuery& query)
        : module_(module), syntax_(module.syntax()), schema_(schema), query_(query) {}

    void read_link(std::string_view name, NodeId call);
    void read_relational(NodeId options);

  private:
    struct At {
        int alternative = 0;
    };
    void read_filter(NodeId where);
    void read_condition(NodeId node, At at);
    void read_comparison(NodeId call, const Operator& operation, At at);
    bool read_fragment(NodeId call, std::string_view rest);
    void read_wildcard(NodeId pattern, Condition& condition) const;
    void read_object(NodeId object, const Table* table);
    void read_order(NodeId node);
    void read_values(NodeId call);
    bool is_pinned(NodeId where, NodeId pair, const Table* table) const;
    void read_with(NodeId with, const Table* table, int depth);
    // users.email: its table and column.
    bool column_of(NodeId node, const Table*& table, std::string& column) const;

    const Module& module_;
    const Syntax& syntax_;
    const Schema& schema_;
    CodeQuery& query_;
    int alternatives_ = 0;
};

bool DrizzleReader::column_of(NodeId node, const Table*& table, std::string& column) const {
    node = syntax_.bare(node);
    if (!syntax_.is(node, Kind::kMember)) {
        return false;
    }
    const NodeId object = syntax_.child(node, Field::kObject);
    const NodeId property = syntax_.child(node, Field::kProperty);
    if (object == kNoNode || property == kNoNode) {
        return false;
    }
    table = drizzle_table(module_, schema_, object);
    const Binding* binding = syntax_.is(syntax_.bare(object), Kind::kIdentifier)
                                 ? module_.resolve(syntax_.bare(object))
                                 : nullptr;
    // db.query.users.findMany({ where: (t, { eq }) => eq(t.id, 1) })
    if (table == nullptr && binding != nullptr && binding->parameter &&
        syntax_.contains(query_.call, binding->node)) {
        table = query_.table;
    }
    column = syntax_.text(property);
    if (table != nullptr) {
        const Column* known = table->field(column);
        if (known == nullptr) {
            return false;
        }
        column = known->name;
    }
    return table != nullptr || query_.table == nullptr;
}

void DrizzleReader::read_condition(NodeId node, At at) {
    node = syntax_.bare(node);
    if (syntax_.is(node, Kind::kIdentifier)) {
        const NodeId value = module_.value_of(node);
        if (value == kNoNode || value == node) {
            query_.open = query_.open || !syntax_.is(node, Kind::kUndefined);
            return;
        }
        node = value;
    }
    if (!syntax_.is(node, Kind::kCall)) {
        query_.open = query_.open || (node != kNoNode && !syntax_.is(node, Kind::kUndefined));
        return;
    }
    const std::string_view name = syntax_.callee(node);
    const std::vector<NodeId> arguments = syntax_.arguments(node);
    if (name == "and") {
        for (const NodeId each : arguments) {
            read_condition(each, at);
        }
    } else if (name == "or") {
        for (const NodeId each : arguments) {
            At arm = at;
            arm.alternative = at.alternative != 0 ? at.alternative : ++alternatives_;
            read_condition(each, arm);
        }
    } else if (name == "notExists" ||
               (name == "not" && !arguments.empty() &&
                syntax_.callee(syntax_.bare(arguments.front())) == "exists")) {
        query_.open = true;  // an anti join
    } else if (name == "not") {
        query_.negation = node;
    } else {
        const auto found = std::ranges::find(kOperators, name, &Operator::name);
        if (found != kOperators.end() && !arguments.empty()) {
            read_comparison(node, *found, at);
        } else {
            read_fragment(node, "");
            query_.open = true;
        }
    }
}

// sql`lower(${users.email}) = ${email}`: a condition in SQL. `rest` is what stands behind it.
bool DrizzleReader::read_fragment(NodeId call, std::string_view rest) {
    const NodeId text = syntax_.child(call, Field::kArguments);
    CodeQuery fragment{.orm = Orm::kRaw, .verb = Verb::kRaw, .method = "sql", .call = call};
    if (syntax_.callee(call) != "sql" || !syntax_.is(text, Kind::kTemplate) ||
        !read_sql_piece(module_, schema_, text, fragment)) {
        return false;
    }
    fragment.sql += rest;
    query_.fragments.push_back(std::move(fragment));
    return true;
}

// What stands behind the first argument of eq(), gt(), ...
std::string_view rest_of(const Operator& operation) {
    switch (operation.test) {
        case Test::kEquals:
            return operation.name == "inArray" ? " = any($99)" : " = $99";
        case Test::kRange:
            return " > $99";
        default:
            return {};
    }
}

void DrizzleReader::read_wildcard(NodeId pattern, Condition& condition) const {
    const NodeId node = syntax_.bare(pattern);
    if (node == kNoNode) {
        return;
    }
    std::string_view text = syntax_.text(node);
    if (!syntax_.is(node, Kind::kString) && !syntax_.is(node, Kind::kTemplate)) {
        condition.test = condition.insensitive ? Test::kWildcard : Test::kOther;
        return;
    }
    text = text.substr(1);
    const bool open = text.starts_with('%') || text.starts_with('_');
    condition.test = open || condition.insensitive ? Test::kWildcard : Test::kRange;
}

void DrizzleReader::read_comparison(NodeId call, const Operator& operation, At at) {
    const std::vector<NodeId> arguments = syntax_.arguments(call);
    Condition condition{.test = operation.test, .node = call};
    condition.alternative = at.alternative;
    condition.list = operation.name == "inArray";
    condition.closed = operation.name == "between";
    condition.insensitive = operation.name == "ilike";
    condition.value = arguments.size() > 1 ? arguments[1] : kNoNode;
    if (!column_of(arguments.front(), condition.table, condition.column)) {
        const NodeId first = syntax_.bare(arguments.front());
        // eq(sql`lower(${users.email})`, x): an expression around the column
        condition.test = syntax_.is(first, Kind::kCall) ? Test::kOther : operation.test;
        condition.column.clear();
        condition.table = nullptr;
        query_.open = query_.open || syntax_.is(first, Kind::kCall);
        if (syntax_.is(first, Kind::kCall) && !rest_of(operation).empty()) {
            read_fragment(first, rest_of(operation));
        }
        query_.conditions.push_back(std::move(condition));
        return;
    }
    if (operation.name == "like" || operation.name == "ilike") {
        read_wildcard(condition.value, condition);
    }
    const Table* other = nullptr;
    std::string name;
    const bool join = operation.name == "eq" && arguments.size() > 1 &&
                      column_of(arguments[1], other, name) && other != nullptr;
    condition.relation = condition.table != nullptr && condition.table != query_.table;
    if (!join) {
        query_.conditions.push_back(std::move(condition));
    }
}

// The object form of newer versions: where: { id: 1, email: { like: '%x' } }
void DrizzleReader::read_object(NodeId object, const Table* table) {
    query_.open = query_.open || syntax_.has_spread(object);
    for (const NodeId pair : syntax_.children(object)) {
        const std::string_view field = syntax_.key(pair);
        const Column* column = table == nullptr ? nullptr : table->field(field);
        if (field.empty() || column == nullptr) {
            query_.open = true;
            continue;
        }
        const NodeId value = syntax_.bare(syntax_.value(pair));
        Condition condition{.table = table, .column = column->name, .node = pair, .value = value};
        condition.test = Test::kEquals;
        if (syntax_.is(value, Kind::kObject)) {
            condition.test = Test::kOther;
            for (const NodeId part : syntax_.children(value)) {
                std::string_view name = syntax_.key(part);
                name = name == "in" ? "inArray" : name;
                const auto found = std::ranges::find(kOperators, name, &Operator::name);
                if (found != kOperators.end()) {
                    condition.closed = condition.test == Test::kRange;  // { gte: a, lt: b }
                    condition.test = found->test;
                    condition.list = name == "inArray";
                    condition.value = syntax_.value(part);
                    condition.insensitive = name == "ilike";
                    if (found->test == Test::kWildcard) {
                        read_wildcard(condition.value, condition);
                    }
                }
            }
        }
        query_.conditions.push_back(std::move(condition));
    }
}

void DrizzleReader::read_order(NodeId node) {
    node = syntax_.bare(node);
    if (syntax_.is(node, Kind::kArray)) {
        for (const NodeId each : syntax_.children(node)) {
            read_order(each);
        }
        return;
    }
    if (syntax_.is(node, Kind::kArrow)) {
        read_order(syntax_.child(node, Field::kBody));
        return;
    }
    NodeId column = node;
    if (syntax_.is(node, Kind::kCall)) {
        const std::vector<NodeId> arguments = syntax_.arguments(node);
        const std::string_view name = syntax_.callee(node);
        const std::string_view text =
            arguments.empty() ? std::string_view() : syntax_.text(arguments.front());
        if (name == "sql" && (text == "`random()`" || text == "`RANDOM()`")) {
            query_.random_order = node;
        }
        if ((name != "desc" && name != "asc") || arguments.empty()) {
            return;
        }
        column = arguments.front();
    }
    OrderUse use{.node = node};
    const Table* table = nullptr;
    if (column != kNoNode && column_of(column, table, use.column)) {
        use.relation = table != nullptr && table != query_.table;
        query_.order.push_back(std::move(use));
    }
}

void DrizzleReader::read_values(NodeId call) {
    const std::vector<NodeId> arguments = syntax_.arguments(call);
    if (arguments.empty()) {
        return;
    }
    const NodeId node = syntax_.bare(arguments.front());
    const NodeId value = module_.value_of(node);
    const bool mapped = syntax_.is(value, Kind::kCall) && syntax_.callee(value) == "map";
    query_.many_values = syntax_.is(value, Kind::kArray) || mapped;
    query_.verb = query_.many_values ? Verb::kCreateMany : Verb::kCreate;
}

void DrizzleReader::read_link(std::string_view name, NodeId call) {
    const std::vector<NodeId> arguments = syntax_.arguments(call);
    const NodeId first = arguments.empty() ? kNoNode : arguments.front();
    if (const NodeId list = syntax_.child(call, Field::kArguments); list != kNoNode) {
        query_.inputs.push_back(list);
    }
    if (name == "from" && first != kNoNode) {
        query_.table = drizzle_table(module_, schema_, first);
        query_.model = syntax_.text(first);
        query_.certain = query_.certain || query_.table != nullptr;
        query_.open = query_.open || syntax_.is(syntax_.bare(first), Kind::kCall);
    } else if (name.starts_with("select")) {
        const NodeId shape =
            name == "selectDistinctOn" && arguments.size() > 1 ? arguments[1] : first;
        query_.projected = shape != kNoNode;
        const std::string_view text = shape == kNoNode ? "" : syntax_.text(shape);
        const bool aggregate = text.find("count(") != std::string_view::npos ||
                               text.find("countDistinct(") != std::string_view::npos ||
                               text.find("sum(") != std::string_view::npos ||
                               text.find("avg(") != std::string_view::npos ||
                               text.find("max(") != std::string_view::npos ||
                               text.find("min(") != std::string_view::npos;
        query_.verb = aggregate ? Verb::kAggregate : Verb::kFindMany;
    } else if (name == "where" || name == "having") {
        query_.has_where = query_.has_where || (name == "where" && first != kNoNode &&
                                                !syntax_.is(first, Kind::kUndefined));
        if (name == "where" && first != kNoNode) {
            read_condition(first, {});
        }
    } else if (name == "limit") {
        query_.limited = true;
        query_.limit = first;
    } else if (name == "offset") {
        query_.offset = first;
    } else if (name == "orderBy") {
        for (const NodeId each : arguments) {
            read_order(each);
        }
    } else if (name == "groupBy") {
        query_.grouped = true;
    } else if (name.ends_with("Join")) {
        query_.joined = true;
    } else if (name == "values") {
        read_values(call);
    } else if (name == "onConflictDoUpdate") {
        query_.verb = query_.verb == Verb::kCreate ? Verb::kUpsert : query_.verb;
    } else if (name == "$dynamic") {
        query_.open = true;
    }
}

// with: { members: { where: eq(members.userId, id) } }: at most one row, where that is unique with
// the key that leads here.
bool DrizzleReader::is_pinned(NodeId where, NodeId pair, const Table* table) const {
    if (where == kNoNode || table == nullptr) {
        return false;
    }
    CodeQuery inner{.table = table, .call = pair};
    DrizzleReader reader(module_, schema_, inner);
    reader.read_filter(where);
    std::vector<std::string> equal = equal_columns(inner);
    if (table->is_unique(equal)) {
        return true;
    }
    return !equal.empty() && std::ranges::any_of(table->foreign_keys, [&](const ForeignKey& key) {
        std::vector<std::string> with_key = equal;
        with_key.insert(with_key.end(), key.columns.begin(), key.columns.end());
        return query_.table != nullptr && schema_.find(key.table) == query_.table &&
               table->is_unique(with_key);
    });
}

void DrizzleReader::read_with(NodeId with, const Table* table, int depth) {
    const NodeId object = with == kNoNode ? kNoNode : module_.value_of(with);
    if (!syntax_.is(object, Kind::kObject)) {
        return;
    }
    for (const NodeId pair : syntax_.children(object)) {
        const std::string_view field = syntax_.key(pair);
        const NodeId value = module_.value_of(syntax_.value(pair));
        if (field.empty() || syntax_.is(value, Kind::kFalse)) {
            continue;
        }
        const Relation* relation = table == nullptr ? nullptr : table->relation(field);
        Include include{.node = pair, .field = field, .depth = depth};
        include.table = relation == nullptr ? nullptr : schema_.find(relation->table);
        include.to_many = relation != nullptr && relation->to_many;
        const bool nested = syntax_.is(value, Kind::kObject);
        include.limited = (!nested && !syntax_.is(value, Kind::kTrue)) ||
                          syntax_.property(value, "limit") != kNoNode ||
                          is_pinned(syntax_.property(value, "where"), pair, include.table) ||
                          (nested && syntax_.has_spread(value));
        include.projected = syntax_.property(value, "columns") != kNoNode;
        include.filtered = syntax_.property(value, "where") != kNoNode;
        query_.include_depth = std::max(query_.include_depth, depth);
        if (depth == 3 && query_.deepest == kNoNode) {
            query_.deepest = pair;
        }
        query_.includes.push_back(include);
        read_with(syntax_.property(value, "with"), include.table, depth + 1);
    }
}

// An expression, a function that gives one, or the object of newer versions.
void DrizzleReader::read_filter(NodeId where) {
    if (syntax_.is(where, Kind::kArrow)) {
        where = syntax_.child(where, Field::kBody);
    }
    if (syntax_.is(syntax_.bare(where), Kind::kObject)) {
        read_object(syntax_.bare(where), query_.table);
    } else if (where != kNoNode) {
        read_condition(where, {});
    }
}

void DrizzleReader::read_relational(NodeId options) {
    const NodeId object = options == kNoNode ? kNoNode : module_.value_of(options);
    if (!syntax_.is(object, Kind::kObject)) {
        query_.open = options != kNoNode;
        return;
    }
    query_.open = syntax_.has_spread(object);
    query_.limit = syntax_.property(object, "limit");
    query_.limited = query_.limit != kNoNode;
    query_.offset = syntax_.property(object, "offset");
    query_.projected = syntax_.property(object, "columns") != kNoNode;
    const NodeId where = syntax_.property(object, "where");
    query_.has_where = where != kNoNode;
    read_filter(where);
    if (const NodeId order = syntax_.property(object, "orderBy"); order != kNoNode) {
        read_order(order);
    }
    read_with(syntax_.property(object, "with"), query_.table, 1);
}

void mark_unique(CodeQuery& query) {
    query.by_unique = query.table != nullptr && query.table->is_unique(equal_columns(query));
}

}  // namespace

const Table* drizzle_table(const Module& module, const Schema& schema, NodeId node) {
    const Syntax& syntax = module.syntax();
    node = syntax.bare(node);
    if (syntax.is(node, Kind::kMember)) {  // schema.users
        const NodeId name = syntax.child(node, Field::kProperty);
        const NodeId object = syntax.bare(syntax.child(node, Field::kObject));
        const Binding* binding =
            syntax.is(object, Kind::kIdentifier) ? module.resolve(object) : nullptr;
        const bool of_module =
            binding != nullptr && (binding->import_name == "*" ||
                                   binding->import_name == "default" || binding->name == "schema");
        return of_module && name != kNoNode ? schema.find_model(syntax.text(name)) : nullptr;
    }
    if (!syntax.is(node, Kind::kIdentifier)) {
        return nullptr;
    }
    const Binding* binding = module.resolve(node);
    if (binding == nullptr || binding->parameter) {
        return nullptr;
    }
    if (!binding->import_name.empty()) {
        return schema.find_model(binding->import_name);
    }
    const NodeId value = binding->value == kNoNode ? kNoNode : syntax.bare(binding->value);
    if (!syntax.is(value, Kind::kCall)) {
        return nullptr;
    }
    const std::string_view callee = syntax.callee(value);
    if (callee == "alias" || callee == "aliasedTable") {
        const std::vector<NodeId> arguments = syntax.arguments(value);
        return arguments.empty() ? nullptr : drizzle_table(module, schema, arguments.front());
    }
    return callee == "pgTable" || callee == "table" || callee.ends_with("Table")
               ? schema.find_model(binding->name)
               : nullptr;
}

void read_drizzle_chain(const Module& module, const Schema& schema, CodeQuery& query,
                        const std::vector<std::pair<std::string_view, NodeId>>& links) {
    DrizzleReader reader(module, schema, query);
    // from() first: the conditions are held against its table
    for (const auto& [name, call] : links) {
        if (name == "from") {
            const std::vector<NodeId> arguments = module.syntax().arguments(call);
            query.table =
                arguments.empty() ? nullptr : drizzle_table(module, schema, arguments.front());
        }
    }
    for (const auto& [name, call] : links) {
        reader.read_link(name, call);
    }
    mark_unique(query);
}

void read_drizzle_relational(const Module& module, const Schema& schema, CodeQuery& query) {
    const std::vector<NodeId> arguments = module.syntax().arguments(query.call);
    DrizzleReader(module, schema, query)
        .read_relational(arguments.empty() ? kNoNode : arguments.front());
    mark_unique(query);
}

}  // namespace howdah::insight
