// Words of pg_hba.conf and pg_ident.conf lines. Private to config.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace howdah::config {

struct HbaToken {
    enum class Kind { kWord, kQuoted, kComma, kEnd, kUnterminated };
    Kind kind = Kind::kEnd;
    std::string text;
};

// Goes through one line. A word ends at white space, comma, # or ".
class HbaTokens {
  public:
    explicit HbaTokens(std::string_view line) : rest_(line) { next(); }

    [[nodiscard]] const HbaToken& current() const { return current_; }
    [[nodiscard]] bool at(HbaToken::Kind kind) const { return current_.kind == kind; }
    // An unquoted word with this text.
    [[nodiscard]] bool at_keyword(std::string_view word) const {
        return at(HbaToken::Kind::kWord) && current_.text == word;
    }
    [[nodiscard]] bool at_name() const {
        return at(HbaToken::Kind::kWord) || at(HbaToken::Kind::kQuoted);
    }
    bool eat(HbaToken::Kind kind);
    bool eat_keyword(std::string_view word);
    void next();
    // The line behind the current word.
    [[nodiscard]] std::string_view rest() const { return rest_; }

  private:
    void quoted();

    std::string_view rest_;
    HbaToken current_;
};

// key=value pairs behind the method: separated by spaces or commas, either side may be quoted (""
// is a quote then), a # ends them. A word without = has an empty value.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> parse_hba_options(
    std::string_view text);

}  // namespace howdah::config
