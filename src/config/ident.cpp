#include <fmt/format.h>
#include <regex.h>

#include <algorithm>
#include <memory>

#include "config/hba.hpp"
#include "config/hba_tokens.hpp"

namespace howdah::config {
namespace {

// A certificate's name is at most 64 characters, a system user's 32: what is longer is not matched
// against a regular expression.
constexpr std::size_t kRegexInputMax = 256;

class Regex {
  public:
    explicit Regex(const std::string& pattern)
        : good_(::regcomp(&regex_, pattern.c_str(), REG_EXTENDED) == 0) {}
    ~Regex() {
        if (good_) {
            ::regfree(&regex_);
        }
    }
    Regex(const Regex&) = delete;
    Regex& operator=(const Regex&) = delete;

    [[nodiscard]] bool good() const { return good_; }

    // Whether it matches; `group` is what \1 stands for, empty if there is none.
    [[nodiscard]] bool match(const std::string& text, std::string& group) const {
        regmatch_t found[2];
        if (text.size() > kRegexInputMax || ::regexec(&regex_, text.c_str(), 2, found, 0) != 0) {
            return false;
        }
        if (regex_.re_nsub > 0 && found[1].rm_so >= 0) {
            group = text.substr(static_cast<std::size_t>(found[1].rm_so),
                                static_cast<std::size_t>(found[1].rm_eo - found[1].rm_so));
        }
        return true;
    }

  private:
    regex_t regex_{};
    bool good_;
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
