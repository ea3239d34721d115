// SHOW CONFIG, and what a RELOAD changed.
#include <algorithm>
#include <iterator>

#include "config/config.hpp"
#include "config/options.hpp"

namespace howdah::config {
namespace {

using What = ConfigChange::What;

bool is_tls(std::string_view option) {
    return option.starts_with("server_tls") || option.starts_with("client_tls") ||
           option == "server_channel_binding";
}

// Changes of these make open server connections outdated; the rest of an entry are limits.
constexpr std::string_view kReconnecting[] = {
    "host",           "port",        "dbname",     "user",
    "connect_query",  "auth_dbname", "auth_query", "load_balance_hosts",
    "sslmode",        "sslrootcert", "sslcert",    "sslkey",
    "channel_binding"};

// An option's value as anybody may see it.
std::string shown(const Option<Settings>& option, const Settings& settings) {
    std::string value = option.field.get(settings);
    return option.name == "auth_ldap_options" ? show_ldap_options(value) : value;
}

template <typename S>
bool field_equal(const Option<S>& option, const S& a, const S& b) {
    return option.field.get(a) == option.field.get(b);
}

// Secrets all print alike: compared by value.
bool same_password(const DatabaseSettings& a, const DatabaseSettings& b) {
    return a.password == b.password;
}
bool same_password(const UserSettings& a, const UserSettings& b) {
    return a.password == b.password;
}
bool same_password(const PeerSettings&, const PeerSettings&) {
    return true;
}

template <typename S>
bool same(const S& a, const S& b, std::span<const Option<S>> options) {
    return same_password(a, b) && std::all_of(options.begin(), options.end(),
                                              [&](const auto& o) { return field_equal(o, a, b); });
}

bool needs_reconnect(const DatabaseSettings& a, const DatabaseSettings& b) {
    return std::any_of(std::begin(kReconnecting), std::end(kReconnecting), [&](auto name) {
        return !field_equal(*find_option(database_options(), name), a, b);
    });
}

template <typename S>
bool needs_reconnect(const S&, const S&) {
    return false;
}

void add_change(std::vector<ConfigChange>& changes, What what, std::string name) {
    ConfigChange change;
    change.what = what;
    change.name = std::move(name);
    changes.push_back(std::move(change));
}

std::string key_text(const std::string& key) {
    return key;
}
std::string key_text(int key) {
    return std::to_string(key);
}

template <typename Map, typename S>
std::vector<ConfigChange> compare_entries(const Map& before, const Map& after,
                                          std::span<const Option<S>> options, What what) {
    std::vector<ConfigChange> changes;
    for (const auto& [key, entry] : before) {
        const auto found = after.find(key);
        if (found == after.end()) {
            add_change(changes, what, key_text(key));
            changes.back().removed = true;
        } else if (!same(entry, found->second, options)) {
            add_change(changes, what, key_text(key));
            changes.back().reconnect = needs_reconnect(entry, found->second);
        }
    }
    for (const auto& [key, entry] : after) {
        if (!before.contains(key)) {
            add_change(changes, what, key_text(key));
            changes.back().added = true;
        }
    }
    return changes;
}

bool same_rule(const HbaRule& a, const HbaRule& b) {
    return a.type == b.type && a.method == b.method && a.options == b.options &&
           a.databases == b.databases && a.users == b.users && a.network == b.network &&
           (a.map == nullptr) == (b.map == nullptr) && (a.map == nullptr || *a.map == *b.map);
}

bool same_hba(const std::shared_ptr<const Hba>& a, const std::shared_ptr<const Hba>& b) {
    if (a == nullptr || b == nullptr) {
        return a == b;
    }
    return std::equal(a->rules().begin(), a->rules().end(), b->rules().begin(), b->rules().end(),
                      same_rule);
}

bool same_userlist(const std::shared_ptr<const Userlist>& a,
                   const std::shared_ptr<const Userlist>& b) {
    return a == b || (a != nullptr && b != nullptr && *a == *b);
}

}  // namespace

std::vector<ConfigRow> config_rows(const Config& config) {
    std::vector<ConfigRow> rows;
    for (const auto& option : global_options()) {
        ConfigRow row;
        row.key = option.name;
        row.value = shown(option, config.settings);
        if (const char* text = option.default_for(config.pgbouncer); text != nullptr) {
            row.default_value = text;
        } else if (row.value->empty()) {
            row.value.reset();
        }
        row.changeable = !option.restart;
        const auto origin = config.origins.find(option.name);
        row.origin = origin == config.origins.end() ? "default" : origin->second.text();
        rows.push_back(std::move(row));
    }
    return rows;
}

std::vector<ConfigRow> entry_rows(const Config& config) {
    std::vector<ConfigRow> rows;
    const auto add = [&](const std::string& prefix, const auto& entry, const auto& options) {
        for (const auto& option : options) {
            ConfigRow row;
            row.key = prefix + "." + std::string(option.name);
            row.value = option.field.get(entry);
            row.origin = entry.origin.text();
            if (!row.value->empty() && (option.value == nullptr || *row.value != option.value)) {
                rows.push_back(std::move(row));
            }
        }
    };
    for (const auto& [name, database] : config.databases) {
        add("databases." + name, database, database_options());
    }
    if (config.autodb) {
        add("databases.*", *config.autodb, database_options());
    }
    for (const auto& [name, user] : config.users) {
        add("users." + name, user, user_options());
    }
    for (const auto& [id, peer] : config.peers) {
        add("peers." + std::to_string(id), peer, peer_options());
    }
    return rows;
}

std::vector<ConfigChange> difference(const Config& old_config, const Config& new_config) {
    std::vector<ConfigChange> changes;
    for (const auto& option : global_options()) {
        if (field_equal(option, old_config.settings, new_config.settings)) {
            continue;
        }
        add_change(changes, What::kOption, std::string(option.name));
        changes.back().old_value = shown(option, old_config.settings);
        changes.back().new_value = shown(option, new_config.settings);
        changes.back().restart = option.restart;
        changes.back().reconnect = is_tls(option.name);
    }
    const auto with_autodb = [](const Config& config) {
        auto databases = config.databases;
        if (config.autodb) {
            databases.emplace("*", *config.autodb);
        }
        return databases;
    };
    const auto append = [&](std::vector<ConfigChange> more) {
        std::move(more.begin(), more.end(), std::back_inserter(changes));
    };
    append(compare_entries(with_autodb(old_config), with_autodb(new_config), database_options(),
                           What::kDatabase));
    append(compare_entries(old_config.users, new_config.users, user_options(), What::kUser));
    append(compare_entries(old_config.peers, new_config.peers, peer_options(), What::kPeer));
    if (!same_userlist(old_config.userlist, new_config.userlist)) {
        add_change(changes, What::kUserlist, old_config.settings.auth_file);
    }
    if (!same_hba(old_config.hba, new_config.hba)) {
        add_change(changes, What::kHba, new_config.settings.auth_hba_file);
    }
    return changes;
}

}  // namespace howdah::config
