// Builder: entries in, one checked Config out. Private to config.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/entry.hpp"
#include "config/options.hpp"

namespace howdah::config {

class Builder {
  public:
    Builder(bool pgbouncer, std::vector<Diagnostic> diagnostics);

    void set_conffile(const std::string& path);
    void apply(const Entry& entry);
    // Reads auth_file and the HBA files, checks what belongs together.
    [[nodiscard]] LoadOutcome finish();

  private:
    using Severity = Diagnostic::Severity;

    void report(Severity severity, const Origin& origin, std::string key, std::string message);
    // `nearest_of`: the keys that would have been right.
    template <typename S>
    void unknown(const Entry& entry, std::string message, std::span<const Option<S>> options);
    template <typename S>
    void apply_option(const Entry& entry, S& target, std::span<const Option<S>> options);

    void apply_global(const Entry& entry);
    void apply_database(const Entry& entry);
    void apply_user(const Entry& entry);
    void apply_peer(const Entry& entry);

    void finish_addresses();
    void finish_users();
    void finish_hba();
    void check_ident_file(Severity severity);
    void finish_ldap();
    void check_together();
    void check_listen();
    void check_tls();
    void check_users();
    void check_clear_passwords();
    void check_syslog();
    void check_not_itself(const std::string& name, const DatabaseSettings& database);
    void check_protocols(const std::string& option, const std::string& value);
    void check_databases();
    void check_without_effect();
    Origin origin_of(const std::string& option) const;

    std::shared_ptr<Config> config_;
    std::vector<Diagnostic> diagnostics_;
    std::vector<Entry> hba_lines_;
};

// auth_file and howdah.toml's passwords; never null.
[[nodiscard]] std::shared_ptr<const Userlist> read_userlist(const Config& config,
                                                            std::vector<FileProblem>& problems);

// auth_ldap_options; null when there are none.
[[nodiscard]] Result<LdapOptionsPtr> read_ldap_options(const Settings& settings);

// slow_query_explain is printed by SHOW CONFIG, in clear.
[[nodiscard]] Result<> check_explain(const Settings& settings);

[[nodiscard]] std::string reserved_auth_dbname(std::string_view name);

}  // namespace howdah::config
