// The configuration: read whole, checked whole, then published as an immutable snapshot.
//
// 1. load() reports every mistake at once and gives a Config only when none is an error: a wrong
//    configuration never starts and never replaces a good one.
// 2. A Config is never changed; SET and RELOAD make another.
// 3. Later wins: defaults, file or --upstream, environment (HOWDAH_<OPTION>), command line.
// 4. Passwords are Secrets and are in no message.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "config/hba.hpp"
#include "config/settings.hpp"
#include "config/userlist.hpp"

namespace howdah::config {

struct Diagnostic {
    enum class Severity : std::uint8_t { kWarning, kError };
    Severity severity = Severity::kError;
    std::string file;  // empty: not from a file
    int line = 0;      // 1-based; 0: the whole file
    std::string key;
    std::string message;  // whole sentence, with PgBouncer's words where its tools match on them
    std::string nearest;  // the valid key that was probably meant
    [[nodiscard]] std::string text() const;  // message, and the suggestion
};

template <typename T>
using ByName = std::map<std::string, T, std::less<>>;

struct Config {
    bool pgbouncer = false;  // from a pgbouncer.ini: PgBouncer's defaults and names
    Settings settings;
    ByName<Origin> origins;  // of the settings that are not defaults
    ByName<DatabaseSettings> databases;
    std::optional<DatabaseSettings> autodb;  // the "*" entry
    ByName<UserSettings> users;
    std::map<int, PeerSettings> peers;
    std::shared_ptr<const Userlist> userlist;  // auth_file and, over it, howdah.toml's passwords
    std::shared_ptr<const Hba> hba;            // null unless auth_type is hba or rules are given
    LdapOptionsPtr ldap;                       // auth_ldap_options; null: none, or they are wrong

    // What holds for a client that asks for `name`: its own entry, or "*", which has no name. Null:
    // there is no such database.
    [[nodiscard]] const DatabaseSettings* entry(std::string_view name) const;
    // The same as a copy that has the name.
    [[nodiscard]] std::optional<DatabaseSettings> database(std::string_view name) const;
};

// The names that the console answers to: no database can have one of them.
[[nodiscard]] bool is_console_database(std::string_view name);

using ConfigPtr = std::shared_ptr<const Config>;
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// The process's own environment.
[[nodiscard]] std::optional<std::string> process_environment(std::string_view name);

struct LoadRequest {
    std::string file = {};                     // *.toml, or else pgbouncer.ini; empty: none
    std::optional<std::string> upstream = {};  // libpq URI or keyword string
    std::vector<std::pair<std::string, std::string>> overrides = {};  // from the command line
    Environment environment = process_environment;
};

struct LoadOutcome {
    ConfigPtr config;                     // null when a diagnostic is an error
    std::vector<Diagnostic> diagnostics;  // in the order of the file
};

[[nodiscard]] LoadOutcome load(const LoadRequest& request);

// SET name = value on the console. An option that needs a restart is left alone, as PgBouncer
// does: the same Config comes back. Files are not read again.
[[nodiscard]] Result<ConfigPtr> set(const ConfigPtr& config, std::string_view name,
                                    std::string_view value);

// The auth_file again if it changed since it was read; null when it did not.
[[nodiscard]] ConfigPtr refresh_userlist(const ConfigPtr& config);

// A row of SHOW CONFIG; nullopt is NULL.
struct ConfigRow {
    std::string key;
    std::optional<std::string> value;
    std::optional<std::string> default_value;
    bool changeable = true;
    std::string origin;
};
// PgBouncer's options in its order, then howdah's own.
[[nodiscard]] std::vector<ConfigRow> config_rows(const Config& config);
// What is set for databases, users and peers, as "databases.shop.pool_size"; secrets as ****.
[[nodiscard]] std::vector<ConfigRow> entry_rows(const Config& config);

// What a RELOAD changed.
struct ConfigChange {
    enum class What : std::uint8_t { kOption, kDatabase, kUser, kPeer, kUserlist, kHba };
    What what = What::kOption;
    std::string name;       // option, database, user; "*" for the fallback database
    std::string old_value;  // of an option; secrets as ****
    std::string new_value;
    bool restart = false;    // an option that takes effect at the next start only
    bool reconnect = false;  // server connections made before are outdated
    bool added = false, removed = false;
};
[[nodiscard]] std::vector<ConfigChange> difference(const Config& old_config,
                                                   const Config& new_config);

// After a reload: the new configuration with the old values of what needs a restart.
[[nodiscard]] ConfigPtr without_restart_changes(const Config& old_config,
                                                const ConfigPtr& new_config);

// docs/configuration.md and docs/migrate-from-pgbouncer.md's table.
[[nodiscard]] std::string reference_markdown();
[[nodiscard]] std::string migration_table_markdown();

}  // namespace howdah::config
