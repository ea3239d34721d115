#include "config/hba.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "config/entry.hpp"
#include "config/hba_tokens.hpp"
#include "config/value.hpp"

namespace howdah::config {
namespace {

using Kind = HbaToken::Kind;

constexpr int kIncludeDepthMax = 10;

struct Method {
    std::string_view name;
    AuthType type;
};
constexpr Method kMethods[] = {
    {"trust", AuthType::kTrust},
    {"reject", AuthType::kReject},
    {"md5", AuthType::kMd5},
    {"password", AuthType::kPlain},
    {"plain", AuthType::kPlain},
    {"peer", AuthType::kPeer},
    {"cert", AuthType::kCert},
    {"scram-sha-256", AuthType::kScramSha256},
    {"scram-sha-256-plus", AuthType::kScramSha256Plus},
    {"ldap", AuthType::kLdap},
    {"pam", AuthType::kPam},
};

// Reads one line into one rule. Every step returns what is wrong, or "".
class RuleParser {
  public:
    RuleParser(std::string_view line, const std::string& file, const IdentMaps& maps)
        : tokens_(line), file_(file), maps_(maps) {}

    std::string run(HbaRule& rule) {
        for (const auto step : {&RuleParser::type, &RuleParser::names, &RuleParser::address,
                                &RuleParser::method, &RuleParser::options}) {
            if (std::string problem = (this->*step)(rule); !problem.empty()) {
                return problem;
            }
        }
        return "";
    }
    const std::string& warning() const { return warning_; }
    // The rule counts, although run() found something wrong with it.
    bool stays() const { return stays_; }

  private:
    std::string type(HbaRule& rule) {
        static constexpr std::pair<std::string_view, HbaRule::Type> kTypes[] = {
            {"local", HbaRule::Type::kLocal},
            {"host", HbaRule::Type::kHost},
            {"hostssl", HbaRule::Type::kHostSsl},
            {"hostnossl", HbaRule::Type::kHostNoSsl}};
        for (const auto& [name, type] : kTypes) {
            if (tokens_.eat_keyword(name)) {
                rule.type = type;
                return "";
            }
        }
        return "unknown type";
    }

    std::string names(HbaRule& rule) {
        std::string problem = name_list(tokens_, rule.databases, true, 0);
        return problem.empty() ? name_list(tokens_, rule.users, false, 0) : problem;
    }

    std::string name_list(HbaTokens& tokens, HbaNames& names, bool databases, int depth) {
        do {
            if (!tokens.at_name()) {
                return "name expected";
            }
            const std::string word = tokens.current().text;
            const bool keyword = tokens.at(Kind::kWord);
            if (keyword && word == "all") {
                names.all = true;
            } else if (keyword && databases && word == "sameuser") {
                names.same_user = true;
            } else if (keyword && databases && word == "replication") {
                names.replication = true;
            } else if (keyword && databases && (word == "samerole" || word == "samegroup")) {
                return word + " is not supported";
            } else if (keyword && word.starts_with('+')) {
                return "+group is not supported";
            } else if (keyword && word.starts_with('@')) {
                if (std::string problem = name_file(word.substr(1), names, databases, depth + 1);
                    !problem.empty()) {
                    return problem;
                }
            } else {
                names.names.insert(word);
            }
            tokens.next();
        } while (tokens.eat(Kind::kComma));
        return "";
    }

    std::string name_file(const std::string& name, HbaNames& names, bool databases, int depth) {
        if (depth > kIncludeDepthMax) {
            return "@file nesting level too deep";
        }
        const auto path = std::filesystem::path(file_).parent_path() / name;
        const auto text = read_file(path.string());
        if (!text) {
            return text.error().message;
        }
        std::string_view rest = *text;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            HbaTokens tokens(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            while (!tokens.at(Kind::kEnd)) {
                if (std::string problem = name_list(tokens, names, databases, depth);
                    !problem.empty()) {
                    return fmt::format("{} in {}", problem, path.string());
                }
            }
        }
        return "";
    }

    std::string address(HbaRule& rule) {
        if (rule.type == HbaRule::Type::kLocal || tokens_.eat_keyword("all")) {
            return "";
        }
        if (!tokens_.at(Kind::kWord)) {
            return "did not find address";
        }
        const std::string word = tokens_.current().text;
        const std::size_t slash = std::min(word.find('/'), word.size());
        if (!parse_ip(word.substr(0, slash))) {
            return "failed to parse address - " + word.substr(0, slash);
        }
        rule.network = parse_network(word);
        if (!rule.network) {
            return "invalid mask";
        }
        tokens_.next();
        if (slash == word.size()) {
            if (!tokens_.at(Kind::kWord)) {
                return "did not find mask";
            }
            const auto mask = parse_ip(tokens_.current().text);
            if (!mask || mask->v6 != rule.network->address.v6) {
                return "failed to parse mask: " + tokens_.current().text;
            }
            rule.network->mask = mask->bytes;
            tokens_.next();
        }
        if (!rule.network->contains(rule.network->address)) {
            warning_ = "address does not match mask, so the rule matches nothing: " + word;
        }
        return "";
    }

    std::string method(HbaRule& rule) {
        for (const auto& [name, type] : kMethods) {
            if (tokens_.at_keyword(name)) {
                rule.method = type;
                rule.options_text = trimmed(tokens_.rest());
                tokens_.next();
                return "";
            }
        }
        return "unsupported method: buf=" + tokens_.current().text;
    }

    std::string options(HbaRule& rule) {
        rule.options = parse_hba_options(rule.options_text);
        if (rule.method == AuthType::kLdap) {
            return ldap_options(rule);
        }
        if (rule.options.empty()) {
            return "";
        }
        if (rule.method == AuthType::kPam) {
            return pam_options(rule);
        }
        const auto& [key, value] = rule.options.front();
        if (rule.options.size() > 1) {
            return "unsupported parameters";
        }
        if (key != "map" || value.empty()) {
            return fmt::format("Ident map {} is malformed. It is not in map=value format.",
                               rule.options_text);
        }
        for (const auto& map : maps_) {
            if (map->name() == value) {
                rule.map = map;
                return "";
            }
        }
        return fmt::format("Ident map {} is not found in ident config file", value);
    }

    // A rule of these two with wrong options stays, and lets nobody in: without it a later one
    // would decide.
    std::string ldap_options(HbaRule& rule) {
        auto options = parse_ldap_options(rule.options_text);
        stays_ = true;
        if (!options) {
            return options.error().message;
        }
        rule.ldap = std::make_shared<const LdapOptions>(std::move(*options));
        return "";
    }

    std::string pam_options(HbaRule& rule) {
        const auto& [key, value] = rule.options.front();
        if (rule.options.size() > 1 || key != "pamservice" || value.empty()) {
            rule.method = AuthType::kReject;
            stays_ = true;
            return "unsupported parameters";
        }
        rule.pam_service = value;
        return "";
    }

    HbaTokens tokens_;
    const std::string& file_;
    const IdentMaps& maps_;
    std::string warning_;
    bool stays_ = false;
};

}  // namespace

bool HbaRule::matches(const ConnectionFacts& facts) const {
    if (!facts.address) {
        if (type != Type::kLocal) {
            return false;
        }
    } else if (type == Type::kLocal || (type == Type::kHostSsl && !facts.tls) ||
               (type == Type::kHostNoSsl && facts.tls) ||
               (network && !network->contains(*facts.address))) {
        return false;
    }
    // Only physical replication has no database: logical replication is matched by its name.
    const bool database_matches = facts.physical_replication
                                      ? databases.replication
                                      : databases.all ||
                                            (databases.same_user && facts.database == facts.user) ||
                                            databases.names.contains(facts.database);
    return database_matches && (users.all || users.names.contains(facts.user));
}

const HbaRule* Hba::evaluate(const ConnectionFacts& facts) const {
    const auto found = std::find_if(rules_.begin(), rules_.end(),
                                    [&](const HbaRule& rule) { return rule.matches(facts); });
    return found == rules_.end() ? nullptr : &*found;
}

HbaFile parse_hba(std::string_view text, const std::string& file, const IdentMaps& maps,
                  int number) {
    HbaFile result;
    const auto described = [&](int line, std::string_view problem) {
        return number == 0 ? fmt::format("hba line {}: {}", line, problem)
                           : fmt::format("hba rule {}: {}", number, problem);
    };
    for (int line = 1; !text.empty(); ++line) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view content = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (HbaTokens(content).at(Kind::kEnd)) {
            continue;
        }
        RuleParser parser(content, file, maps);
        HbaRule rule;
        rule.file = file;
        rule.line = line;
        if (const std::string problem = parser.run(rule); !problem.empty()) {
            result.problems.push_back({file, line, described(line, problem)});
            if (!parser.stays()) {
                continue;
            }
        }
        if (!parser.warning().empty()) {
            result.problems.push_back({file, line, described(line, parser.warning()), false});
        }
        result.hba.add(std::move(rule));
    }
    return result;
}

std::string_view hba_method_name(AuthType method) {
    for (const auto& [name, type] : kMethods) {
        if (type == method) {
            return name;
        }
    }
    return "";
}

}  // namespace howdah::config
