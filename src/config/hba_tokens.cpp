#include "config/hba_tokens.hpp"

#include <algorithm>

namespace howdah::config {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";

bool is_space(char c) {
    return kSpace.find(c) != std::string_view::npos;
}

}  // namespace

void HbaTokens::next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kSpace), rest_.size()));
    current_ = {};
    if (rest_.empty() || rest_.front() == '#') {
        rest_ = {};
        return;
    }
    if (rest_.front() == ',') {
        current_.kind = HbaToken::Kind::kComma;
        rest_.remove_prefix(1);
    } else if (rest_.front() == '"') {
        quoted();
    } else {
        const std::size_t end = std::min(rest_.find_first_of(" \t\r\n\f\v,#\"", 1), rest_.size());
        current_ = {HbaToken::Kind::kWord, std::string(rest_.substr(0, end))};
        rest_.remove_prefix(end);
    }
}

void HbaTokens::quoted() {
    current_.kind = HbaToken::Kind::kQuoted;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
        if (rest_[i] == '"') {
            if (rest_.substr(i + 1, 1) != "\"") {
                rest_.remove_prefix(i + 1);
                return;
            }
            ++i;
        }
        current_.text.push_back(rest_[i]);
    }
    current_ = {HbaToken::Kind::kUnterminated, {}};
    rest_ = {};
}

bool HbaTokens::eat(HbaToken::Kind kind) {
    const bool found = at(kind);
    if (found) {
        next();
    }
    return found;
}

bool HbaTokens::eat_keyword(std::string_view word) {
    const bool found = at_keyword(word);
    if (found) {
        next();
    }
    return found;
}

std::vector<std::pair<std::string, std::string>> parse_hba_options(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> options;
    std::size_t i = 0;
    while (i < text.size()) {
        if (is_space(text[i]) || text[i] == ',') {
            ++i;
            continue;
        }
        if (text[i] == '#') {
            break;
        }
        std::string word;
        bool inside_quotes = false;
        for (; i < text.size() && (inside_quotes || (!is_space(text[i]) && text[i] != ',')); ++i) {
            if (text[i] == '"' && inside_quotes && text.substr(i + 1, 1) == "\"") {
                word.push_back(text[i++]);
            } else if (text[i] == '"') {
                inside_quotes = !inside_quotes;
            } else {
                word.push_back(text[i]);
            }
        }
        const std::size_t equals = std::min(word.find('='), word.size());
        options.emplace_back(word.substr(0, equals),
                             equals < word.size() ? word.substr(equals + 1) : "");
    }
    return options;
}

}  // namespace howdah::config
