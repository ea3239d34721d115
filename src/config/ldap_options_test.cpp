#include "config/ldap_options.hpp"

#include <gtest/gtest.h>

#include "config/config.hpp"
#include "config/testing.hpp"

namespace howdah::config {
namespace {

LdapOptions parsed(std::string_view text) {
    auto options = parse_ldap_options(text);
    EXPECT_TRUE(options.has_value()) << text << ": " << options.error().message;
    return options ? std::move(*options) : LdapOptions();
}

std::string problem(std::string_view text) {
    const auto options = parse_ldap_options(text);
    return options ? "" : options.error().message;
}

TEST(LdapOptions, SimpleBind) {
    const LdapOptions options = parsed(
        "ldapserver=127.0.0.1 ldapport=1389 ldapprefix=\"uid=\" ldapsuffix=\",dc=x\" ldaptls=1");
    EXPECT_EQ(options.servers, std::vector<std::string>{"127.0.0.1:1389"});
    EXPECT_EQ(options.prefix, "uid=");
    EXPECT_EQ(options.suffix, ",dc=x");
    EXPECT_TRUE(options.start_tls);
    EXPECT_FALSE(options.searches());
}

TEST(LdapOptions, SearchAndBind) {
    const LdapOptions options = parsed(
        "ldapserver=a ldapbasedn=\"dc=example, dc=net\",ldapbinddn=\"cn=me\" "
        "ldapbindpasswd=\"a\"\"b c\" \"ldapsearchattribute\"=mail");
    EXPECT_EQ(options.base_dn, "dc=example, dc=net");
    EXPECT_EQ(options.bind_dn, "cn=me");
    EXPECT_EQ(options.bind_password.reveal(), "a\"b c");
    EXPECT_EQ(options.search_attribute, "mail");
    EXPECT_EQ(options.scope, LdapScope::kSubtree);
}

TEST(LdapOptions, ServersHaveTheirPorts) {
    const auto servers = [](std::string_view text) {
        return parsed(std::string(text) + " ldapprefix=u").servers;
    };
    using List = std::vector<std::string>;
    EXPECT_EQ(servers("ldapserver=\"a b  c\""), (List{"a:389", "b:389", "c:389"}));
    EXPECT_EQ(servers("ldapserver=\"a b\" ldapscheme=ldaps"), (List{"a:636", "b:636"}));
    EXPECT_EQ(servers("ldapserver=\"a b:1\" ldapport=2"), (List{"a:2", "b:1"}));
    EXPECT_EQ(servers("ldapserver=\"::1 [::2] [::3]:4\""),
              (List{"[::1]:389", "[::2]:389", "[::3]:4"}));
    // Nothing but a base: its domain's servers are asked of DNS.
    EXPECT_TRUE(parsed("ldapbasedn=\"dc=example,dc=net\"").servers.empty());
}

TEST(LdapOptions, Urls) {
    LdapOptions options = parsed("ldapurl=\"ldaps://h:5/dc=a%2Cb,dc=net?uid,cn?sub\"");
    EXPECT_EQ(options.servers, std::vector<std::string>{"h:5"});
    EXPECT_EQ(options.scheme, "ldaps");
    EXPECT_EQ(options.base_dn, "dc=a,b,dc=net");
    EXPECT_EQ(options.search_attribute, "uid");
    EXPECT_EQ(options.scope, LdapScope::kSubtree);
    options = parsed("ldapurl=\"ldap://h/dc=x??one?(|(uid=$username)(mail=$username))\"");
    EXPECT_EQ(options.search_filter, "(|(uid=$username)(mail=$username))");
    EXPECT_EQ(options.scope, LdapScope::kOneLevel);
    EXPECT_EQ(options.servers, std::vector<std::string>{"h:389"});
    // Without a scope it is the entry itself (RFC 4516); an empty base is the whole directory.
    EXPECT_EQ(parsed("ldapurl=ldap://h/dc=x").scope, LdapScope::kBase);
    EXPECT_EQ(parsed("ldapurl=ldap://h:3268/?name?sub").base_dn, "");
    EXPECT_FALSE(parsed("ldapurl=ldap://h ldapprefix=u").searches());
    // What comes later wins.
    EXPECT_EQ(parsed("ldapurl=ldap://h/dc=x ldapport=7").servers.front(), "h:7");
}

TEST(LdapOptions, MistakesAreNamed) {
    const std::string search = "ldapserver=h ldapbasedn=dc=x ";
    const std::pair<std::string, std::string> cases[] = {
        {search + "ldapbase=x", "invalid LDAP option: \"ldapbase\""},
        {search + "map=x", "invalid LDAP option: \"map\""},
        {search + "ldapport=0", "invalid LDAP port number: \"0\""},
        {search + "ldapport=65536", "invalid LDAP port number: \"65536\""},
        {search + "ldapport=389x", "invalid LDAP port number: \"389x\""},
        {search + "ldapscheme=ldapi", "invalid ldapscheme value: \"ldapi\""},
        {search + "ldaptls=true", "invalid ldaptls value: \"true\" (0 or 1)"},
        {search + "ldapscheme=ldaps ldaptls=1", "cannot use ldaptls together with ldaps"},
        {search + "ldapprefix=u", "cannot mix options for simple bind and search+bind modes"},
        {"ldapserver=h ldapprefix=u ldapbinddn=x",
         "cannot mix options for simple bind and search+bind modes"},
        {search + "ldapsearchattribute=a ldapsearchfilter=b=$username",
         "cannot use ldapsearchattribute together with ldapsearchfilter"},
        {"ldapserver=h",
         "authentication method \"ldap\" requires argument \"ldapbasedn\", \"ldapprefix\", or "
         "\"ldapsuffix\" to be set"},
        {"ldapserver=h ldapbinddn=x",
         "authentication method \"ldap\" requires argument \"ldapbasedn\", \"ldapprefix\", or "
         "\"ldapsuffix\" to be set"},
        {"ldapprefix=u", "LDAP server not specified, and no ldapbasedn"},
        {"ldapbasedn=\"\"", "LDAP server not specified, and no ldapbasedn"},
        {"ldapprefix=u ldapserver=\"a b/c\"", "invalid LDAP server: \"b/c\""},
        {"ldapprefix=u ldapserver=a:x", "invalid LDAP port number: \"x\""},
        {"ldapurl=http://h/dc=x", "unsupported LDAP URL scheme: http"},
        {"ldapurl=h", "could not parse LDAP URL \"h\": it does not begin with ldap:// or ldaps://"},
        {"ldapurl=ldap://h/dc=%4",
         "could not parse LDAP URL \"ldap://h/dc=%4\": a % is not followed by two hexadecimal "
         "digits"},
        {"ldapurl=ldap://h/dc=x??near",
         "could not parse LDAP URL \"ldap://h/dc=x??near\": unknown "
         "scope"},
        {"ldapurl=ldap://h/dc=x?"
         "?"
         "?"
         "?!e",
         "could not parse LDAP URL \"ldap://h/dc=x?"
         "?"
         "?"
         "?!e\": extensions are not supported"},
    };
    for (const auto& [text, message] : cases) {
        EXPECT_EQ(problem(text), message) << text;
    }
}

TEST(LdapOptions, TheSearchersPasswordIsNeverShown) {
    EXPECT_EQ(show_ldap_options("ldapserver=h ldapprefix=\"u\""), "ldapserver=h ldapprefix=\"u\"");
    EXPECT_EQ(show_ldap_options("ldapserver=h ldapbindpasswd=canary ldapbasedn=x"),
              "ldapserver=\"h\" ldapbindpasswd=\"****\" ldapbasedn=\"x\"");
    for (const std::string text :
         {"ldapserver=h ldapbasedn=x ldapbindpasswd=a canary",
          "ldapserver=\"h ldapbindpasswd=canary", "\"ldapserver=h ldapbindpasswd=canary\"=x",
          "ldapbindpasswd=\"x canary"}) {
        EXPECT_EQ(problem(text).find("canary"), std::string::npos) << problem(text);
    }
    for (const std::string text :
         {"ldapserver=\"h ldapbindpasswd=canary", "\"ldapserver=h ldapbindpasswd=canary\"=x"}) {
        EXPECT_EQ(show_ldap_options(text).find("canary"), std::string::npos) << text;
    }
}

// --- In a configuration ---

LoadOutcome load_text(const TempFolder& folder, const std::string& name, const std::string& text) {
    return load({.file = folder.write(name, text),
                 .environment = [](std::string_view) { return std::nullopt; }});
}

TEST(LdapConfig, OptionsOfTheFileAndOfRules) {
    const TempFolder folder;
    const auto good =
        load_text(folder, "a.ini",
                  "[databases]\nx = host=h\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
                  "auth_type = ldap\nauth_ldap_options = ldapurl=\"ldap://h/dc=x?uid?sub\"\n");
    ASSERT_NE(good.config, nullptr);
    ASSERT_NE(good.config->ldap, nullptr);
    EXPECT_EQ(good.config->ldap->base_dn, "dc=x");
    const auto rules =
        load_text(folder, "b.toml",
                  "hba = [\"host all all all ldap ldapserver=h ldapprefix=u\", \"local all all pam "
                  "pamservice=shop\"]\nlisten_addr = \"127.0.0.1\"\n[databases.x]\nhost = \"h\"\n");
    ASSERT_NE(rules.config, nullptr) << rules.diagnostics.front().message;
    const auto& list = rules.config->hba->rules();
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0].ldap->prefix, "u");
    EXPECT_EQ(list[1].pam_service, "shop");
}

TEST(LdapConfig, MistakesHaveAPlace) {
    const TempFolder folder;
    const std::string head = "[proxy]\nlisten_addr = \"127.0.0.1\"\n[databases.x]\nhost = \"h\"\n";
    const auto option = load_text(
        folder, "a.toml", "[proxy]\nauth_type = \"ldap\"\nauth_ldap_options = \"ldapserver=h\"\n");
    EXPECT_EQ(option.config, nullptr);
    ASSERT_FALSE(option.diagnostics.empty());
    EXPECT_EQ(option.diagnostics.front().line, 3);
    EXPECT_NE(option.diagnostics.front().message.find("requires argument"), std::string::npos);
    const auto none = load_text(folder, "b.toml", "[proxy]\nauth_type = \"ldap\"\n");
    EXPECT_EQ(none.config, nullptr);
    EXPECT_EQ(none.diagnostics.front().line, 2);
    folder.write("rules", "local all all trust\nhost all all all ldap ldapserver=h ldapfoo=1\n");
    const auto rule = load_text(
        folder, "c.toml",
        "[proxy]\nauth_type = \"hba\"\nauth_hba_file = \"" + folder.path("rules") + "\"\n");
    EXPECT_EQ(rule.config, nullptr);
    EXPECT_EQ(rule.diagnostics.front().file, folder.path("rules"));
    EXPECT_EQ(rule.diagnostics.front().line, 2);
}

// A rule that is left out would leave the decision to the next one.
TEST(LdapConfig, AWrongRuleLetsNobodyInUnderAPgbouncerIni) {
    const TempFolder folder;
    folder.write("rules", "host all all all ldap ldapserver=h ldapfoo=1\nhost all all all trust\n");
    const auto outcome = load_text(folder, "a.ini",
                                   "[databases]\nx = host=h\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
                                   "auth_type = hba\nauth_hba_file = " +
                                       folder.path("rules") + "\n");
    ASSERT_NE(outcome.config, nullptr);
    ConnectionFacts facts;
    facts.address = parse_ip("10.0.0.1");
    facts.database = facts.user = "x";
    const HbaRule* rule = outcome.config->hba->evaluate(facts);
    ASSERT_NE(rule, nullptr);
    EXPECT_EQ(rule->method, AuthType::kLdap);
    EXPECT_EQ(rule->ldap, nullptr);
    const HbaFile pam =
        parse_hba("local all all pam pamservices=x\nlocal all all trust\n", "f", {});
    EXPECT_EQ(pam.problems.size(), 1u);
    ASSERT_EQ(pam.hba.rules().size(), 2u);
    EXPECT_EQ(pam.hba.rules()[0].method, AuthType::kReject);
}

TEST(LdapConfig, SetAndShow) {
    const TempFolder folder;
    const auto outcome = load_text(
        folder, "a.ini", "[databases]\nx = host=h\n[pgbouncer]\nlisten_addr = 127.0.0.1\n");
    ASSERT_NE(outcome.config, nullptr);
    const auto changed =
        set(outcome.config, "auth_ldap_options", "ldapserver=h ldapbasedn=x ldapbindpasswd=canary");
    ASSERT_TRUE(changed.has_value());
    EXPECT_EQ((*changed)->ldap->bind_password.reveal(), "canary");
    EXPECT_FALSE(set(outcome.config, "auth_ldap_options", "ldapserver=h").has_value());
    for (const ConfigRow& row : config_rows(**changed)) {
        EXPECT_EQ(row.value.value_or("").find("canary"), std::string::npos) << row.key;
    }
    for (const ConfigChange& change : difference(*outcome.config, **changed)) {
        EXPECT_EQ(change.name, "auth_ldap_options");
        EXPECT_EQ(change.new_value.find("canary"), std::string::npos);
    }
}

}  // namespace
}  // namespace howdah::config
