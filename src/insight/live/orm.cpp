#include "insight/live/orm.hpp"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "sql/tokens.hpp"

namespace howdah::insight::live {
namespace {

using sql::Token;
using sql::TokenKind;

constexpr std::size_t kTokensMax = 4000;
constexpr std::size_t kItemsMax = 64;

constexpr std::pair<std::string_view, Orm> kWords[] = {
    {"prisma", Orm::kPrisma},
    {"drizzle", Orm::kDrizzle},
    {"sqlalchemy", Orm::kSqlAlchemy},
    {"django", Orm::kDjango},
    {"rails", Orm::kRails},
    {"active_record", Orm::kRails},
    {"activerecord", Orm::kRails},
    {"hibernate", Orm::kHibernate},
    {"typeorm", Orm::kTypeOrm},
    {"sequelize", Orm::kSequelize},
    {"knex", Orm::kKnex},
};

Orm orm_of_word(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const auto& [word, orm] : kWords) {
        if (lower.find(word) != std::string::npos) {
            return orm;
        }
    }
    return Orm::kUnknown;
}

bool digits(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// One name or chain of names: "s"."t"."c" as c; t.*; anything else is `other`.
struct Item {
    std::vector<std::string_view> parts;  // without quotes; "*" last where it is one
    bool quoted = false;                  // all of them
    bool other = false;                   // more than names: a function, a literal
    std::string_view label;               // behind AS, without quotes
    bool label_quoted = false;
};

struct Texture {
    std::vector<Item> items;
    Item from;              // its label is the alias
    bool from_as = false;   // the alias stands behind AS
    std::string_view rest;  // of the text, behind the first table
};

// Reads "select ITEM, ITEM from TABLE ALIAS ..." off a normalized text.
class TextureReader {
  public:
    explicit TextureReader(std::string_view text) : text_(text) {
        sql::Lexer lexer(text);
        for (Token token = lexer.next_code();
             token.kind != TokenKind::kEnd && tokens_.size() < kTokensMax;
             token = lexer.next_code()) {
            tokens_.push_back(token);
        }
    }

    // False: no SELECT from anything. A FROM without names is a subquery.
    bool read(Texture& texture) {
        if (!word("select")) {
            return false;
        }
        ++at_;
        skip_distinct();
        while (at_ < tokens_.size() && !word("from")) {
            if (texture.items.size() >= kItemsMax) {
                return false;
            }
            texture.items.push_back(item());
            at_ += text(",") ? 1U : 0U;
        }
        if (!word("from")) {
            return false;
        }
        ++at_;
        texture.from = names();
        texture.from_as = word("as");
        at_ += texture.from_as ? 1U : 0U;
        if (is_name() && (texture.from_as || quoted() || !is_clause())) {
            take_label(texture.from);
        }
        texture.rest = at_ < tokens_.size() ? text_.substr(tokens_[at_].begin) : "";
        return !texture.items.empty();
    }

  private:
    bool text(std::string_view what) const {
        return at_ < tokens_.size() && tokens_[at_].in(text_) == what;
    }
    bool word(std::string_view what) const {
        return at_ < tokens_.size() && is_word(tokens_[at_], text_, what);
    }
    bool quoted() const {
        return at_ < tokens_.size() && tokens_[at_].kind == TokenKind::kQuotedWord;
    }
    bool is_name() const {
        return quoted() || (at_ < tokens_.size() && tokens_[at_].kind == TokenKind::kWord);
    }
    bool is_clause() const {
        constexpr std::string_view kClauses[] = {"where", "order",  "group",   "limit", "offset",
                                                 "left",  "right",  "inner",   "full",  "cross",
                                                 "join",  "on",     "having",  "union", "for",
                                                 "fetch", "window", "natural", "except"};
        return std::ranges::any_of(kClauses, [this](std::string_view each) { return word(each); });
    }
    // DISTINCT, or DISTINCT ON (...).
    void skip_distinct() {
        if (!word("distinct")) {
            return;
        }
        ++at_;
        if (!word("on")) {
            return;
        }
        ++at_;
        int depth = 0;
        do {
            depth += text("(") ? 1 : text(")") ? -1 : 0;
            ++at_;
        } while (depth > 0 && at_ < tokens_.size());
    }
    std::string_view bare() const {
        const std::string_view name = tokens_[at_].in(text_);
        return quoted() ? name.substr(1, name.size() - 2) : name;
    }
    void take_label(Item& item) {
        item.label = bare();
        item.label_quoted = quoted();
        ++at_;
    }
    Item names() {
        Item item;
        item.quoted = is_name();
        while (is_name() || text("*")) {
            item.quoted = item.quoted && (quoted() || text("*"));
            item.parts.push_back(bare());
            ++at_;
            if (!text(".")) {
                break;
            }
            ++at_;
        }
        return item;
    }
    // Up to the next comma outside of parentheses, or FROM.
    Item item() {
        Item item = names();
        int depth = 0;
        while (at_ < tokens_.size() && !(depth == 0 && (text(",") || word("from")))) {
            depth += text("(") ? 1 : text(")") ? -1 : 0;
            if (depth == 0 && word("as")) {
                ++at_;
                if (is_name()) {
                    take_label(item);
                    continue;
                }
            }
            item.other = item.other || !(text("::") || is_name());
            ++at_;
        }
        item.other = item.other || item.parts.empty();
        return item;
    }

    std::string_view text_;
    std::vector<Token> tokens_;
    std::size_t at_ = 0;
};

bool contains(std::string_view text, std::string_view words) {
    return text.find(words) != std::string_view::npos;
}

// The name that columns of the first table are qualified with.
std::string_view table_name(const Texture& texture) {
    const Item& from = texture.from;
    return !from.label.empty() || from.parts.empty() ? from.label : from.parts.back();
}

// All items that are columns have `parts` names, quoted; and there is one.
bool all_columns(const Texture& texture, std::size_t parts) {
    std::size_t columns = 0;
    for (const Item& item : texture.items) {
        if (item.other) {
            continue;
        }
        if (item.parts.size() != parts || !item.quoted || item.parts.back() == "*") {
            return false;
        }
        ++columns;
    }
    return columns > 0;
}

// "public"."orders"."id", and OFFSET or 1 = 1 whether there is something to skip or not.
bool is_prisma(const Texture& texture) {
    return texture.from.parts.size() == 2 && texture.from.quoted && texture.from.label.empty() &&
           all_columns(texture, 3) &&
           (contains(texture.rest, "where 1 = 1") || contains(texture.rest, " and 1 = 1") ||
            contains(texture.rest, "offset $")) &&
           !contains(texture.rest, " rows");
}

// Labels "table_column" on all columns.
bool labels_columns(const Texture& texture) {
    return std::ranges::all_of(texture.items,
                               [](const Item& item) {
                                   if (item.other) {
                                       return true;
                                   }
                                   std::string label;
                                   for (const std::string_view part : item.parts) {
                                       label += (label.empty() ? "" : "_") + std::string(part);
                                   }
                                   return item.parts.size() >= 2 && item.label == label;
                               }) &&
           std::ranges::any_of(texture.items, [](const Item& item) { return !item.other; });
}

// The first table under an alias "c1_0" (since 6) or "contacts0_" (before).
bool is_hibernate(const Texture& texture) {
    const std::string_view alias = texture.from.label;
    if (alias.empty() || texture.from.label_quoted || texture.from_as ||
        texture.items.front().parts.empty() || texture.items.front().parts.front() != alias) {
        return false;
    }
    const std::size_t line = alias.rfind('_');
    const std::size_t number = line == std::string_view::npos
                                   ? std::string_view::npos
                                   : alias.find_last_not_of("0123456789", line - 1);
    const bool numbered = number != std::string_view::npos && number + 1 < line;
    const std::string_view label = texture.items.front().label;
    return numbered &&
           (digits(alias.substr(line + 1)) || (line + 1 == alias.size() && label.ends_with('_')));
}

// "orders".*, and for eager_load: "orders"."id" as t0_r0, with a limit distinct as alias_0 before
// it.
bool is_rails(const Texture& texture) {
    const Item& first = texture.items.front();
    const bool eager =
        (first.label == "t0_r0" || first.label == "alias_0") && !first.label_quoted && first.quoted;
    const bool star = texture.items.size() == 1 && first.parts.size() == 2 && first.quoted &&
                      first.parts[1] == "*" && first.parts[0] == table_name(texture);
    return (star || eager) && texture.from.label.empty() && texture.from.quoted;
}

// Columns without their table, conditions with it. Under an alias it is another's.
bool has_bare_columns(const Texture& texture) {
    const std::string qualified = "\"" + std::string(table_name(texture)) + "\".\"";
    return all_columns(texture, 1) && texture.from.quoted && texture.from.parts.size() == 1 &&
           contains(texture.rest, qualified) &&
           std::ranges::all_of(texture.items, [](const Item& item) { return item.label.empty(); });
}

bool is_sequelize(const Texture& texture) {
    const bool dotted = std::ranges::any_of(texture.items, [](const Item& item) {
        return item.label_quoted && item.parts.size() == 2 &&
               item.label == std::string(item.parts[0]) + "." + std::string(item.parts[1]);
    });
    return dotted || (texture.from_as && texture.from.label_quoted && has_bare_columns(texture));
}

// Relational queries put children together as JSON, in laterals of their own names.
bool is_drizzle(std::string_view text, const Texture& texture) {
    const bool relational = contains(text, "json_agg(json_build_array(\"") ||
                            (contains(text, "json_build_array(\"") && contains(text, "\"data\"")) ||
                            (texture.from.label == "d0" && contains(text, "row_to_json(\"t\".*)"));
    return relational || (texture.from.label.empty() && has_bare_columns(texture));
}

// "$1 = orders.shop_id": the parameter first, as a relation's loader writes it.
bool is_sqlalchemy(std::string_view text, const Texture& texture) {
    const bool loader = texture.rest.starts_with("where $") &&
                        contains(texture.rest, " = " + std::string(table_name(texture)) + ".");
    const bool labels = labels_columns(texture) && texture.from.label.empty();
    return labels || (loader && !texture.from.quoted) ||
           (contains(text, ") as anon_1") && contains(text, "anon_1."));
}

// All columns with their table, which others write as well; but they send parameters.
bool is_django(const Texture& texture, bool inlined) {
    const bool counts = texture.items.front().label == "__count";
    return counts || (inlined && all_columns(texture, 2) && texture.from.quoted &&
                      texture.from.label.empty() && texture.from.parts.size() == 1 &&
                      !texture.items.front().parts.empty() &&
                      texture.items.front().parts.front() == table_name(texture));
}

// INSERT and UPDATE look alike everywhere; Prisma's name the schema behind RETURNING and WHERE.
Orm orm_of_write(std::string_view text) {
    const bool qualified = contains(text, " returning \"") && contains(text, "\".\"");
    const std::size_t returning = text.rfind(" returning \"");
    if (!qualified || returning == std::string_view::npos) {
        return Orm::kUnknown;
    }
    Texture texture;
    const std::string as_select =
        "select " + std::string(text.substr(returning + 11)) + " from \"s\".\"t\"";
    return TextureReader(as_select).read(texture) && all_columns(texture, 3) ? Orm::kPrisma
                                                                             : Orm::kUnknown;
}

}  // namespace

std::string_view orm_name(Orm orm) {
    constexpr std::string_view kNames[] = {"",          "Prisma",        "Drizzle",   "SQLAlchemy",
                                           "Django",    "Active Record", "Hibernate", "TypeORM",
                                           "Sequelize", "Knex"};
    return kNames[static_cast<std::size_t>(orm)];
}

Orm orm_of_tags(std::span<const sql::Tag> tags) {
    for (const sql::Tag& tag : tags) {
        if (tag.key == "prismaQuery") {
            return Orm::kPrisma;
        }
    }
    for (const std::string_view key : {"db_framework", "framework", "db_driver"}) {
        const auto tag = std::ranges::find(tags, key, &sql::Tag::key);
        const Orm orm = tag == tags.end() ? Orm::kUnknown : orm_of_word(tag->value);
        if (orm != Orm::kUnknown) {
            return orm;
        }
    }
    return Orm::kUnknown;
}

Orm orm_of_name(std::string_view application) {
    return orm_of_word(application);
}

Orm orm_of_text(const sql::Statement& statement, bool inlined) {
    const std::string_view text = statement.normalized;
    if (contains(text, "\"__prisma_data__\"")) {
        return Orm::kPrisma;
    }
    Texture texture;
    if (!TextureReader(text).read(texture)) {
        return statement.kind == sql::StatementKind::kInsert ||
                       statement.kind == sql::StatementKind::kUpdate
                   ? orm_of_write(text)
                   : Orm::kUnknown;
    }
    if (is_prisma(texture)) {
        return Orm::kPrisma;
    }
    if (is_sequelize(texture)) {
        return Orm::kSequelize;
    }
    if (is_drizzle(text, texture)) {
        return Orm::kDrizzle;
    }
    if (labels_columns(texture) && texture.from.label_quoted && !texture.from_as) {
        return Orm::kTypeOrm;
    }
    if (is_hibernate(texture)) {
        return Orm::kHibernate;
    }
    if (is_rails(texture)) {
        return Orm::kRails;
    }
    if (is_sqlalchemy(text, texture)) {
        return Orm::kSqlAlchemy;
    }
    return is_django(texture, inlined) ? Orm::kDjango : Orm::kUnknown;
}

}  // namespace howdah::insight::live
