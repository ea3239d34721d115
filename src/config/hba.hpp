// Which authentication method a connection gets: rules in the format of pg_hba.conf, and user name
// maps in the format of pg_ident.conf.
//
//     local      DATABASE  USER           METHOD  [OPTIONS]
//     host       DATABASE  USER  ADDRESS  METHOD  [OPTIONS]     also hostssl, hostnossl
//
// The first rule that matches decides; none: reject. DATABASE: all, sameuser, replication, names,
// @file; USER: all, names, @file; quoted words are always names. ADDRESS: all, address/bits, or
// address and mask.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/ldap_options.hpp"
#include "config/settings.hpp"
#include "config/userlist.hpp"

namespace howdah::config {

// An IPv4 or IPv6 address in network order. IPv4-mapped IPv6 is IPv4.
struct IpAddress {
    bool v6 = false;
    std::array<std::uint8_t, 16> bytes{};  // the first 4 for IPv4
    friend bool operator==(const IpAddress&, const IpAddress&) = default;
};
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text);

struct Network {
    IpAddress address;
    std::array<std::uint8_t, 16> mask{};
    [[nodiscard]] bool contains(const IpAddress& ip) const;
    friend bool operator==(const Network&, const Network&) = default;
};
// "10.0.0.0/8", "::1/128", or an address alone.
[[nodiscard]] std::optional<Network> parse_network(std::string_view text);

// What is known of a client when its start-up message is read.
struct ConnectionFacts {
    std::optional<IpAddress> address;  // nullopt: a unix socket
    bool tls = false;
    bool physical_replication = false;
    std::string_view database;
    std::string_view user;
};

struct HbaNames {
    bool all = false, same_user = false, replication = false;
    std::set<std::string, std::less<>> names;
    friend bool operator==(const HbaNames&, const HbaNames&) = default;
};

struct IdentMapping {
    std::string system_user;    // "/regex" with \1 in database_user, or a name
    std::string database_user;  // empty with `all`
    bool all = false;
    friend bool operator==(const IdentMapping&, const IdentMapping&) = default;
};

class IdentMap {
  public:
    IdentMap(std::string name, std::vector<IdentMapping> mappings);
    [[nodiscard]] const std::string& name() const { return name_; }
    // Whether the certificate's or the operating system's `system_user` may log in as `user`.
    [[nodiscard]] bool allows(std::string_view system_user, std::string_view user) const;
    void add(IdentMapping mapping) { mappings_.push_back(std::move(mapping)); }
    friend bool operator==(const IdentMap&, const IdentMap&) = default;

  private:
    std::string name_;
    std::vector<IdentMapping> mappings_;
};

struct HbaRule {
    enum class Type : std::uint8_t { kLocal, kHost, kHostSsl, kHostNoSsl };
    Type type = Type::kLocal;
    HbaNames databases;
    HbaNames users;
    std::optional<Network> network;  // nullopt: local, or every address
    AuthType method = AuthType::kReject;
    std::vector<std::pair<std::string, std::string>> options;  // of ldap, and clientcert=..
    std::string options_text;                                  // after the method, as written
    std::shared_ptr<const IdentMap> map;  // of cert and peer; null: the names must be equal
    LdapOptionsPtr ldap;      // of ldap; null: wrong, so that nobody whom this rule is for gets in
    std::string pam_service;  // of pam; empty: the usual one
    std::string file;
    int line = 0;

    [[nodiscard]] bool matches(const ConnectionFacts& facts) const;
};

class Hba {
  public:
    // nullptr: no rule matches, which means reject ("no pg_hba.conf entry for ..").
    [[nodiscard]] const HbaRule* evaluate(const ConnectionFacts& facts) const;
    [[nodiscard]] const std::vector<HbaRule>& rules() const { return rules_; }
    void add(HbaRule rule) { rules_.push_back(std::move(rule)); }

  private:
    std::vector<HbaRule> rules_;
};

using IdentMaps = std::vector<std::shared_ptr<const IdentMap>>;

// What a parser of a whole file gives: a broken line is left out and reported.
struct IdentFile {
    IdentMaps maps;
    std::vector<FileProblem> problems;
};
[[nodiscard]] IdentFile parse_ident(std::string_view text, const std::string& file);

struct HbaFile {
    Hba hba;
    std::vector<FileProblem> problems;
};
// @file names are relative to the folder of `file`. `rule`: `text` is no file but the one rule of
// that number of a list, for messages; 0: a file.
[[nodiscard]] HbaFile parse_hba(std::string_view text, const std::string& file,
                                const IdentMaps& maps, int rule = 0);

// The method's name in pg_hba.conf: "password" for kPlain.
[[nodiscard]] std::string_view hba_method_name(AuthType method);

}  // namespace howdah::config
