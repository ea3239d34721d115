// read_sql_text: SQL inside strings and templates, values replaced by $n.
#include <algorithm>
#include <array>
#include <cctype>

#include "insight/code_query.hpp"

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

class SqlText {
  public:
    SqlText(const Module& module, const Schema& schema, CodeQuery& query)
        : module_(module), syntax_(module.syntax()), schema_(schema), query_(query) {}

    bool read(NodeId literal) {
        query_.sql_certain = true;
        if (!add(literal, 0)) {
            return false;
        }
        return starts_like_sql(query_.sql);
    }

  private:
    bool add(NodeId node, int depth);
    void add_template(NodeId node);
    void add_substitution(NodeId node);
    void add_piece(Range range);
    // A table or column of Drizzle by its SQL name; "" for anything else.
    std::string sql_name(NodeId node) const;

    const Module& module_;
    const Syntax& syntax_;
    const Schema& schema_;
    CodeQuery& query_;
    int parameters_ = 0;
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
        return table->name;
    }
    if (!syntax_.is(node, Kind::kMember)) {
        return {};
    }
    const Table* table = drizzle_table(module_, schema_, syntax_.child(node, Field::kObject));
    const NodeId name = syntax_.child(node, Field::kProperty);
    const Column* column =
        table == nullptr || name == kNoNode ? nullptr : table->field(syntax_.text(name));
    return column == nullptr ? std::string() : table->name + "." + column->name;
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
    // sql.raw(x), Prisma.join(ids), sql(rows): text or lists that only the run knows
    if (syntax_.is(node, Kind::kCall) || syntax_.is(node, Kind::kTernary)) {
        query_.sql_certain = false;
    }
    query_.sql += "$" + std::to_string(++parameters_);
    query_.pasted = true;
    query_.pasted_node = query_.pasted_node == kNoNode ? substitution : query_.pasted_node;
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
        query_.sql += "$" + std::to_string(++parameters_);
        query_.sql_certain = false;
        query_.pasted = true;
        query_.pasted_node = query_.pasted_node == kNoNode ? right : query_.pasted_node;
        return true;
    }
    return false;
}

}  // namespace

bool read_sql_text(const Module& module, const Schema& schema, NodeId literal, CodeQuery& query) {
    return SqlText(module, schema, query).read(literal);
}

}  // namespace howdah::insight
