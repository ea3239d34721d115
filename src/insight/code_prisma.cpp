// read_prisma_options: where, include, select, take, skip, orderBy of a Prisma call.
#include <algorithm>
#include <array>

#include "insight/code_query.hpp"

namespace howdah::insight {
namespace {

class OptionReader {
  public:
    OptionReader(const Module& module, const Schema& schema, CodeQuery& query)
        : module_(module), syntax_(module.syntax()), schema_(schema), query_(query) {}

    void read(NodeId options);

  private:
    struct Where {
        const Table* table = nullptr;
        bool relation = false;
        int alternative = 0;
    };
    void read_where(NodeId where, Where at);
    void read_or(NodeId list, Where at);
    void read_field(NodeId pair, Where at);
    void read_filter(NodeId filter, Condition condition);
    void read_includes(NodeId includes, const Table* table, int depth, bool select);
    void read_include(NodeId pair, const Table* table, int depth, bool select);
    void read_order(NodeId order);
    bool is_pinned(NodeId where, const Table* table) const;
    const Table* related(const Table* table, std::string_view field) const;
    bool is_relation(const Table* table, std::string_view field, NodeId value) const;

    const Module& module_;
    const Syntax& syntax_;
    const Schema& schema_;
    CodeQuery& query_;
    int alternatives_ = 0;
};

void OptionReader::read(NodeId options) {
    if (options == kNoNode) {
        return;
    }
    const NodeId object = module_.value_of(options);
    if (!syntax_.is(object, Kind::kObject)) {
        query_.open = true;
        return;
    }
    query_.open = syntax_.has_spread(object);
    const auto given = [&](std::string_view key) {
        const NodeId value = syntax_.property(object, key);
        return syntax_.is(value, Kind::kUndefined) ? kNoNode : value;
    };
    query_.limit = given("take");
    query_.limited = query_.limit != kNoNode;
    query_.cursor = given("cursor") != kNoNode;
    query_.offset = given("skip");
    query_.grouped = given("by") != kNoNode;
    query_.projected = given("select") != kNoNode || given("omit") != kNoNode;
    const NodeId where = given("where");
    query_.has_where = where != kNoNode;
    if (where != kNoNode) {
        const NodeId value = module_.value_of(where);
        query_.empty_where = syntax_.is(value, Kind::kObject) && syntax_.children(value).empty();
        read_where(where, {.table = query_.table});
    }
    read_includes(given("include"), query_.table, 1, false);
    read_includes(given("select"), query_.table, 1, true);
    read_order(given("orderBy"));
    const NodeId data = module_.value_of(given("data"));
    query_.many_values = syntax_.is(data, Kind::kArray);
}

const Table* OptionReader::related(const Table* table, std::string_view field) const {
    const Relation* relation = table == nullptr ? nullptr : table->relation(field);
    return relation == nullptr ? nullptr : schema_.find(relation->table);
}

// Without a schema: an object with some, every, none, is, isNot is a relation's filter.
bool OptionReader::is_relation(const Table* table, std::string_view field, NodeId value) const {
    if (table != nullptr && !table->columns.empty()) {
        return table->relation(field) != nullptr;
    }
    for (const std::string_view key : {"some", "every", "none", "is", "isNot"}) {
        if (syntax_.property(value, key) != kNoNode) {
            return true;
        }
    }
    return false;
}

void OptionReader::read_where(NodeId where, Where at) {
    const NodeId object = module_.value_of(where);
    if (!syntax_.is(object, Kind::kObject)) {
        query_.open = true;
        return;
    }
    query_.open = query_.open || syntax_.has_spread(object);
    for (const NodeId pair : syntax_.children(object)) {
        const std::string_view key = syntax_.key(pair);
        if (key == "AND") {
            const NodeId value = module_.value_of(syntax_.value(pair));
            if (syntax_.is(value, Kind::kArray)) {
                for (const NodeId each : syntax_.children(value)) {
                    read_where(each, at);
                }
            } else if (value != kNoNode) {
                read_where(value, at);
            }
        } else if (key == "OR") {
            read_or(syntax_.value(pair), at);
        } else if (key == "NOT") {
            query_.negation = pair;
        } else if (!key.empty()) {
            read_field(pair, at);
        }
    }
}

void OptionReader::read_or(NodeId list, Where at) {
    const NodeId value = module_.value_of(list);
    if (!syntax_.is(value, Kind::kArray)) {
        query_.open = true;
        return;
    }
    for (const NodeId each : syntax_.children(value)) {
        Where arm = at;
        arm.alternative = at.alternative != 0 ? at.alternative : ++alternatives_;
        read_where(each, arm);
    }
}

void OptionReader::read_field(NodeId pair, Where at) {
    const std::string_view field = syntax_.key(pair);
    const NodeId value = syntax_.value(pair);
    if (is_relation(at.table, field, value)) {
        const Relation* relation = at.table == nullptr ? nullptr : at.table->relation(field);
        if (relation != nullptr && !at.relation && at.alternative == 0) {
            query_.filtered.push_back(relation);
        }
        Where inner = at;
        inner.table = related(at.table, field);
        inner.relation = true;
        // The foreign key on this side or the other is what the join goes by.
        NodeId filter = value;
        for (const std::string_view key : {"some", "every", "none", "is", "isNot"}) {
            if (const NodeId found = syntax_.property(value, key); found != kNoNode) {
                filter = found;
            }
        }
        if (module_.value_of(filter) != kNoNode &&
            syntax_.is(module_.value_of(filter), Kind::kObject)) {
            read_where(filter, inner);
        } else if (!syntax_.is(syntax_.bare(filter), Kind::kNull)) {
            query_.open = true;  // { envelope: envelopeWhere }
        }
        return;
    }
    Condition condition{.table = at.table, .column = std::string(field), .node = pair};
    condition.relation = at.relation;
    condition.alternative = at.alternative;
    if (const Column* column = at.table == nullptr ? nullptr : at.table->field(field)) {
        condition.column = column->name;
    }
    const NodeId filter = syntax_.bare(value);
    if (!syntax_.is(filter, Kind::kObject)) {
        condition.test = syntax_.is(filter, Kind::kNull) ? Test::kNull : Test::kEquals;
        condition.value = value;
        query_.conditions.push_back(std::move(condition));
        return;
    }
    // { tenantId_slug: { tenantId, slug } }: a compound unique key
    const bool compound = at.table != nullptr && at.table->field(field) == nullptr &&
                          syntax_.property(filter, "equals") == kNoNode;
    if (compound) {
        for (const NodeId part : syntax_.children(filter)) {
            Condition each = condition;
            const Column* column = at.table->field(syntax_.key(part));
            each.column = column != nullptr ? column->name : std::string(syntax_.key(part));
            each.test = Test::kEquals;
            each.value = syntax_.value(part);
            query_.conditions.push_back(std::move(each));
        }
        return;
    }
    read_filter(filter, std::move(condition));
}

void OptionReader::read_filter(NodeId filter, Condition condition) {
    struct Operator {
        std::string_view name;
        Test test;
    };
    static constexpr auto kOperators = std::to_array<Operator>({
        {"equals", Test::kEquals},
        {"in", Test::kEquals},
        {"notIn", Test::kUnequal},
        {"not", Test::kUnequal},
        {"lt", Test::kRange},
        {"lte", Test::kRange},
        {"gt", Test::kRange},
        {"gte", Test::kRange},
        {"startsWith", Test::kRange},
        {"contains", Test::kWildcard},
        {"endsWith", Test::kWildcard},
        {"has", Test::kOperator},
        {"hasSome", Test::kOperator},
        {"hasEvery", Test::kOperator},
        {"isEmpty", Test::kOperator},
        {"search", Test::kOperator},
        {"path", Test::kOperator},
        {"array_contains", Test::kOperator},
        {"string_contains", Test::kOperator},
    });
    condition.insensitive = syntax_.string(syntax_.property(filter, "mode")) == "insensitive";
    bool read = false;
    for (const NodeId pair : syntax_.children(filter)) {
        const auto found = std::ranges::find(kOperators, syntax_.key(pair), &Operator::name);
        if (found == kOperators.end()) {
            continue;
        }
        Condition each = condition;
        each.test = found->test;
        each.list = found->name == "in";
        each.value = syntax_.value(pair);
        each.node = pair;
        read = true;
        query_.conditions.push_back(std::move(each));
    }
    if (!read) {
        query_.conditions.push_back(std::move(condition));
    }
}

void OptionReader::read_includes(NodeId includes, const Table* table, int depth, bool select) {
    const NodeId object = module_.value_of(includes);
    if (includes == kNoNode || !syntax_.is(object, Kind::kObject)) {
        query_.open = query_.open || (includes != kNoNode && !select);
        return;
    }
    for (const NodeId pair : syntax_.children(object)) {
        read_include(pair, table, depth, select);
    }
}

// include: { members: { where: { userId } } }: at most one row, where that is unique with the key
// that leads here.
bool OptionReader::is_pinned(NodeId where, const Table* table) const {
    const NodeId object = where == kNoNode ? kNoNode : module_.value_of(where);
    if (table == nullptr || !syntax_.is(object, Kind::kObject)) {
        return false;
    }
    std::vector<std::string> equal;
    for (const NodeId pair : syntax_.children(object)) {
        const Column* column = table->field(syntax_.key(pair));
        const NodeId value = syntax_.bare(syntax_.value(pair));
        if (column != nullptr && value != kNoNode && !syntax_.is(value, Kind::kObject)) {
            equal.push_back(column->name);
        }
    }
    for (const ForeignKey& key : table->foreign_keys) {
        if (query_.table != nullptr && key.columns.size() == 1 &&
            schema_.find(key.table) == query_.table) {
            std::vector<std::string> with_key = equal;
            with_key.push_back(key.columns.front());
            if (!equal.empty() && table->is_unique(with_key)) {
                return true;
            }
        }
    }
    return table->is_unique(equal);
}

void OptionReader::read_include(NodeId pair, const Table* table, int depth, bool select) {
    const std::string_view field = syntax_.key(pair);
    const NodeId value = module_.value_of(syntax_.value(pair));
    if (field == "_count" && depth > 1 && query_.nested_count == kNoNode) {
        query_.nested_count = pair;
    }
    if (field.empty() || field == "_count" || syntax_.is(value, Kind::kFalse)) {
        return;
    }
    const Relation* relation = table == nullptr ? nullptr : table->relation(field);
    const bool known = table != nullptr && !table->relations.empty();
    const bool nested = syntax_.is(value, Kind::kObject);
    // In a select, `name: true` is a column; a relation has options, or the schema says so.
    if (select && relation == nullptr && (known || !nested)) {
        return;
    }
    Include include{.node = pair, .field = field, .depth = depth};
    include.table = relation == nullptr ? nullptr : schema_.find(relation->table);
    include.to_many = relation != nullptr && relation->to_many;
    if (nested) {
        include.limited = syntax_.property(value, "take") != kNoNode || syntax_.has_spread(value) ||
                          is_pinned(syntax_.property(value, "where"), include.table);
        include.projected = syntax_.property(value, "select") != kNoNode;
        include.filtered = syntax_.property(value, "where") != kNoNode;
    } else if (!syntax_.is(value, Kind::kTrue)) {
        include.limited = true;  // not in sight
    }
    query_.include_depth = std::max(query_.include_depth, depth);
    if (depth == 3 && query_.deepest == kNoNode) {
        query_.deepest = pair;
    }
    query_.includes.push_back(include);
    if (nested) {
        read_includes(syntax_.property(value, "include"), include.table, depth + 1, false);
        read_includes(syntax_.property(value, "select"), include.table, depth + 1, true);
    }
}

void OptionReader::read_order(NodeId order) {
    if (order == kNoNode) {
        return;
    }
    const NodeId value = module_.value_of(order);
    const std::vector<NodeId> items =
        syntax_.is(value, Kind::kArray) ? syntax_.children(value) : std::vector<NodeId>{value};
    for (const NodeId item : items) {
        const NodeId object = item == kNoNode ? kNoNode : module_.value_of(item);
        if (!syntax_.is(object, Kind::kObject)) {
            continue;
        }
        for (const NodeId pair : syntax_.children(object)) {
            const std::string_view field = syntax_.key(pair);
            const Column* column = query_.table == nullptr ? nullptr : query_.table->field(field);
            const NodeId direction = syntax_.value(pair);
            OrderUse use{.column = column != nullptr ? column->name : std::string(field),
                         .node = pair};
            use.relation = syntax_.is(direction, Kind::kObject) &&
                           syntax_.property(direction, "sort") == kNoNode;
            query_.order.push_back(std::move(use));
        }
    }
}

// prisma.user.findUnique({...}).posts({ take: 5 })
bool is_fluent(const Syntax& syntax, NodeId call) {
    const NodeId member = syntax.parent(call);
    if (!syntax.is(member, Kind::kMember) || syntax.field(call) != Field::kObject ||
        !syntax.is(syntax.parent(member), Kind::kCall)) {
        return false;
    }
    const std::string_view name = syntax.text(syntax.child(member, Field::kProperty));
    return name != "then" && name != "catch" && name != "finally";
}

}  // namespace

void read_prisma_options(const Module& module, const Schema& schema, CodeQuery& query) {
    const std::vector<NodeId> arguments = module.syntax().arguments(query.call);
    OptionReader(module, schema, query).read(arguments.empty() ? kNoNode : arguments.front());
    query.fluent = query.by_unique && is_fluent(module.syntax(), query.call);
    if (query.table != nullptr) {
        std::vector<std::string> equal;
        for (const Condition& condition : query.conditions) {
            if (condition.test == Test::kEquals && !condition.relation &&
                condition.alternative == 0) {
                equal.push_back(condition.column);
            }
        }
        query.by_unique = query.by_unique || query.table->is_unique(equal);
    }
}

}  // namespace howdah::insight
