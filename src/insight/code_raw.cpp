// read_sql_text: SQL inside strings and templates, values replaced by $n.
#include <algorithm>
#include <array>
#include <cctype>

#include "insight/code_query.hpp"
#include "sql/names.hpp"

namespace howdah::insight {
namespace {

bool starts_like_sql(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n(");
    if (begin == std::string_view::npos) {
        return false;
    }
    std::string word;
    for (std::size_t i = begin; i < text.size() && word.size() < 10; ++i) {
        if (std::isalpha(static_cast<unsigned char>(text[i])) == 0) {
            break;
        }
        word += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
    }
    static constexpr auto kWords = std::to_array<std::string_view>(
        {"select", "insert", "update", "delete", "with", "merge", "values"});
    return std::ranges::find(kWords, word) != kWords.end() && text.size() > begin + word.size() + 4;
}

// email.toLowerCase(), Number(id): a value, whatever it is; no piece of SQL.
bool gives_value(std::string_view function) {
    static constexpr auto kFunctions = std::to_array<std::string_view>(
        {"toLowerCase", "toUpperCase", "trim", "toISOString", "getTime", "String", "Number",
         "BigInt", "parseInt", "parseFloat", "stringify"});
    return std::ranges::find(kFunctions, function) != kFunctions.end();
}

class SqlText {
  public:
    SqlText(const Module& module, const Schema& schema, CodeQuery& query)
        : module_(module), syntax_(module.syntax()), schema_(schema), query_(query) {}

    bool read(NodeId literal) { return read_piece(literal) && starts_like_sql(query_.sql); }
    bool read_piece(NodeId literal) {
        query_.sql_certain = true;
        return add(literal, 0);
    }

  private:
    bool add(NodeId node, int depth);
    void add_template(NodeId node);
    void add_substitution(NodeId node);
    void add_piece(Range range);
    bool add_constant(NodeId node);
    void paste(NodeId node, bool suspected);
    bool is_assembled(NodeId node) const;
    bool stands_for_name(std::size_t end) const;
    bool is_constant(NodeId node, int depth) const;
    bool names_its_values(const Binding& parameter) const;
    bool is_literal_type(NodeId type, int depth) const;
    bool is_placeholders(NodeId call, int depth) const;
    bool is_fixed_template(NodeId made, const std::vector<const Binding*>& element,
                           int depth) const;
    bool only_constants_pushed(const Binding& list, int depth) const;
    // A table or column of Drizzle by its SQL name; "" for anything else.
    std::string sql_name(NodeId node) const;

    const Module& module_;
    const Syntax& syntax_;
    const Schema& schema_;
    CodeQuery& query_;
    int parameters_ = 0;
    static constexpr int kTypesMax =
        16;  // names of types that are looked up among the file's statements
    mutable int types_looked_up_ = 0;
};

void SqlText::add_piece(Range range) {
    query_.pieces.emplace_back(query_.sql.size(), range);
    const std::string_view text = syntax_.text().substr(range.begin, range.end - range.begin);
    // Escapes keep their length: \n becomes two blanks, \' a blank and the quote.
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            query_.sql += text[i];
            continue;
        }
        const char next = text[++i];
        query_.sql += ' ';
        query_.sql += std::isalpha(static_cast<unsigned char>(next)) != 0 ? ' ' : next;
    }
}

std::string SqlText::sql_name(NodeId node) const {
    if (const Table* table = drizzle_table(module_, schema_, node)) {
        query_.tables.insert(table);
        return sql::qualified_name_in_sql(table->name);
    }
    if (!syntax_.is(node, Kind::kMember)) {
        return {};
    }
    const Table* table = drizzle_table(module_, schema_, syntax_.child(node, Field::kObject));
    const NodeId name = syntax_.child(node, Field::kProperty);
    const Column* column =
        table == nullptr || name == kNoNode ? nullptr : table->field(syntax_.text(name));
    if (column == nullptr) {
        return {};
    }
    query_.tables.insert(table);
    return sql::qualified_name_in_sql(table->name) + "." + sql::name_in_sql(column->name);
}

void SqlText::add_substitution(NodeId substitution) {
    const std::vector<NodeId> inner = syntax_.children(substitution);
    const NodeId node = inner.empty() ? kNoNode : syntax_.bare(inner.front());
    query_.pieces.emplace_back(query_.sql.size(), syntax_.range(substitution));
    if (node != kNoNode) {
        if (const std::string name = sql_name(node); !name.empty()) {
            query_.sql += name;
            return;
        }
    }
    if (node != kNoNode && add_constant(node)) {
        return;
    }
    // sql.raw(x), Prisma.join(ids), sql(rows): text or lists that only the run knows
    if ((syntax_.is(node, Kind::kCall) && !gives_value(syntax_.callee(node))) ||
        syntax_.is(node, Kind::kTernary)) {
        query_.sql_certain = false;
    }
    const bool name = stands_for_name(syntax_.range(substitution).end);
    query_.sql_certain = query_.sql_certain && !name;
    query_.sql += "$" + std::to_string(++parameters_);
    paste(substitution, name || is_assembled(node));
}

void SqlText::paste(NodeId node, bool suspected) {
    const bool first = !query_.pasted;
    if (first || (query_.pasted_suspected && !suspected)) {
        query_.pasted_node = node;
        query_.pasted_suspected = suspected;
    }
    query_.pasted = true;
}

// update "${table}", from ${schema}.users, join ${table}: no parameter can be a name. `end`: of the
// substitution, in the file.
bool SqlText::stands_for_name(std::size_t end) const {
    const std::string_view rest = syntax_.text().substr(end);
    std::string_view sql = query_.sql;
    if (sql.ends_with('"') || sql.ends_with('.') ||
        (rest.size() > 1 && rest[0] == '.' &&
         (std::isalpha(static_cast<unsigned char>(rest[1])) != 0 || rest[1] == '"' ||
          rest[1] == '_' || rest[1] == '$'))) {
        return true;
    }
    const std::size_t last = sql.find_last_not_of(" \t\r\n");
    if (last == std::string_view::npos || last + 1 == sql.size()) {
        return false;
    }
    sql = sql.substr(0, last + 1);
    const std::size_t begin = sql.find_last_of(" \t\r\n(") + 1;  // npos + 1 is 0
    std::string word(sql.substr(begin));
    std::ranges::transform(word, word.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    static constexpr auto kBefore =
        std::to_array<std::string_view>({"from", "join", "into", "update", "table", "only"});
    return std::ranges::find(kBefore, word) != kBefore.end();
}

// parts.join(', '), cond ? a : b, build(x): a piece of SQL rather than a value.
bool SqlText::is_assembled(NodeId node) const {
    return syntax_.is(node, Kind::kCall) || syntax_.is(node, Kind::kTernary);
}

// What only the program's own text decides: literals, and choices among them.
bool SqlText::is_constant(NodeId node, int depth) const {
    node = syntax_.bare(node);
    if (node == kNoNode || depth > 8) {
        return false;
    }
    const auto all = [&](NodeId list) {
        const std::vector<NodeId> items = syntax_.children(list);
        return !items.empty() && std::ranges::all_of(items, [&](NodeId item) {
            return is_constant(syntax_.is(item, Kind::kPair) ? syntax_.value(item) : item,
                               depth + 1);
        });
    };
    switch (syntax_.kind(node)) {
        case Kind::kString:
        case Kind::kNumber:
            return true;
        case Kind::kTernary: {
            const std::vector<NodeId> parts = syntax_.children(node);
            return parts.size() == 3 && is_constant(parts[1], depth + 1) &&
                   is_constant(parts[2], depth + 1);
        }
        case Kind::kTemplate:
            return is_fixed_template(node, {}, depth + 1);
        case Kind::kArray:
            return syntax_.children(node).empty() || all(node);
        case Kind::kBinary:
        case Kind::kObject:
            return all(node);
        case Kind::kMember:
        case Kind::kSubscript:  // ORDERS[key]
            return is_constant(syntax_.child(node, Field::kObject), depth + 1);
        case Kind::kCall:
            return is_placeholders(node, depth + 1);
        case Kind::kIdentifier: {
            const Binding* binding = module_.resolve(node);
            if (binding == nullptr) {
                return false;
            }
            if (binding->parameter) {
                return names_its_values(*binding);
            }
            const NodeId value = module_.value_of(node);
            const NodeId loop = binding->scope;
            if (syntax_.is(value, Kind::kArray) && !only_constants_pushed(*binding, depth + 1)) {
                return false;
            }
            return value != kNoNode
                       ? is_constant(value, depth + 1)
                       : syntax_.is(loop, Kind::kForIn) &&
                             is_constant(module_.value_of(syntax_.child(loop, Field::kRight)),
                                         depth + 1);
        }
        default:
            return false;
    }
}

// 'asc' | 'desc', and names of such types in the same file.
bool SqlText::is_literal_type(NodeId type, int depth) const {
    if (type == kNoNode || depth > 8) {
        return false;
    }
    const std::vector<NodeId> parts = syntax_.children(type);
    switch (syntax_.kind(type)) {
        case Kind::kTypeAnnotation:
        case Kind::kParenthesizedType:
        case Kind::kUnionType:
            return !parts.empty() && std::ranges::all_of(parts, [&](NodeId part) {
                return is_literal_type(part, depth + 1);
            });
        case Kind::kLiteralType:
            return true;
        case Kind::kTypeName:
            if (++types_looked_up_ > kTypesMax) {
                return false;
            }
            for (NodeId at = syntax_.first_child(0); at != kNoNode; at = syntax_.next(at)) {
                const NodeId alias =
                    syntax_.is(at, Kind::kExport) ? syntax_.child(at, Field::kDeclaration) : at;
                const NodeId name = syntax_.is(alias, Kind::kTypeAlias)
                                        ? syntax_.child(alias, Field::kName)
                                        : kNoNode;
                if (name != kNoNode && syntax_.text(name) == syntax_.text(type)) {
                    return is_literal_type(syntax_.child(alias, Field::kValue), depth + 1);
                }
            }
            return false;
        default:
            return false;
    }
}

// sort(column: 'name' | 'price'), sort({ dir }: { dir: 'asc' | 'desc' }): whoever calls it says one
// of these.
bool SqlText::names_its_values(const Binding& parameter) const {
    NodeId at = parameter.node;
    while (at != kNoNode && !syntax_.is(at, Kind::kRequiredParameter) &&
           !syntax_.is(at, Kind::kOptionalParameter)) {
        if (is_function(syntax_.kind(at))) {
            return false;
        }
        at = syntax_.parent(at);
    }
    const NodeId pattern = syntax_.child(at, Field::kPattern);
    const NodeId annotation = syntax_.child(at, Field::kType);
    if (pattern == parameter.node) {
        return is_literal_type(annotation, 0);
    }
    const NodeId type = syntax_.first_child(annotation);
    if (!syntax_.is(pattern, Kind::kObjectPattern) || !syntax_.is(type, Kind::kObjectType) ||
        syntax_.parent(parameter.node) != pattern) {
        return false;
    }
    return std::ranges::any_of(syntax_.children(type), [&](NodeId property) {
        const NodeId name = syntax_.child(property, Field::kName);
        return syntax_.is(property, Kind::kPropertySignature) && name != kNoNode &&
               syntax_.text(name) == parameter.name &&
               is_literal_type(syntax_.child(property, Field::kType), 0);
    });
}

// ids.map(() => '?').join(', '), ids.map((_, i) => `$${i + 1}`), '?,'.repeat(n): as many signs as
// there are values, whatever these are.
bool SqlText::is_placeholders(NodeId call, int depth) const {
    const std::string_view name = syntax_.callee(call);
    const NodeId function = syntax_.bare(syntax_.child(call, Field::kFunction));
    const std::vector<NodeId> arguments = syntax_.arguments(call);
    if (!syntax_.is(function, Kind::kMember) || arguments.empty()) {
        return false;
    }
    if (name == "join" || name == "repeat") {
        return is_constant(syntax_.child(function, Field::kObject), depth);
    }
    if (name == "fill") {
        return is_constant(arguments.front(), depth);
    }
    const NodeId callback = syntax_.bare(arguments.front());
    if (name != "map" || !syntax_.is(callback, Kind::kArrow)) {
        return false;
    }
    NodeId made = syntax_.bare(syntax_.child(callback, Field::kBody));
    if (syntax_.is(made, Kind::kBlock)) {
        const std::vector<NodeId> statements = syntax_.children(made);
        const NodeId last = statements.empty() ? kNoNode : statements.back();
        made = syntax_.is(last, Kind::kReturn) ? syntax_.bare(syntax_.first_child(last)) : kNoNode;
    }
    const std::vector<NodeId> parameters =
        syntax_.children(syntax_.child(callback, Field::kParameters));
    const NodeId element =
        parameters.empty() ? syntax_.child(callback, Field::kParameter) : parameters.front();
    return syntax_.is(made, Kind::kTemplate)
               ? is_fixed_template(made, module_.bound_in(element), depth)
               : is_constant(made, depth);
}

// A template of constants and of numbers behind a $, which say nothing of an element.
bool SqlText::is_fixed_template(NodeId made, const std::vector<const Binding*>& element,
                                int depth) const {
    return std::ranges::all_of(syntax_.children(made), [&](NodeId part) {
        if (!syntax_.is(part, Kind::kSubstitution)) {
            return true;
        }
        const std::size_t begin = syntax_.range(part).begin;
        const bool number = begin > 0 && syntax_.text()[begin - 1] == '$';
        return (number && !module_.names_any(part, element)) ||
               is_constant(syntax_.first_child(part), depth);
    });
}

// const parts = []; if (name) parts.push(`name = $${n}`);
bool SqlText::only_constants_pushed(const Binding& list, int depth) const {
    for (NodeId at = list.scope; at < syntax_.after(list.scope); ++at) {
        if (!syntax_.is(at, Kind::kCall) || syntax_.callee(at) != "push") {
            continue;
        }
        const NodeId function = syntax_.bare(syntax_.child(at, Field::kFunction));
        const NodeId object = syntax_.bare(syntax_.child(function, Field::kObject));
        if (!syntax_.is(object, Kind::kIdentifier) || module_.resolve(object) != &list) {
            continue;
        }
        const std::vector<NodeId> arguments = syntax_.arguments(at);
        if (!std::ranges::all_of(arguments,
                                 [&](NodeId each) { return is_constant(each, depth); })) {
            return false;
        }
    }
    return true;
}

// A constant is part of the statement; the number of a parameter is no value at all.
bool SqlText::add_constant(NodeId node) {
    if (query_.sql.ends_with('$')) {  // $${index}
        query_.sql += std::to_string(++parameters_);
        return true;
    }
    if (!is_constant(node, 0)) {
        return false;
    }
    const NodeId value = module_.value_of(node);
    if (syntax_.is(value, Kind::kString)) {
        query_.sql += syntax_.string(value);
    } else if (syntax_.is(value, Kind::kNumber)) {
        query_.sql += syntax_.text(value);
    } else {
        query_.sql += "$" + std::to_string(++parameters_);
        query_.sql_certain = false;
    }
    return true;
}

void SqlText::add_template(NodeId node) {
    std::size_t at = syntax_.range(node).begin + 1;
    const std::size_t end = syntax_.range(node).end - 1;
    for (const NodeId part : syntax_.children(node)) {
        if (!syntax_.is(part, Kind::kSubstitution)) {
            continue;
        }
        add_piece({at, syntax_.range(part).begin});
        add_substitution(part);
        at = syntax_.range(part).end;
    }
    if (at < end) {
        add_piece({at, end});
    }
}

bool SqlText::add(NodeId node, int depth) {
    node = syntax_.bare(node);
    if (node == kNoNode || depth > 16) {
        return false;
    }
    if (syntax_.is(node, Kind::kTemplate)) {
        add_template(node);
        return true;
    }
    if (syntax_.is(node, Kind::kString)) {
        const Range range = syntax_.range(node);
        if (range.end - range.begin >= 2) {
            add_piece({range.begin + 1, range.end - 1});
        }
        return true;
    }
    if (syntax_.is(node, Kind::kBinary)) {  // 'select ... ' + where
        if (!add(syntax_.child(node, Field::kLeft), depth + 1)) {
            return false;
        }
        const NodeId right = syntax_.bare(syntax_.child(node, Field::kRight));
        if (syntax_.is(right, Kind::kString) || syntax_.is(right, Kind::kTemplate)) {
            return add(right, depth + 1);
        }
        query_.pieces.emplace_back(query_.sql.size(), syntax_.range(right));
        if (!add_constant(right)) {
            query_.sql += "$" + std::to_string(++parameters_);
            query_.sql_certain = false;
            paste(right, is_assembled(right));
        }
        return true;
    }
    return false;
}

}  // namespace

bool read_sql_text(const Module& module, const Schema& schema, NodeId literal, CodeQuery& query) {
    return SqlText(module, schema, query).read(literal);
}

bool read_sql_piece(const Module& module, const Schema& schema, NodeId literal, CodeQuery& query) {
    return SqlText(module, schema, query).read_piece(literal);
}

}  // namespace howdah::insight
