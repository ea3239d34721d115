#include "server/parameters.hpp"

#include <algorithm>
#include <functional>
#include <map>

namespace howdah::server {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return lower(c); });
    return text;
}

// In the order of a ParameterSet's names.
bool precedes(std::string_view a, std::string_view b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return static_cast<unsigned char>(lower(x)) < static_cast<unsigned char>(lower(y));
    });
}

std::size_t hash_of(const std::vector<std::pair<std::string, std::string>>& values) {
    std::size_t hash = 1469598103934665603ULL;
    const std::hash<std::string_view> hasher;
    for (const auto& [name, value] : values) {
        hash = (hash ^ hasher(name)) * 1099511628211ULL;
        hash = (hash ^ hasher(value)) * 1099511628211ULL;
    }
    return hash;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
               return std::tolower(static_cast<unsigned char>(x)) ==
                      std::tolower(static_cast<unsigned char>(y));
           });
}

const std::string* ParameterSet::find(std::string_view name) const {
    const auto found = std::lower_bound(
        values.begin(), values.end(), name,
        [](const auto& entry, std::string_view wanted) { return precedes(entry.first, wanted); });
    return found != values.end() && same_name(found->first, name) ? &found->second : nullptr;
}

ParameterInterner::ParameterInterner() {
    empty_ = intern({});
}

ParameterSetPtr ParameterInterner::intern(std::vector<std::pair<std::string, std::string>> values) {
    for (auto& [name, value] : values) {
        name = lower(std::move(name));
    }
    const auto not_before = [](const auto& a, const auto& b) { return a.first >= b.first; };
    if (std::ranges::adjacent_find(values, not_before) == values.end()) {
        return intern_exact(std::move(values));  // sorted, as most come
    }
    std::map<std::string, std::string> sorted;
    for (auto& [name, value] : values) {
        sorted[std::move(name)] = std::move(value);
    }
    return intern_exact({sorted.begin(), sorted.end()});
}

ParameterSetPtr ParameterInterner::intern_exact(
    std::vector<std::pair<std::string, std::string>> unique) {
    const std::size_t hash = hash_of(unique);
    const auto [begin, end] = sets_.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
        if (ParameterSetPtr set = it->second.lock(); set != nullptr && set->values == unique) {
            return set;
        }
    }
    if (sets_.size() >= sweep_at_) {
        sweep();
    }
    auto set = std::make_shared<ParameterSet>();
    set->values = std::move(unique);
    const std::string* path = set->find("search_path");
    set->names_pg_temp = path != nullptr && path->find("pg_temp") != std::string::npos;
    sets_.emplace(hash, set);
    return set;
}

void ParameterInterner::sweep() {
    std::erase_if(sets_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<std::size_t>(64, sets_.size() * 2);
}

ParameterSetPtr ParameterInterner::with(const ParameterSetPtr& base, std::string_view name,
                                        const std::string* value) {
    const std::string* old = base->find(name);
    if ((old == nullptr && value == nullptr) ||
        (old != nullptr && value != nullptr && *old == *value)) {
        return base;
    }
    const std::string key = lower(std::string(name));
    auto values = base->values;
    std::erase_if(values, [&](const auto& entry) { return entry.first == key; });
    if (value != nullptr) {
        values.emplace_back(key, *value);
    }
    return intern(std::move(values));
}

std::string quote_literal(std::string_view value) {
    const bool escape = value.find('\\') != std::string_view::npos;
    std::string result = escape ? "E'" : "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') {
            result.push_back(c);
        }
        result.push_back(c);
    }
    result.push_back('\'');
    return result;
}

std::string quote_identifier(std::string_view name) {
    std::string result = "\"";
    for (const char c : name) {
        if (c == '"') {
            result.push_back('"');
        }
        result.push_back(c);
    }
    result.push_back('"');
    return result;
}

namespace {

constexpr std::string_view kRole = "role";
constexpr std::string_view kAuthorization = "session_authorization";
// Evaluated when the text runs: what is reset before it is in force.
constexpr std::string_view kClientEncoding = "pg_catalog.pg_client_encoding()";

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string to_hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    for (const char c : bytes) {
        hex.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
        hex.push_back(kDigits[static_cast<unsigned char>(c) & 0xf]);
    }
    return hex;
}

// Parameters with dots are named part by part: my.setting is "my"."setting".
std::string quote_parameter(std::string_view name) {
    std::string result;
    while (true) {
        const std::size_t dot = name.find('.');
        result += quote_identifier(name.substr(0, dot));
        if (dot == std::string_view::npos) {
            return result;
        }
        result.push_back('.');
        name = name.substr(dot + 1);
    }
}

// Who the session acts as comes last when set and first when reset: the right to change other
// parameters may hang on it.
bool is_identity(std::string_view name) {
    return name == kRole || name == kAuthorization;
}

// A value or name for a text in which only ASCII is sure to be read as it was meant: the server may
// still read with the encoding of its last client.
std::string in_any_encoding(std::string_view value, const std::string& encoding) {
    if (is_ascii(value)) {
        return quote_literal(value);
    }
    return "pg_catalog.convert_from(pg_catalog.decode('" + to_hex(value) + "','hex')," + encoding +
           ")";
}

// The statements of one transition, in the order in which they must run.
class Transition {
  public:
    explicit Transition(const ParameterSet& to) {
        const std::string* encoding = to.find("client_encoding");
        encoding_ = encoding != nullptr && is_ascii(*encoding) ? quote_literal(*encoding)
                                                               : std::string(kClientEncoding);
    }
    void reset(std::string_view name) {
        if (is_ascii(name)) {
            resets_ += "RESET " + quote_parameter(name) + ";";
        } else {
            call(name, "NULL");
        }
    }
    void set(std::string_view name, std::string_view value) {
        call(name, in_any_encoding(value, encoding_));
    }
    // `after_resets`: what is to run between.
    std::string take(std::string_view after_resets) {
        std::string sql = resets_;
        if (!resets_.empty() && !after_resets.empty()) {
            sql.append(after_resets).append("\n;");
        }
        return sql + calls_;
    }

  private:
    void call(std::string_view name, std::string_view value) {
        calls_ += calls_.empty() ? "SELECT " : ",";
        calls_ += "pg_catalog.set_config(" + in_any_encoding(name, encoding_) + "," +
                  std::string(value) + ",false)";
    }

    std::string encoding_;
    std::string resets_;
    std::string calls_;
};

bool differs(const std::string* a, const std::string* b) {
    return (a == nullptr) != (b == nullptr) || (a != nullptr && *a != *b);
}

}  // namespace

std::string expression_of(std::string_view value) {
    return in_any_encoding(value, std::string(kClientEncoding));
}

std::string transition_sql(const ParameterSet& from, const ParameterSet& to,
                           std::string_view after_resets) {
    Transition transition(to);
    const std::string* role = from.find(kRole);
    const std::string* authorization = from.find(kAuthorization);
    const std::string* new_role = to.find(kRole);
    const std::string* new_authorization = to.find(kAuthorization);
    // Another session authorization takes the role away, whether it is set or reset.
    const bool reauthorized = differs(authorization, new_authorization);
    const bool other_role = reauthorized || differs(role, new_role);
    if (reauthorized && authorization != nullptr) {
        transition.reset(kAuthorization);
    }
    if (other_role && (role != nullptr || authorization != nullptr)) {
        transition.reset(kRole);
    }
    for (const auto& [name, value] : from.values) {
        if (!is_identity(name) && to.find(name) == nullptr) {
            transition.reset(name);
        }
    }
    for (const auto& [name, value] : to.values) {
        if (!is_identity(name) && differs(from.find(name), &value)) {
            transition.set(name, value);
        }
    }
    if (reauthorized && new_authorization != nullptr) {
        transition.set(kAuthorization, *new_authorization);
    }
    if (other_role && new_role != nullptr) {
        transition.set(kRole, *new_role);
    }
    return transition.take(after_resets);
}

std::string reset_and_set_sql(const ParameterSet& to, std::string_view after_resets) {
    // RESET ALL leaves who the session acts as.
    std::string sql = "RESET session_authorization;RESET role;RESET ALL;";
    if (!after_resets.empty()) {
        sql.append(after_resets).append("\n;");
    }
    return sql + transition_sql(ParameterSet(), to);
}

}  // namespace howdah::server
