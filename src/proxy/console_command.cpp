#include "proxy/console_command.hpp"

#include <fmt/format.h>

#include <cctype>

namespace howdah::proxy {
namespace {

constexpr std::size_t kWordBytesMax = 63;
constexpr std::size_t kValueBytesMax = 4096;

class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    // True when white space was there, or nothing is left.
    bool skip_space() {
        const std::size_t before = at_;
        while (at_ < text_.size() &&
               std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
            ++at_;
        }
        return at_ > before || at_ == text_.size();
    }
    bool take(char wanted) {
        if (at_ < text_.size() && text_[at_] == wanted) {
            ++at_;
            return true;
        }
        return false;
    }
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool at_end() const { return at_ == text_.size(); }

    // A word, or what stands between `quote`s, doubled inside. False: none is here.
    bool word(char quote, std::string& into) {
        if (take(quote)) {
            return quoted(quote, into);
        }
        while (at_ < text_.size() &&
               (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
            into.push_back(text_[at_++]);
        }
        return !into.empty();
    }

  private:
    bool quoted(char quote, std::string& into) {
        while (at_ < text_.size()) {
            if (take(quote)) {
                if (!take(quote)) {
                    return true;
                }
                into.push_back(quote);
            } else {
                into.push_back(text_[at_++]);
            }
        }
        return false;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

std::string lower(std::string text) {
    for (char& c : text) {
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return text;
}

std::unexpected<Error> invalid(std::string_view text) {
    return fail(Error(ErrorCode::kInvalidInput, "08P01",
                      fmt::format("invalid command '{}', use SHOW HELP;", text)));
}

std::unexpected<Error> bad_arguments() {
    return fail(Error(ErrorCode::kInvalidInput, "08P01", "bad arguments"));
}

bool at_statement_end(Scanner& scanner) {
    scanner.skip_space();
    scanner.take(';');
    scanner.skip_space();
    return scanner.at_end();
}

// After SET: option (=|TO) value.
Result<ConsoleCommand> parse_set(Scanner& scanner, std::string_view text) {
    ConsoleCommand command;
    command.name = "set";
    if (!scanner.word('"', command.argument)) {
        return invalid(text);
    }
    command.argument = lower(std::move(command.argument));
    scanner.skip_space();
    std::string to;
    if (!scanner.take('=') && (!scanner.word('"', to) || lower(to) != "to")) {
        return invalid(text);
    }
    scanner.skip_space();
    const char quote = scanner.peek() == '\'' ? '\'' : '"';
    const bool quoted = scanner.peek() == quote;
    const bool found = scanner.word(quote, command.value);
    if ((!found && !(quoted && command.value.empty())) || !at_statement_end(scanner)) {
        return invalid(text);
    }
    if (command.argument.size() > kWordBytesMax || command.value.size() > kValueBytesMax) {
        return bad_arguments();
    }
    return command;
}

}  // namespace

Result<ConsoleCommand> parse_console_command(std::string_view text) {
    Scanner scanner(text);
    ConsoleCommand command;
    if (at_statement_end(scanner)) {
        return command;
    }
    scanner = Scanner(text);
    scanner.skip_space();
    std::string name;
    if (!scanner.word('"', name)) {
        return invalid(text);
    }
    command.name = lower(std::move(name));
    const bool spaced = scanner.skip_space();
    if (command.name == "set" && spaced) {
        return parse_set(scanner, text);
    }
    Scanner rest = scanner;
    if (at_statement_end(rest)) {
        return command;
    }
    if (!spaced || !scanner.word('"', command.argument) || !at_statement_end(scanner)) {
        return invalid(text);
    }
    if (command.argument.size() > kWordBytesMax) {
        return bad_arguments();
    }
    return command;
}

}  // namespace howdah::proxy
