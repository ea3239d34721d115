#include "server/parameters.hpp"

#include <algorithm>
#include <functional>
#include <map>

namespace howdah::server {
namespace {

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return result;
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
    const std::string wanted = lower(name);
    const auto found = std::lower_bound(
        values.begin(), values.end(), wanted,
        [](const auto& entry, const std::string& key) { return entry.first < key; });
    return found != values.end() && found->first == wanted ? &found->second : nullptr;
}

ParameterInterner::ParameterInterner() {
    empty_ = intern({});
}

ParameterSetPtr ParameterInterner::intern(std::vector<std::pair<std::string, std::string>> values) {
    std::map<std::string, std::string> sorted;
    for (auto& [name, value] : values) {
        sorted[lower(name)] = std::move(value);
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
    const std::string key = lower(name);
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
    return name == "role" || name == "session_authorization";
}

}  // namespace

std::string transition_sql(const ParameterSet& from, const ParameterSet& to) {
    std::string sql;
    for (const bool identity : {true, false}) {
        for (const auto& [name, value] : from.values) {
            if (is_identity(name) == identity && to.find(name) == nullptr) {
                sql += "RESET " + quote_parameter(name) + ";";
            }
        }
    }
    std::string calls;
    for (const bool identity : {false, true}) {
        for (const auto& [name, value] : to.values) {
            const std::string* old = from.find(name);
            if (is_identity(name) == identity && (old == nullptr || *old != value)) {
                calls += calls.empty() ? "SELECT " : ",";
                calls += "pg_catalog.set_config(" + quote_literal(name) + "," +
                         quote_literal(value) + ",false)";
            }
        }
    }
    return sql + calls;
}

std::string reset_and_set_sql(const ParameterSet& known, const ParameterSet& to) {
    // RESET ALL leaves who the session acts as; that is always known.
    ParameterSet identity;
    for (const auto& entry : known.values) {
        if (is_identity(entry.first)) {
            identity.values.push_back(entry);
        }
    }
    // The role first: the right to reset may hang on it.
    std::string resets;
    for (const auto& [name, value] : identity.values) {
        resets += "RESET " + quote_parameter(name) + ";";
    }
    return resets + "RESET ALL;" + transition_sql(ParameterSet(), to);
}

}  // namespace howdah::server
