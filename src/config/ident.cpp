#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <regex>

#include "config/hba.hpp"
#include "config/hba_tokens.hpp"

namespace howdah::config {
namespace {

// A certificate's name is at most 64 characters, a system user's 32: what is longer is not matched
// against a regular expression. Patterns have the same bound.
constexpr std::size_t kRegexBytesMax = 256;

// POSIX extended syntax. Neither regcomp() (stacked + make it run out of memory, found by fuzzing)
// nor a backtracking matcher (a client chooses its certificate's name) will do: libstdc++'s
// polynomial matcher has no backtracking, and its compiler a limit.
class Regex {
  public:
    explicit Regex(const std::string& pattern) {
        try {
            if (pattern.size() <= kRegexBytesMax) {
                regex_.emplace(pattern, std::regex::extended | std::regex_constants::__polynomial);
            }
        } catch (const std::regex_error&) {
            regex_.reset();
        }
    }

    [[nodiscard]] bool good() const { return regex_.has_value(); }

    // Whether it matches; `group` is what \1 stands for, empty if there is none.
    [[nodiscard]] bool match(const std::string& text, std::string& group) const {
        std::smatch found;
        try {
            if (text.size() > kRegexBytesMax || !std::regex_search(text, found, *regex_)) {
                return false;
            }
        } catch (const std::regex_error&) {
            return false;
        }
        group = found.size() > 1 ? found[1].str() : "";
        return true;
    }

  private:
    std::optional<std::regex> regex_;
};

bool mapping_allows(const IdentMapping& mapping, std::string_view system_user,
                    std::string_view user) {
    if (system_user.find('\0') != std::string_view::npos) {
        return false;
    }
    if (!mapping.system_user.starts_with('/')) {
        return mapping.system_user == system_user && (mapping.all || mapping.database_user == user);
    }
    const Regex regex(mapping.system_user.substr(1));
    std::string group;
    if (!regex.good() || !regex.match(std::string(system_user), group)) {
        return false;
    }
    std::string expected = mapping.database_user;
    if (const std::size_t reference = expected.find("\\1"); reference != std::string::npos) {
        expected.replace(reference, 2, group);
    }
    return mapping.all || expected == user;
}

// One line; the message of what is wrong with it, or empty. A blank line gives no mapping.
std::string parse_line(std::string_view line, std::string& name, IdentMapping& mapping) {
    HbaTokens tokens(line);
    if (!tokens.at(HbaToken::Kind::kWord)) {
        return "map name expected";
    }
    name = tokens.current().text;
    tokens.next();
    if (!tokens.at_name()) {
        return "system user name expected";
    }
    mapping.system_user = tokens.current().text;
    if (mapping.system_user.starts_with('/') && !Regex(mapping.system_user.substr(1)).good()) {
        return "invalid regular expression";
    }
    tokens.next();
    if (!tokens.at_name()) {
        return "database user name expected";
    }
    mapping.all = tokens.at_keyword("all");
    if (!mapping.all) {
        mapping.database_user = tokens.current().text;
        if (tokens.at(HbaToken::Kind::kWord) && mapping.database_user.starts_with('+')) {
            return "+group is not supported";
        }
    }
    tokens.next();
    return tokens.at(HbaToken::Kind::kEnd) ? "" : "unsupported parameters";
}

}  // namespace

IdentMap::IdentMap(std::string name, std::vector<IdentMapping> mappings)
    : name_(std::move(name)), mappings_(std::move(mappings)) {}

bool IdentMap::allows(std::string_view system_user, std::string_view user) const {
    return std::any_of(mappings_.begin(), mappings_.end(), [&](const IdentMapping& mapping) {
        return mapping_allows(mapping, system_user, user);
    });
}

IdentFile parse_ident(std::string_view text, const std::string& file) {
    IdentFile result;
    std::vector<std::shared_ptr<IdentMap>> maps;
    for (int line = 1; !text.empty(); ++line) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view content = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (HbaTokens(content).at(HbaToken::Kind::kEnd)) {
            continue;
        }
        std::string name;
        IdentMapping mapping;
        if (const std::string problem = parse_line(content, name, mapping); !problem.empty()) {
            result.problems.push_back(
                {file, line, fmt::format("ident line {}: {}", line, problem)});
            continue;
        }
        const auto found = std::find_if(maps.begin(), maps.end(),
                                        [&](const auto& map) { return map->name() == name; });
        if (found == maps.end()) {
            maps.push_back(std::make_shared<IdentMap>(name, std::vector{std::move(mapping)}));
        } else {
            (*found)->add(std::move(mapping));
        }
    }
    result.maps.assign(maps.begin(), maps.end());
    return result;
}

}  // namespace howdah::config
