#include "insight/live/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "sql/redact.hpp"
#include "sql/tokens.hpp"

namespace howdah::insight::live {
namespace {

namespace json = boost::json;
using sql::Token;
using sql::TokenKind;

constexpr int kDepthMax = 100;
constexpr std::size_t kTextMax = 4000;

std::string_view text_of(const json::object& node, std::string_view key) {
    const json::value* value = node.if_contains(key);
    const json::string* text = value == nullptr ? nullptr : value->if_string();
    return text == nullptr ? std::string_view() : std::string_view(*text);
}

double number_of(const json::object& node, std::string_view key) {
    const json::value* value = node.if_contains(key);
    if (value == nullptr || !value->is_number()) {
        return 0;
    }
    return value->to_number<double>();
}

std::string unquoted(std::string_view name) {
    std::string plain;
    const bool quoted = name.size() >= 2 && name.front() == '"';
    for (std::size_t i = quoted ? 1 : 0; i < name.size() - (quoted ? 1 : 0); ++i) {
        plain += name[i];
        i += quoted && name[i] == '"' ? 1 : 0;
    }
    return plain;
}

// A condition as the server writes it: "((a.b = $1) AND ((a.c)::text = ($2)::text))".
class Condition {
  public:
    explicit Condition(std::string_view text) : text_(text) {
        sql::Lexer lexer(text);
        for (Token token = lexer.next_code(); token.kind != TokenKind::kEnd;
             token = lexer.next_code()) {
            tokens_.push_back(token);
        }
    }

    // Columns compared with a parameter by =. None under an OR: an index on one does not do there.
    std::vector<std::string> equal_columns() const {
        std::vector<std::string> columns;
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            if (is_word(tokens_[i], text_, "or")) {
                return {};
            }
            std::string column = at(i) == "=" && parameter_behind(i) ? column_before(i) : "";
            if (!column.empty()) {
                columns.push_back(std::move(column));
            }
        }
        return columns;
    }

  private:
    std::string_view at(std::size_t i) const {
        return i < tokens_.size() ? tokens_[i].in(text_) : std::string_view();
    }
    bool is_name(std::size_t i) const {
        return tokens_[i].kind == TokenKind::kWord || tokens_[i].kind == TokenKind::kQuotedWord;
    }
    bool parameter_behind(std::size_t i) const {
        for (++i; i < tokens_.size(); ++i) {
            if (at(i) != "(" && !is_word(tokens_[i], text_, "any")) {
                return tokens_[i].kind == TokenKind::kParam;
            }
        }
        return false;
    }
    // Where a cast that ends at token `i` begins; `i` behind it where there is none.
    std::size_t before_cast(std::size_t i) const {
        std::size_t type = i;
        while (type > 0 && is_name(type - 1)) {  // "character varying"
            --type;
        }
        return type < i && type > 0 && at(type - 1) == "::" ? type - 1 : i;
    }
    // The column that ends before token `end`, "" for an expression.
    std::string column_before(std::size_t end) const {
        end = before_cast(end);
        std::size_t parentheses = 0;
        while (end > 0 && at(end - 1) == ")") {
            end = before_cast(end - 1);
            ++parentheses;
        }
        if (end == 0 || !is_name(end - 1)) {
            return "";
        }
        std::string column = unquoted(at(--end));
        while (end >= 2 && at(end - 1) == "." && is_name(end - 2)) {
            end -= 2;
        }
        for (; parentheses > 0 && end > 0 && at(end - 1) == "("; --parentheses) {
            --end;
        }
        const bool begins =
            end == 0 || at(end - 1) == "(" || is_word(tokens_[end - 1], text_, "and");
        return parentheses == 0 && begins ? column : "";
    }

    std::string_view text_;
    std::vector<Token> tokens_;
};

class Reader {
  public:
    explicit Reader(Plan& plan) : plan_(plan) {}

    void node(const json::object& node, int depth) {
        const std::string_view type = text_of(node, "Node Type");
        if (depth > kDepthMax || type.empty()) {
            return;
        }
        describe(node, type);
        plan_.uses_index = plan_.uses_index || !text_of(node, "Index Name").empty();
        if (type == "Seq Scan" && !text_of(node, "Filter").empty()) {
            plan_.full_scans.push_back(
                {std::string(text_of(node, "Schema")), std::string(text_of(node, "Relation Name")),
                 Condition(text_of(node, "Filter")).equal_columns(), number_of(node, "Plan Rows")});
        }
        const json::value* inner = node.if_contains("Plans");
        if (inner != nullptr && inner->is_array()) {
            for (const json::value& each : inner->as_array()) {
                if (const json::object* object = each.if_object()) {
                    this->node(*object, depth + 1);
                }
            }
        }
    }

  private:
    void describe(const json::object& node, std::string_view type) {
        if (plan_.text.size() >= kTextMax) {
            return;
        }
        plan_.text += fmt::format("{}{}", plan_.text.empty() ? "" : " > ", type);
        if (const std::string_view index = text_of(node, "Index Name"); !index.empty()) {
            plan_.text += fmt::format(" using {}", index);
        }
        if (const std::string_view table = text_of(node, "Relation Name"); !table.empty()) {
            plan_.text += fmt::format(" on {}", table);
        }
        plan_.text += fmt::format(" (rows {:.0f}, cost {:.0f})", number_of(node, "Plan Rows"),
                                  number_of(node, "Total Cost"));
        for (const char* what :
             {"Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter"}) {
            if (const std::string_view condition = text_of(node, what); !condition.empty()) {
                plan_.text += fmt::format(", {}: {}", what, sql::redact(condition));
            }
        }
    }

    Plan& plan_;
};

}  // namespace

Plan read_plan(std::string_view text) {
    Plan plan;
    boost::system::error_code error;
    const json::value root = json::parse(text, error);
    const json::array* list = error ? nullptr : root.if_array();
    const json::object* first =
        list == nullptr || list->empty() ? nullptr : list->front().if_object();
    const json::value* top = first == nullptr ? nullptr : first->if_contains("Plan");
    if (top != nullptr && top->is_object()) {
        Reader(plan).node(top->as_object(), 0);
    }
    // A name may have a line break in it.
    std::ranges::replace_if(
        plan.text, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return plan;
}

}  // namespace howdah::insight::live
