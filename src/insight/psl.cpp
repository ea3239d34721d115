#include "insight/psl.hpp"

#include <algorithm>
#include <cctype>

namespace howdah::insight {
namespace {

enum class TokenKind : std::uint8_t { kWord, kString, kPunct, kNewline, kEnd };

struct Token {
    TokenKind kind = TokenKind::kEnd;
    std::size_t begin = 0;
    std::size_t end = 0;
};

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' ||
           static_cast<unsigned char>(c) >= 0x80U;
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) { advance(); }
    PslFile parse();

  private:
    void advance();
    bool at_punct(char c) const {
        return token_.kind == TokenKind::kPunct && text_[token_.begin] == c;
    }
    bool take(char c) {
        const bool there = at_punct(c);
        if (there) {
            advance();
        }
        return there;
    }
    std::string word();
    void skip_line();
    void skip_block();
    void parse_model(bool view);
    bool parse_field(PslModel& model);
    bool parse_attribute(PslAttribute& attribute);
    void parse_arguments(PslAttribute& attribute);
    void parse_value(PslArgument& argument);
    void skip_parentheses(PslArgument& argument);

    std::string_view text_;
    std::size_t at_ = 0;
    Token token_;
    PslFile file_;
};

void Parser::advance() {
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\0') {
            ++at_;
        } else if (text_.substr(at_).starts_with("//")) {
            const std::size_t end = std::min(text_.find('\n', at_), text_.size());
            file_.comments.push_back({at_, end});
            at_ = end;
        } else if (text_.substr(at_).starts_with("/*")) {
            const std::size_t end = text_.find("*/", at_ + 2);
            file_.comments.push_back({at_, end == std::string_view::npos ? text_.size() : end + 2});
            at_ = file_.comments.back().end;
        } else {
            break;
        }
    }
    token_ = {.kind = TokenKind::kEnd, .begin = at_, .end = at_};
    if (at_ >= text_.size()) {
        return;
    }
    const char c = text_[at_];
    if (c == '\n') {
        token_.kind = TokenKind::kNewline;
        ++at_;
    } else if (c == '"') {
        token_.kind = TokenKind::kString;
        for (++at_; at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\n'; ++at_) {
            at_ += text_[at_] == '\\' && at_ + 1 < text_.size() ? 1 : 0;
        }
        at_ = std::min(at_ + 1, text_.size());
    } else if (is_word(c)) {
        token_.kind = TokenKind::kWord;
        while (at_ < text_.size() && is_word(text_[at_])) {
            ++at_;
        }
    } else {
        token_.kind = TokenKind::kPunct;
        ++at_;
    }
    token_.end = at_;
}

// The current word or string, quotes taken off, and on to the next token; "" for anything else.
std::string Parser::word() {
    std::string found;
    if (token_.kind == TokenKind::kWord) {
        found = text_.substr(token_.begin, token_.end - token_.begin);
    } else if (token_.kind == TokenKind::kString) {
        const std::string_view inner =
            text_.substr(token_.begin + 1, token_.end - token_.begin - 1);
        found = inner.ends_with('"') ? inner.substr(0, inner.size() - 1) : inner;
    } else {
        return {};
    }
    advance();
    return found;
}

void Parser::skip_line() {
    while (token_.kind != TokenKind::kNewline && token_.kind != TokenKind::kEnd && !at_punct('}')) {
        advance();
    }
}

void Parser::skip_block() {
    for (int depth = 0; token_.kind != TokenKind::kEnd; advance()) {
        depth += at_punct('{') ? 1 : at_punct('}') ? -1 : 0;
        if (depth == 0 && at_punct('}')) {
            advance();
            return;
        }
    }
}

PslFile Parser::parse() {
    while (token_.kind != TokenKind::kEnd) {
        const std::size_t begin = token_.begin;
        const std::string keyword = word();
        if (keyword == "model" || keyword == "view") {
            parse_model(keyword == "view");
        } else if (keyword == "enum") {
            file_.enums.push_back(word());
            skip_block();
        } else if (keyword == "datasource" || keyword == "generator" || keyword == "type") {
            skip_block();
        } else if (!keyword.empty()) {
            skip_line();
            file_.errors.push_back({begin, token_.begin});
        } else if (token_.kind == TokenKind::kPunct) {
            file_.errors.push_back({token_.begin, token_.end});
            advance();
            skip_line();
            take('}');
        } else {
            advance();
        }
    }
    return std::move(file_);
}

void Parser::parse_model(bool view) {
    PslModel model{.name = word(), .view = view};
    if (!take('{')) {
        file_.errors.push_back({token_.begin, token_.end});
        skip_line();
        return;
    }
    while (token_.kind != TokenKind::kEnd && !at_punct('}')) {
        if (token_.kind == TokenKind::kNewline) {
            advance();
            continue;
        }
        const std::size_t begin = token_.begin;
        bool good = false;
        if (at_punct('@')) {
            PslAttribute attribute;
            good = parse_attribute(attribute);
            model.attributes.push_back(std::move(attribute));
        } else {
            good = parse_field(model);
        }
        if (!good) {
            skip_line();
            file_.errors.push_back({begin, token_.begin});
            if (token_.begin == begin && token_.kind != TokenKind::kEnd) {
                advance();
            }
        }
    }
    take('}');
    file_.models.push_back(std::move(model));
}

bool Parser::parse_field(PslModel& model) {
    PslField field{.range = {token_.begin, token_.begin}};
    field.name = word();
    field.type = word();
    if (field.name.empty() || field.type.empty()) {
        return false;
    }
    if (take('(')) {  // Unsupported("tsvector")
        word();
        if (!take(')')) {
            return false;
        }
    }
    if (take('[')) {
        field.list = take(']');
    }
    field.optional = take('?');
    while (at_punct('@')) {
        PslAttribute attribute;
        if (!parse_attribute(attribute)) {
            return false;
        }
        field.attributes.push_back(std::move(attribute));
    }
    field.range.end = std::max(token_.begin, field.range.begin);
    const std::string_view written =
        text_.substr(field.range.begin, field.range.end - field.range.begin);
    const std::size_t last = written.find_last_not_of(" \t\r\n");
    field.range.end = field.range.begin + (last == std::string_view::npos ? 0 : last + 1);
    model.fields.push_back(std::move(field));
    return token_.kind == TokenKind::kNewline || token_.kind == TokenKind::kEnd || at_punct('}');
}

// @name(arguments), @@name(arguments), @db.Name(arguments)
bool Parser::parse_attribute(PslAttribute& attribute) {
    while (take('@')) {
    }
    attribute.name = word();
    while (take('.')) {
        attribute.name += "." + word();
    }
    if (take('(')) {
        parse_arguments(attribute);
    }
    return !attribute.name.empty();
}

void Parser::parse_arguments(PslAttribute& attribute) {
    while (token_.kind != TokenKind::kEnd && !at_punct(')')) {
        if (token_.kind == TokenKind::kNewline || at_punct(',')) {
            advance();
            continue;
        }
        PslArgument argument;
        const std::size_t before = token_.begin;
        parse_value(argument);
        if (at_punct(':')) {
            advance();
            PslArgument named{.name = argument.text};
            parse_value(named);
            argument = std::move(named);
        }
        attribute.arguments.push_back(std::move(argument));
        if (token_.begin == before && token_.kind != TokenKind::kEnd) {
            advance();  // nothing that a value begins with
        }
    }
    take(')');
}

void Parser::parse_value(PslArgument& argument) {
    while (token_.kind == TokenKind::kNewline) {
        advance();
    }
    if (take('[')) {
        while (token_.kind != TokenKind::kEnd && !at_punct(']') && !at_punct('}')) {
            std::string name = word();
            while (take('.')) {
                name += "." + word();
            }
            if (!name.empty()) {
                argument.names.push_back(std::move(name));
                if (at_punct('(')) {
                    skip_parentheses(argument);
                }
            } else {
                advance();
            }
        }
        take(']');
        return;
    }
    argument.text = word();
    if (at_punct('(')) {  // env("X"), autoincrement()
        skip_parentheses(argument);
    }
}

void Parser::skip_parentheses(PslArgument& argument) {
    int depth = 0;
    const std::size_t begin = token_.begin;
    for (; token_.kind != TokenKind::kEnd; advance()) {
        depth += at_punct('(') ? 1 : at_punct(')') ? -1 : 0;
        if (depth == 0) {
            advance();
            break;
        }
    }
    argument.trigram = argument.trigram || text_.substr(begin, token_.begin - begin).find("trgm") !=
                                               std::string_view::npos;
}

std::string lower_first(std::string name) {
    if (!name.empty()) {
        name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
    }
    return name;
}

TypeClass class_of(const PslField& field, const std::vector<std::string>& enums) {
    const auto has = [&](std::string_view name) { return field.attribute(name) != nullptr; };
    if (field.list) {
        return TypeClass::kArray;
    }
    if (std::ranges::find(enums, field.type) != enums.end()) {
        return TypeClass::kEnum;
    }
    if (field.type == "String") {
        return has("db.Uuid")   ? TypeClass::kUuid
               : has("db.Char") ? TypeClass::kChar
                                : TypeClass::kText;
    }
    if (field.type == "DateTime") {
        return has("db.Date") ? TypeClass::kDate : TypeClass::kTimestamp;
    }
    struct Known {
        std::string_view name;
        TypeClass type;
    };
    for (const Known& known :
         {Known{"Boolean", TypeClass::kBoolean}, Known{"Int", TypeClass::kInteger},
          Known{"BigInt", TypeClass::kInteger}, Known{"Float", TypeClass::kFloat},
          Known{"Decimal", TypeClass::kNumeric}, Known{"Json", TypeClass::kJson},
          Known{"Bytes", TypeClass::kBytes}}) {
        if (known.name == field.type) {
            return known.type;
        }
    }
    return TypeClass::kOther;
}

const PslModel* find_model(const std::vector<PslSource>& files, std::string_view name) {
    for (const PslSource& each : files) {
        const auto found = std::ranges::find(each.file->models, name, &PslModel::name);
        if (found != each.file->models.end()) {
            return &*found;
        }
    }
    return nullptr;
}

std::string table_name(const PslModel& model) {
    std::string name = model.name;
    std::string schema;
    for (const PslAttribute& attribute : model.attributes) {
        const PslArgument* argument = attribute.argument("name");
        if (argument != nullptr && attribute.name == "map") {
            name = argument->text;
        } else if (argument != nullptr && attribute.name == "schema") {
            schema = argument->text;
        }
    }
    return canonical_name(schema, name);
}

std::string column_name(const PslModel& model, std::string_view field) {
    const auto found = std::ranges::find(model.fields, field, &PslField::name);
    const PslAttribute* map = found == model.fields.end() ? nullptr : found->attribute("map");
    const PslArgument* argument = map == nullptr ? nullptr : map->argument("name");
    return argument == nullptr ? std::string(field) : argument->text;
}

std::vector<std::string> column_names(const PslModel& model, const PslArgument* argument) {
    std::vector<std::string> names;
    if (argument != nullptr) {
        for (const std::string& field : argument->names) {
            names.push_back(column_name(model, field));
        }
        if (names.empty() && !argument->text.empty()) {  // @@index(authorId)
            names.push_back(column_name(model, argument->text));
        }
    }
    return names;
}

void add_index(Table& table, const std::vector<std::string>& columns, const PslAttribute* attribute,
               bool primary) {
    Index index{.unique = primary || attribute == nullptr || attribute->name == "unique",
                .primary = primary};
    for (const std::string& column : columns) {
        index.keys.push_back({.column = column});
    }
    if (attribute != nullptr) {
        for (const PslArgument& argument : attribute->arguments) {
            index.trigram = index.trigram || argument.trigram;
            if (argument.name == "type") {
                index.method = lower_first(argument.text);
            }
        }
    }
    if (!index.keys.empty()) {
        table.indexes.push_back(std::move(index));
    }
}

void add_relation(const PslModel& model, const PslField& field, const PslModel& other,
                  const SourceText& source, Table& table) {
    Relation relation{.field = field.name, .table = table_name(other), .to_many = field.list};
    const PslAttribute* attribute = field.attribute("relation");
    if (attribute != nullptr) {
        for (const PslArgument& argument : attribute->arguments) {
            if (argument.name == "fields") {
                relation.columns = column_names(model, &argument);
            }
        }
    }
    if (!relation.columns.empty()) {
        ForeignKey key{.columns = relation.columns, .table = relation.table};
        key.origin = Origin::kPrisma;
        key.place = source.place(field.range);
        table.foreign_keys.push_back(std::move(key));
    }
    table.relations.push_back(std::move(relation));
}

void add_model(const PslModel& model, const std::vector<PslSource>& files,
               const std::vector<std::string>& enums, const SourceText& source, Schema& schema) {
    Table& table = schema.at(table_name(model));
    table.view = model.view;
    table.models.push_back({.name = model.name, .accessor = lower_first(model.name)});
    for (const PslField& field : model.fields) {
        if (const PslModel* other = find_model(files, field.type)) {
            add_relation(model, field, *other, source, table);
            continue;
        }
        const std::string name = column_name(model, field.name);
        table.columns.push_back({.name = name,
                                 .field = field.name,
                                 .type = class_of(field, enums),
                                 .not_null = !field.optional});
        const std::vector<std::string> columns{name};
        if (field.attribute("id") != nullptr) {
            add_index(table, columns, nullptr, true);
        } else if (field.attribute("unique") != nullptr) {
            add_index(table, columns, nullptr, false);
        }
    }
    for (const PslAttribute& attribute : model.attributes) {
        if (attribute.name == "id" || attribute.name == "unique" || attribute.name == "index" ||
            attribute.name == "fulltext") {
            add_index(table, column_names(model, attribute.argument("fields")), &attribute,
                      attribute.name == "id");
        }
    }
}

}  // namespace

const PslArgument* PslAttribute::argument(std::string_view wanted) const {
    const auto named = std::ranges::find(arguments, wanted, &PslArgument::name);
    if (named != arguments.end()) {
        return &*named;
    }
    return arguments.empty() || !arguments.front().name.empty() ? nullptr : &arguments.front();
}

const PslAttribute* PslField::attribute(std::string_view wanted) const {
    const auto found = std::ranges::find(attributes, wanted, &PslAttribute::name);
    return found == attributes.end() ? nullptr : &*found;
}

PslFile parse_psl(std::string_view text) {
    return Parser(text).parse();
}

void add_psl(const std::vector<PslSource>& files, Schema& schema) {
    std::vector<std::string> enums;
    for (const PslSource& each : files) {
        enums.insert(enums.end(), each.file->enums.begin(), each.file->enums.end());
    }
    for (const PslSource& each : files) {
        for (const PslModel& model : each.file->models) {
            add_model(model, files, enums, *each.source, schema);
        }
    }
}

}  // namespace howdah::insight
