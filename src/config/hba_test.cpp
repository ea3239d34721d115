#include "config/hba.hpp"

#include <gtest/gtest.h>

#include "config/testing.hpp"

namespace howdah::config {
namespace {

// What the rules say: the method's name, or "none".
struct Asked {
    const char* database;
    const char* user;
    const char* address;  // "unix" or an IP address
    bool tls = false;
    bool replication = false;
};

std::string verdict(const Hba& hba, const Asked& asked) {
    ConnectionFacts facts;
    facts.address = parse_ip(asked.address);
    facts.tls = asked.tls;
    facts.physical_replication = asked.replication;
    facts.database = asked.database;
    facts.user = asked.user;
    const HbaRule* rule = hba.evaluate(facts);
    return rule == nullptr ? "none" : std::string(hba_method_name(rule->method));
}

Hba parsed(std::string_view text) {
    HbaFile file = parse_hba(text, "test.hba", {});
    for (const auto& problem : file.problems) {
        ADD_FAILURE() << problem.message;
    }
    return std::move(file.hba);
}

TEST(Hba, TypesDecideByTransport) {
    const Hba hba = parsed(
        "# comment\n \t\n"
        "local all all peer\n"
        "hostssl all all 10.0.0.0/8 cert\n"
        "hostnossl all all 11.0.0.0/8 md5 # tail\n"
        "host all all 12.0.0.0/8 password\n");
    EXPECT_EQ(verdict(hba, {"d", "u", "unix"}), "peer");
    EXPECT_EQ(verdict(hba, {"d", "u", "10.1.1.1", true}), "cert");
    EXPECT_EQ(verdict(hba, {"d", "u", "10.1.1.1", false}), "none");
    EXPECT_EQ(verdict(hba, {"d", "u", "11.1.1.1", true}), "none");
    EXPECT_EQ(verdict(hba, {"d", "u", "11.1.1.1", false}), "md5");
    EXPECT_EQ(verdict(hba, {"d", "u", "12.1.1.1", true}), "password");
    EXPECT_EQ(verdict(hba, {"d", "u", "12.1.1.1", false}), "password");
    EXPECT_EQ(verdict(hba, {"d", "u", "13.1.1.1"}), "none");
}

TEST(Hba, NamesListsAndQuotes) {
    const Hba hba = parsed(
        "local sales,hr ann , bob trust\n"
        "local \"all\" \"all\" md5\n"
        "local \"q\"\"x\" \"a , b\" cert\n"
        "local sameuser all scram-sha-256\n"
        "local crm,all carl reject\n");
    EXPECT_EQ(verdict(hba, {"sales", "ann", "unix"}), "trust");
    EXPECT_EQ(verdict(hba, {"hr", "bob", "unix"}), "trust");
    EXPECT_EQ(verdict(hba, {"hr", "carl", "unix"}), "reject");
    EXPECT_EQ(verdict(hba, {"all", "all", "unix"}), "md5");
    EXPECT_EQ(verdict(hba, {"q\"x", "a , b", "unix"}), "cert");
    EXPECT_EQ(verdict(hba, {"dora", "dora", "unix"}), "scram-sha-256");
    EXPECT_EQ(verdict(hba, {"dora", "emil", "unix"}), "none");
}

TEST(Hba, AddressesAndMasks) {
    const Hba hba = parsed(
        "host a all 127.0.0.0 255.255.255.0 trust\n"
        "host b all 199.1.2.3/32 trust\n"
        "host b all 128.0.0.0/9 md5\n"
        "host b all 128.0.0.0/1 cert\n"
        "host c all ff20::/12 md5\n"
        "host c all ::1/128 trust\n"
        "host c all ::ffff:9.0.0.0/8 password\n"
        "host d all all reject\n");
    EXPECT_EQ(verdict(hba, {"a", "u", "127.0.0.200"}), "trust");
    EXPECT_EQ(verdict(hba, {"a", "u", "127.0.1.1"}), "none");
    EXPECT_EQ(verdict(hba, {"b", "u", "199.1.2.3"}), "trust");
    EXPECT_EQ(verdict(hba, {"b", "u", "199.1.2.4"}), "cert");
    EXPECT_EQ(verdict(hba, {"b", "u", "128.127.0.1"}), "md5");
    EXPECT_EQ(verdict(hba, {"b", "u", "128.128.0.1"}), "cert");
    EXPECT_EQ(verdict(hba, {"b", "u", "127.255.255.255"}), "none");
    EXPECT_EQ(verdict(hba, {"c", "u", "ff2a:3::1"}), "md5");
    EXPECT_EQ(verdict(hba, {"c", "u", "ff30::1"}), "none");
    EXPECT_EQ(verdict(hba, {"c", "u", "::1"}), "trust");
    EXPECT_EQ(verdict(hba, {"c", "u", "9.8.7.6"}), "password");
    EXPECT_EQ(verdict(hba, {"d", "u", "1.2.3.4"}), "reject");
    EXPECT_EQ(verdict(hba, {"d", "u", "face::1"}), "reject");
    EXPECT_EQ(verdict(hba, {"d", "u", "unix"}), "none");
}

TEST(Hba, ReplicationIsNotADatabase) {
    const Hba hba = parsed(
        "host replication admin ::1/128 trust\n"
        "host db,replication both ::1/128 md5\n"
        "host all all ::1/128 cert\n");
    EXPECT_EQ(verdict(hba, {"x", "admin", "::1", false, true}), "trust");
    EXPECT_EQ(verdict(hba, {"replication", "admin", "::1"}), "cert");
    EXPECT_EQ(verdict(hba, {"x", "both", "::1", false, true}), "md5");
    EXPECT_EQ(verdict(hba, {"db", "both", "::1"}), "md5");
    EXPECT_EQ(verdict(hba, {"x", "other", "::1", false, true}), "none");
}

TEST(Hba, NameFilesAreRelativeToTheRules) {
    const TempFolder folder;
    folder.write("dbs", "one, two\n\n# none\nthree\n");
    folder.write("more", "@dbs\nfour\n");
    const auto file =
        parse_hba("local @more @users trust\nlocal @more all md5\n", folder.path("hba"), {});
    ASSERT_EQ(file.problems.size(), 1u);  // there is no file "users"
    EXPECT_NE(file.problems[0].message.find("hba line 1: "), std::string::npos);
    EXPECT_EQ(verdict(file.hba, {"three", "u", "unix"}), "md5");
    EXPECT_EQ(verdict(file.hba, {"four", "u", "unix"}), "md5");
    EXPECT_EQ(verdict(file.hba, {"five", "u", "unix"}), "none");

    folder.write("loop", "@loop\n");
    EXPECT_EQ(parse_hba("local @loop all md5\n", folder.path("hba"), {}).problems.size(), 1u);
}

TEST(Hba, BrokenLinesAreNamedAndLeftOut) {
    const std::pair<const char*, const char*> cases[] = {
        {"remote all all trust", "hba line 1: unknown type"},
        {"local all", "hba line 1: name expected"},
        {"local samerole all trust", "hba line 1: samerole is not supported"},
        {"local all +staff trust", "hba line 1: +group is not supported"},
        {"local all \"open trust", "hba line 1: name expected"},
        {"host all all", "hba line 1: did not find address"},
        {"host all all example.com trust", "hba line 1: failed to parse address - example.com"},
        {"host all all 10.0.0.0/33 trust", "hba line 1: invalid mask"},
        {"host all all ::/129 trust", "hba line 1: invalid mask"},
        {"host all all 10.0.0.0/x trust", "hba line 1: invalid mask"},
        {"host all all 10.0.0.0", "hba line 1: did not find mask"},
        {"host all all 10.0.0.0 ffff:: trust", "hba line 1: failed to parse mask: ffff::"},
        {"local all all gss", "hba line 1: unsupported method: buf=gss"},
        {"local all all", "hba line 1: unsupported method: buf="},
        {"local all all trust clientcert=1",
         "hba line 1: Ident map clientcert=1 is malformed. It is not in map=value format."},
        {"local all all peer map=none",
         "hba line 1: Ident map none is not found in ident config file"},
    };
    for (const auto& [line, message] : cases) {
        const auto file = parse_hba(line, "f", {});
        EXPECT_TRUE(file.hba.rules().empty()) << line;
        ASSERT_EQ(file.problems.size(), 1u) << line;
        EXPECT_EQ(file.problems[0].message, message);
        EXPECT_TRUE(file.problems[0].ignored);
    }
    const auto host_bits = parse_hba("host all all 10.1.1.1/8 md5\n", "f", {});
    ASSERT_EQ(host_bits.problems.size(), 1u);
    EXPECT_FALSE(host_bits.problems[0].ignored);
    EXPECT_EQ(verdict(host_bits.hba, {"d", "u", "10.1.1.1"}), "none");
}

TEST(Hba, LdapOptions) {
    const Hba hba = parsed(
        "host all all 0.0.0.0/0 ldap ldapserver=127.0.0.1 \"ldapport\"=389 "
        "ldapbasedn=\"dc=example,dc=net\" ,ldapsearchfilter=\"uid=$username\" # x\n");
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"ldapserver", "127.0.0.1"},
        {"ldapport", "389"},
        {"ldapbasedn", "dc=example,dc=net"},
        {"ldapsearchfilter", "uid=$username"}};
    EXPECT_EQ(hba.rules().at(0).options, expected);
}

TEST(Ident, MapsNamesAllAndPatterns) {
    const auto ident = parse_ident(
        "# MAP SYSTEM DATABASE\n"
        "m www-data app\n"
        "m \"Ann B\" \"ann b\"\n"
        "any root all\n"
        "re /^(.*)@example\\.com$ \\1\n"
        "re /^ops- dba\n",
        "ident");
    ASSERT_TRUE(ident.problems.empty());
    ASSERT_EQ(ident.maps.size(), 3u);
    const IdentMap& names = *ident.maps[0];
    EXPECT_TRUE(names.allows("www-data", "app"));
    EXPECT_TRUE(names.allows("Ann B", "ann b"));
    EXPECT_FALSE(names.allows("www-data", "root"));
    EXPECT_FALSE(names.allows("other", "app"));
    EXPECT_TRUE(ident.maps[1]->allows("root", "whoever"));
    EXPECT_FALSE(ident.maps[1]->allows("toor", "whoever"));
    const IdentMap& patterns = *ident.maps[2];
    EXPECT_TRUE(patterns.allows("ann@example.com", "ann"));
    EXPECT_FALSE(patterns.allows("ann@example.com", "bob"));
    EXPECT_FALSE(patterns.allows("ann@example.org", "ann"));
    EXPECT_TRUE(patterns.allows("ops-7", "dba"));
    using namespace std::string_view_literals;
    EXPECT_FALSE(patterns.allows("ann@example.com\0x"sv, "ann"));

    HbaFile hba = parse_hba("hostssl all all 0.0.0.0/0 cert map=re\n", "f", ident.maps);
    ASSERT_TRUE(hba.problems.empty());
    EXPECT_EQ(hba.hba.rules().at(0).map->name(), "re");
}

TEST(Ident, HostilePatternsAndNamesCostLittle) {
    const std::string plus(60, '+');
    (void)parse_ident("m /" + plus + "x db\nm /((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+$ db\n", "f");
    const auto ident = parse_ident("m /^(a+)+$ db\nm /^(a|aa)+b$ db\n", "f");
    ASSERT_EQ(ident.maps.size(), 1u);
    EXPECT_FALSE(ident.maps[0]->allows(std::string(250, 'a') + "!", "db"));
    EXPECT_FALSE(ident.maps[0]->allows(std::string(100'000, 'a'), "db"));
    EXPECT_TRUE(ident.maps[0]->allows(std::string(200, 'a'), "db"));
}

TEST(Ident, BrokenLines) {
    for (const char* line :
         {"m", "m sys", "\"m\" sys db", "m sys db more", "m /( db", "m s +grp", "m , x"}) {
        const auto ident = parse_ident(line, "f");
        EXPECT_EQ(ident.problems.size(), 1u) << line;
        EXPECT_TRUE(ident.maps.empty()) << line;
    }
}

}  // namespace
}  // namespace howdah::config
