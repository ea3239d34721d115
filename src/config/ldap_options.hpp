// How an LDAP server is asked about a password: the options behind the method ldap in pg_hba.conf,
// or in auth_ldap_options. PostgreSQL's names and meanings (its manual, "LDAP Authentication").
//
// Two ways: the user's entry is named by prefix and suffix, or searched for under a base; never
// both. A value of this type went through parse_ldap_options(): it says one of the two, whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/option_types.hpp"

namespace howdah::config {

enum class LdapScope : std::uint8_t { kBase, kOneLevel, kSubtree, kChildren };

struct LdapOptions {
    std::vector<std::string> servers;  // "host:port"; empty: by DNS SRV records of base_dn
    std::string scheme = "ldap";       // or "ldaps"
    bool start_tls = false;
    std::string prefix, suffix;          // around the user's name
    std::optional<std::string> base_dn;  // set: search below it
    LdapScope scope = LdapScope::kSubtree;
    std::string bind_dn;  // who searches; empty: anonymous
    Secret bind_password;
    std::string search_attribute;  // empty: uid
    std::string search_filter;     // with $username; empty: search_attribute=name

    [[nodiscard]] bool searches() const { return base_dn.has_value(); }
    // "host:port host:port", as messages name the server.
    [[nodiscard]] std::string server_text() const;
};
using LdapOptionsPtr = std::shared_ptr<const LdapOptions>;

// Errors in PgBouncer's words; never with the value of ldapbindpasswd.
[[nodiscard]] Result<LdapOptions> parse_ldap_options(std::string_view text);

// The text for SHOW and dumps: as it is, or with the value of ldapbindpasswd as ****.
[[nodiscard]] std::string show_ldap_options(const std::string& text);

}  // namespace howdah::config
