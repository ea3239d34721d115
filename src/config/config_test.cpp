#include "config/config.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "config/entry.hpp"
#include "config/options.hpp"
#include "config/testing.hpp"

namespace howdah::config {
namespace {

std::optional<std::string> empty_environment(std::string_view) {
    return std::nullopt;
}

LoadOutcome load_text(const std::string& name, std::string_view text) {
    const TempFolder folder;
    return load({.file = folder.write(name, text), .environment = empty_environment});
}

std::string all_texts(const LoadOutcome& outcome) {
    std::string joined;
    for (const auto& diagnostic : outcome.diagnostics) {
        joined += diagnostic.text() + "\n";
    }
    return joined;
}

ConfigPtr good(const std::string& name, std::string_view text) {
    LoadOutcome outcome = load_text(name, text);
    EXPECT_NE(outcome.config, nullptr) << all_texts(outcome);
    return outcome.config ? outcome.config : std::make_shared<Config>();
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(Options, EveryDefaultParsesAndNamesAreUnique) {
    std::set<std::string_view> names;
    for (const auto& option : global_options()) {
        EXPECT_TRUE(names.insert(option.name).second) << option.name;
        EXPECT_FALSE(option.help.empty()) << option.name;
        EXPECT_FALSE(option.group.empty()) << option.name;
        for (const char* text : {option.value, option.howdah_value}) {
            Settings settings;
            EXPECT_TRUE(text == nullptr || set_option(option, settings, text)) << option.name;
        }
    }
    EXPECT_EQ(default_settings(true).listen_port, 6432);
    EXPECT_EQ(default_settings(true).pool_mode, PoolMode::kSession);
    EXPECT_EQ(default_settings(false).pool_mode, PoolMode::kTransaction);
}

TEST(Ini, ReadsWhatPgBouncerReads) {
    const TempFolder folder;
    folder.write("users", "\"ann\" \"secret\"\n");
    folder.write("more.ini", "[databases]\nfrom_include = host=h3\n");
    const std::string path = folder.write(
        "p.ini",
        "; comment\n"
        "[databases]\n"
        "one = port=6666 host=127.0.0.1 dbname=x user=bouncer password='p''w' pool_size=2\n"
        "two= host=127.0.0.1,::1 reserve_pool=3 pool_mode=transaction load_balance_hosts=disable\n"
        "three =\n"
        "q = connect_query='set a=1; set b=2' server_lifetime=2 query_wait_timeout=-1\n"
        "\"my \"\"db\" = host=/run/pg\n"
        "'it' = host=h2\n"
        "* = host=fallback max_db_connections=4\n"
        "%include " +
            folder.path("more.ini") +
            "\n"
            "[users]\n"
            "ann = max_user_connections=3 pool_mode=session query_timeout=1.5\n"
            "[peers]\n"
            "2 = host=/tmp/other port=7777 pool_size=9\n"
            "[pgbouncer]\n"
            "listen_addr = 127.0.0.1 ; not a comment\n"
            "listen_addr = 127.0.0.1, ::1\n"
            "auth_type = md5\n"
            "auth_file = " +
            folder.path("users") +
            "\n"
            "unix_socket_mode = 0770\n"
            "server_lifetime = 1.5\n"
            "   pool_mode=STATEMENT\n"
            "admin_users = ann, bob,\n");
    const auto outcome = load({.file = path, .environment = empty_environment});
    ASSERT_NE(outcome.config, nullptr) << all_texts(outcome);
    const Config& config = *outcome.config;
    EXPECT_TRUE(config.pgbouncer);
    EXPECT_EQ(config.settings.listen_addr.names, (std::vector<std::string>{"127.0.0.1", "::1"}));
    EXPECT_EQ(config.settings.unix_socket_mode, 0770);
    EXPECT_EQ(config.settings.server_lifetime, std::chrono::milliseconds(1500));
    EXPECT_EQ(config.settings.pool_mode, PoolMode::kStatement);
    EXPECT_TRUE(config.settings.admin_users.contains("bob"));
    EXPECT_EQ(config.origins.at("unix_socket_mode").line, 20);

    const auto one = config.databases.at("one");
    EXPECT_EQ(one.addresses, (std::vector<ServerAddress>{{"127.0.0.1", 6666}}));
    EXPECT_EQ(one.password->reveal(), "p'w");
    EXPECT_EQ(one.pool_size, 2);
    const auto two = config.databases.at("two");
    EXPECT_EQ(two.addresses.size(), 2u);
    EXPECT_EQ(two.reserve_pool_size, 3);
    EXPECT_EQ(two.pool_mode, PoolMode::kTransaction);
    EXPECT_EQ(two.load_balance_hosts, LoadBalance::kDisable);
    EXPECT_EQ(config.databases.at("three").addresses.at(0), (ServerAddress{"", 5432}));
    EXPECT_EQ(config.databases.at("q").connect_query, "set a=1; set b=2");
    EXPECT_EQ(config.databases.at("q").query_wait_timeout, std::nullopt);
    EXPECT_TRUE(config.databases.contains("my \"db"));
    EXPECT_TRUE(config.databases.contains("it"));
    EXPECT_EQ(config.databases.at("from_include").host, "h3");
    EXPECT_EQ(config.database("unheard")->host, "fallback");
    EXPECT_EQ(config.database("unheard")->name, "unheard");
    EXPECT_EQ(config.database("pgbouncer"), std::nullopt);
    EXPECT_EQ(config.users.at("ann").query_timeout, std::chrono::milliseconds(1500));
    EXPECT_EQ(config.peers.at(2).addresses.at(0), (ServerAddress{"/tmp/other", 7777}));
    EXPECT_EQ(config.userlist->find("ann")->reveal(), "secret");
}

TEST(Ini, ReportsEveryMistakeAtOnce) {
    const auto outcome = load_text("p.ini",
                                   "[databases]\n"
                                   "a = host\n"
                                   "b = hots=x\n"
                                   "c = port=0\n"
                                   "d = pool_size=many password=hunter2\n"
                                   "pgbouncer = host=x\n"
                                   "howdah = host=x\n"
                                   "[users]\n"
                                   "u = pool_mode=sesion\n"
                                   "[peers]\n"
                                   "0 = host=x\n"
                                   "3 = port=1\n"
                                   "[pgbouncer]\n"
                                   "pool_mod = session\n"
                                   "server_lifetime = invalid_server_lifetime\n"
                                   "listen_port = 70000\n"
                                   "auth_dbname = pgbouncer\n");
    EXPECT_EQ(outcome.config, nullptr);
    const std::string text = all_texts(outcome);
    EXPECT_CONTAINS(text, "syntax error in connection string of database \"a\"");
    EXPECT_CONTAINS(text, "unrecognized connection parameter: hots");
    EXPECT_CONTAINS(text, "did you mean \"host\"?");
    EXPECT_CONTAINS(text, "invalid port: 0");
    EXPECT_CONTAINS(text, "invalid value \"many\" for parameter pool_size");
    EXPECT_CONTAINS(text, "database name \"pgbouncer\" is reserved");
    EXPECT_CONTAINS(text, "database name \"howdah\" is reserved");
    EXPECT_CONTAINS(text, "invalid value \"sesion\" for parameter pool_mode");
    EXPECT_CONTAINS(text, "ids of peers must be a number");
    EXPECT_CONTAINS(text, "host was not provided for peer 3");
    EXPECT_CONTAINS(text, "unknown parameter: pgbouncer/pool_mod");
    EXPECT_CONTAINS(text, "did you mean \"pool_mode\"?");
    EXPECT_CONTAINS(text,
                    "invalid value \"invalid_server_lifetime\" for parameter server_lifetime in "
                    "configuration (");
    EXPECT_CONTAINS(text, "p.ini:15)");
    EXPECT_CONTAINS(text, "parameter listen_port");
    EXPECT_CONTAINS(text, "cannot use the reserved \"pgbouncer\" database as an auth_dbname");
    EXPECT_EQ(text.find("hunter2"), std::string::npos);
}

TEST(Ini, SyntaxSectionsAndIncludes) {
    EXPECT_CONTAINS(all_texts(load_text("p.ini", "[pgbouncer]\nno equals\n")), "syntax error in");
    EXPECT_CONTAINS(all_texts(load_text("p.ini", "[pgbouncer\n")), "syntax error in");
    EXPECT_CONTAINS(all_texts(load_text("p.ini", "[databases]\n")), "main section missing");
    EXPECT_CONTAINS(all_texts(load_text("p.ini", "a = b\n[pgbouncer]\n")), "value without section");
    EXPECT_CONTAINS(all_texts(load_text("p.ini", "[database]\n[pgbouncer]\n")),
                    "did you mean \"databases\"?");
    EXPECT_CONTAINS(all_texts(load_text("p.ini", "%include /nonexistent/x\n[pgbouncer]\n")),
                    "could not load file \"/nonexistent/x\": No such file");
    EXPECT_NE(load_text("p.ini", "[databases] a=host=x\n[users] [pgbouncer] ; c\n").config,
              nullptr);
    EXPECT_CONTAINS(all_texts(load({.file = "/dev/zero", .environment = empty_environment})),
                    "could not load file \"/dev/zero\": File too large");
    const TempFolder folder;
    const std::string loop = folder.write("loop.ini", "%include " + folder.path("loop.ini") + "\n");
    EXPECT_CONTAINS(all_texts(load({.file = loop, .environment = empty_environment})),
                    "include nesting level too deep");
    const auto twice =
        load_text("p.ini", "[databases]\na = host=x\na = host=y\n[pgbouncer]\n[pgbouncer]\n");
    ASSERT_NE(twice.config, nullptr);
    EXPECT_EQ(twice.config->databases.at("a").host, "y");
    EXPECT_CONTAINS(all_texts(twice), "database \"a\" is defined again");
    EXPECT_CONTAINS(all_texts(twice), "section [pgbouncer] begins again");
}

TEST(Ini, MissingAuthFilesAreWarnings) {
    const auto outcome = load_text("p.ini",
                                   "[databases]\n* = host=x\n[pgbouncer]\nauth_type = hba\n"
                                   "auth_file = /nonexistent/u\nauth_hba_file = /nonexistent/h\n");
    ASSERT_NE(outcome.config, nullptr);
    EXPECT_CONTAINS(all_texts(outcome), "could not open auth_file /nonexistent/u: No such file");
    EXPECT_CONTAINS(all_texts(outcome), "could not open hba config file /nonexistent/h");
    EXPECT_TRUE(outcome.config->hba->rules().empty());
}

TEST(Toml, ReadsTablesListsSecretsAndRules) {
    const TempFolder folder;
    folder.write("pw", "from file\n");
    const std::string path = folder.write("h.toml",
                                          "log_format = 'json'\n"
                                          "[proxy]\n"
                                          "listen_addr = ['127.0.0.1', '::1']\n"
                                          "query_wait_timeout = '250ms'\n"
                                          "server_idle_timeout = 2.5\n"
                                          "tcp_keepalive = false\n"
                                          "login_notify_message = 'cost: $${x}'\n"
                                          "hba = ['local all all peer',\n"
                                          "       'host all all 10.0.0.0/8 scram-sha-256']\n"
                                          "[databases.shop]\n"
                                          "host = 'a,b'\n"
                                          "port = '5433,5434'\n"
                                          "password = '${SHOP}!'\n"
                                          "sslmode = 'verify-full'\n"
                                          "[databases.'*']\n"
                                          "[users.ann]\n"
                                          "password_file = '" +
                                              folder.path("pw") +
                                              "'\n"
                                              "[peers.7]\n"
                                              "host = 'h'\n");
    const Environment environment = [](std::string_view name) -> std::optional<std::string> {
        return name == "SHOP" ? std::optional<std::string>("s3cret") : std::nullopt;
    };
    const auto outcome = load({.file = path, .environment = environment});
    ASSERT_NE(outcome.config, nullptr) << all_texts(outcome);
    const Config& config = *outcome.config;
    EXPECT_FALSE(config.pgbouncer);
    EXPECT_EQ(config.settings.log_format, LogFormat::kJson);
    EXPECT_EQ(config.settings.listen_addr.names.size(), 2u);
    EXPECT_EQ(config.settings.query_wait_timeout, std::chrono::milliseconds(250));
    EXPECT_EQ(config.settings.server_idle_timeout, std::chrono::milliseconds(2500));
    EXPECT_FALSE(config.settings.tcp_keepalive);
    EXPECT_EQ(config.settings.login_notify_message, "cost: ${x}");
    EXPECT_EQ(config.settings.auth_type, AuthType::kHba);
    ASSERT_EQ(config.hba->rules().size(), 2u);
    EXPECT_EQ(config.hba->rules()[1].line, 9);
    const auto& shop = config.databases.at("shop");
    EXPECT_EQ(shop.addresses, (std::vector<ServerAddress>{{"a", 5433}, {"b", 5434}}));
    EXPECT_EQ(shop.password->reveal(), "s3cret!");
    EXPECT_EQ(shop.sslmode, SslMode::kVerifyFull);
    EXPECT_TRUE(config.autodb.has_value());
    EXPECT_EQ(config.userlist->find("ann")->reveal(), "from file");
    EXPECT_EQ(config.peers.at(7).addresses.at(0).port, 6432);
}

TEST(Toml, ReportsEveryMistakeAtOnce) {
    const auto outcome = load_text("h.toml",
                                   "[proxy]\n"
                                   "pool_mdoe = 'session'\n"
                                   "loops = 'many'\n"
                                   "query_event_ring = 1000\n"
                                   "server_tls_protocols = 'tlsv1.4'\n"
                                   "job_name = '${NOT_SET}'\n"
                                   "hba = ['host all all nonsense trust']\n"
                                   "[database.x]\n"
                                   "[databases]\n"
                                   "y = 'host=x'\n");
    EXPECT_EQ(outcome.config, nullptr);
    const std::string text = all_texts(outcome);
    EXPECT_CONTAINS(text, "unknown parameter: pool_mdoe in configuration (");
    EXPECT_CONTAINS(text, "did you mean \"pool_mode\"?");
    EXPECT_CONTAINS(text, "invalid value \"many\" for parameter loops");
    EXPECT_CONTAINS(text, "query_event_ring must be a power of two");
    EXPECT_CONTAINS(text, "\"tlsv1.4\" is not a TLS version");
    EXPECT_CONTAINS(all_texts(load_text("h.toml", "loops = 1\n[proxy]\nloops = 2\n")),
                    "loops is set twice: ");
    EXPECT_CONTAINS(text, "environment variable NOT_SET is not set");
    EXPECT_CONTAINS(text, "failed to parse address - nonsense");
    EXPECT_CONTAINS(text, "did you mean \"databases\"?");
    EXPECT_CONTAINS(text, "[databases.y] must be a table");
    EXPECT_CONTAINS(all_texts(load_text("h.toml", "[proxy\n")), "h.toml:1): ");
    EXPECT_CONTAINS(all_texts(load_text("h.toml", std::string("[proxy]\n[\0x]\n", 13))),
                    "h.toml:2): a control character");
    EXPECT_CONTAINS(all_texts(load_text("h.toml", "[proxy]\nloops = 1\n[#l\n")),
                    "h.toml:3): this is not TOML");
    EXPECT_CONTAINS(all_texts(load({.file = "/nonexistent/h.toml"})), "could not load file");
}

TEST(Toml, InsecureListeningMustBeAskedFor) {
    const std::string text = "[proxy]\nlisten_addr='0.0.0.0'\nauth_type='trust'\n";
    EXPECT_EQ(load_text("h.toml", text).config, nullptr);
    EXPECT_NE(load_text("h.toml", text + "allow_insecure_listen=true\n").config, nullptr);
    EXPECT_NE(load_text("p.ini", "[pgbouncer]\nlisten_addr=*\nauth_type=trust\n").config, nullptr);
}

// SHOW CONFIG and config show print it: with a password it is refused, wherever it comes from.
TEST(Toml, AConnectionForPlansHasNoPassword) {
    for (const char* secret : {"host=h password=hunter2", "password = 'hunter2' host=h",
                               "postgresql://u:hunter2@h/d", "postgres://h/d?password=hunter2",
                               "host=h sslpassword=hunter2", "host=h password='hunter2"}) {
        const auto outcome = load_text(
            "h.toml", fmt::format("[proxy]\nloops = 1\nslow_query_explain = \"{}\"\n", secret));
        EXPECT_EQ(outcome.config, nullptr) << secret;
        const std::string text = all_texts(outcome);
        EXPECT_CONTAINS(text, "slow_query_explain must be a connection string without a password");
        EXPECT_CONTAINS(text, "h.toml:3)");
        EXPECT_CONTAINS(text, "~/.pgpass");
        EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
    }
    const ConfigPtr config =
        good("h.toml", "[proxy]\nslow_query_explain = \"host=/run user=u passfile=/etc/pw\"\n");
    EXPECT_FALSE(set(config, "slow_query_explain", "password=x"));
    EXPECT_TRUE(set(config, "slow_query_explain", "postgresql://u@h:5433/d?service=plans"));
    EXPECT_TRUE(set(config, "slow_query_explain", ""));
}

TEST(Toml, PasswordsInClearAreWarnedOf) {
    const std::string listen = "[proxy]\nlisten_addr = '*'\nhttp_listen = ''\n";
    const std::string clear = "passwords in clear";
    EXPECT_CONTAINS(all_texts(load_text("h.toml", listen + "auth_type = 'plain'\n")), clear);
    EXPECT_EQ(all_texts(load_text("h.toml", "[proxy]\nauth_type = 'plain'\n")).find(clear),
              std::string::npos);
    EXPECT_CONTAINS(
        all_texts(load_text("p.ini", "[pgbouncer]\nlisten_addr = 0.0.0.0\nauth_type = plain\n")),
        clear);
    const auto rule = [&](const char* text) {
        return all_texts(load_text("h.toml", listen + fmt::format("hba = ['{}']\n", text)));
    };
    EXPECT_CONTAINS(rule("host all all 10.0.0.0/8 password"),
                    "method password of a host rule lets clients send their passwords in clear: "
                    "make it hostssl (");
    for (const char* fine : {"hostssl all all all password", "local all all password",
                             "host all all 127.0.0.0/8 password", "host all all ::1/128 password",
                             "host all all all scram-sha-256"}) {
        EXPECT_EQ(rule(fine).find(clear), std::string::npos) << fine;
    }
}

TEST(Toml, ARuleIsNamedByItsNumber) {
    const std::string text = all_texts(load_text("h.toml",
                                                 "hba = ['local all all trust',\n"
                                                 "       'host all all all md5',\n"
                                                 "       'host all all nonsense md5']\n"));
    EXPECT_CONTAINS(text, "hba rule 3: failed to parse address - nonsense");
    EXPECT_CONTAINS(text, "h.toml:3)");
}

TEST(Ini, APasswordOfAUserIsNoMisspelling) {
    const std::string text =
        all_texts(load_text("p.ini", "[pgbouncer]\n[users]\nann = password=hunter2\n"));
    EXPECT_CONTAINS(text, "unrecognized user parameter: password in configuration (");
    EXPECT_CONTAINS(text, "p.ini:3): in a pgbouncer.ini a user's password stands in the auth_file");
    EXPECT_EQ(text.find("did you mean"), std::string::npos) << text;
    EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
}

TEST(Sources, LaterWinsAndOriginsAreKept) {
    const TempFolder folder;
    const std::string path =
        folder.write("h.toml", "[proxy]\nloops = 2\nlisten_port = 1\nstats_period = 5\n");
    const Environment environment = [](std::string_view name) -> std::optional<std::string> {
        return name == "HOWDAH_LISTEN_PORT"    ? std::optional<std::string>("2")
               : name == "HOWDAH_STATS_PERIOD" ? std::optional<std::string>("6")
                                               : std::nullopt;
    };
    const auto outcome =
        load({.file = path, .overrides = {{"stats_period", "7"}}, .environment = environment});
    ASSERT_NE(outcome.config, nullptr) << all_texts(outcome);
    const Config& config = *outcome.config;
    EXPECT_EQ(config.settings.loops, 2);
    EXPECT_EQ(config.settings.listen_port, 2);
    EXPECT_EQ(config.settings.stats_period, 7);
    EXPECT_EQ(config.origins.at("loops").text(), path + ":2");
    EXPECT_EQ(config.origins.at("listen_port").text(), "environment HOWDAH_LISTEN_PORT");
    EXPECT_EQ(config.origins.at("stats_period").text(), "command line");
    EXPECT_EQ(load({.overrides = {{"no_such", "1"}}, .environment = empty_environment}).config,
              nullptr);
}

TEST(Upstream, UriAndKeywords) {
    const auto from = [](std::string text) {
        const auto outcome = load({.upstream = std::move(text), .environment = empty_environment});
        EXPECT_NE(outcome.config, nullptr) << all_texts(outcome);
        return outcome.config;
    };
    const auto uri =
        from("postgres://ann:p%40ss@h1:5433,[::1],h3/shop?sslmode=require&connect_timeout=5");
    ASSERT_NE(uri, nullptr);
    const auto shop = uri->databases.at("shop");
    EXPECT_EQ(shop.addresses,
              (std::vector<ServerAddress>{{"h1", 5433}, {"::1", 5432}, {"h3", 5432}}));
    EXPECT_EQ(shop.user, "ann");
    EXPECT_EQ(shop.password->reveal(), "p@ss");
    EXPECT_EQ(shop.dbname, "shop");
    EXPECT_EQ(shop.sslmode, SslMode::kRequire);
    EXPECT_EQ(uri->autodb->dbname, std::nullopt);
    EXPECT_EQ(uri->autodb->addresses, shop.addresses);

    const auto words = from("host=/run/pg port=7 dbname='my db' user=o\\'hara");
    ASSERT_NE(words, nullptr);
    EXPECT_EQ(words->databases.at("my db").addresses.at(0), (ServerAddress{"/run/pg", 7}));
    EXPECT_EQ(words->autodb->user, "o'hara");
    EXPECT_EQ(from("postgresql:///")->autodb->addresses.at(0), (ServerAddress{"", 5432}));
    EXPECT_EQ(from("postgres://%2Frun%2Fpg/x")->autodb->host, "/run/pg");

    for (const char* bad :
         {"postgres://h:x/db", "postgres://ann:sec/ret@h/db", "postgres://h?sslmod=require",
          "nonsense", "postgres://[::1/db", "postgres://h/%zz", "host='open",
          "postgres://h:1,h2:2,h3:/x?port=1,2"}) {
        const auto outcome = load({.upstream = bad, .environment = empty_environment});
        EXPECT_EQ(outcome.config, nullptr) << bad;
        EXPECT_EQ(all_texts(outcome).find("sec"), std::string::npos) << all_texts(outcome);
    }
}

TEST(Upstream, ItsUserLogsInWithItsPassword) {
    const auto outcome =
        load({.upstream = "postgres://ann:secret@h/shop", .environment = empty_environment});
    ASSERT_NE(outcome.config, nullptr) << all_texts(outcome);
    EXPECT_TRUE(outcome.diagnostics.empty()) << all_texts(outcome);
    EXPECT_EQ(outcome.config->users.at("ann").name, "ann");
    EXPECT_TRUE(outcome.config->userlist->all().contains("ann"));
    EXPECT_EQ(outcome.config->settings.stats_users.names, std::vector<std::string>{"ann"});

    const auto nobody = load({.upstream = "postgres://ann@h", .environment = empty_environment});
    ASSERT_NE(nobody.config, nullptr);
    EXPECT_CONTAINS(all_texts(nobody),
                    "nobody can log in: auth_type scram-sha-256 needs passwords");
    for (const auto& [option, value] :
         {std::pair{"auth_type", "trust"}, std::pair{"auth_user", "pooler"}}) {
        const auto open = load({.upstream = "postgres://ann@h",
                                .overrides = {{option, value}},
                                .environment = empty_environment});
        EXPECT_TRUE(open.diagnostics.empty()) << option << ": " << all_texts(open);
    }
}

TEST(Upstream, IsNotHowdahItself) {
    const auto outcome = [](std::string upstream) {
        return load({.upstream = std::move(upstream), .environment = empty_environment});
    };
    for (const char* own : {"postgres://u:p@127.0.0.1:6432/x", "postgres://u:p@localhost:6432"}) {
        EXPECT_EQ(outcome(own).config, nullptr) << own;
        EXPECT_CONTAINS(all_texts(outcome(own)), "which is where howdah listens");
    }
    for (const char* other : {"postgres://u:p@127.0.0.1/x", "postgres://u:p@db:6432/x"}) {
        EXPECT_NE(outcome(other).config, nullptr) << all_texts(outcome(other));
    }
}

TEST(Toml, TablesOfOtherCommandsAreTheirs) {
    good("h.toml", "[databases.shop]\nhost = 'x'\n[lint]\npath = 'a'\n[migrate]\n[deploy]\n");
    EXPECT_CONTAINS(all_texts(load_text("h.toml", "[lnit]\npath = 'a'\n")),
                    "did you mean \"lint\"?");
}

TEST(Set, ChangesACopy) {
    const ConfigPtr config = good("p.ini", "[databases]\n* = host=x\n[pgbouncer]\n");
    const auto changed = set(config, "pool_mode", "transaction");
    ASSERT_TRUE(changed);
    EXPECT_EQ((*changed)->settings.pool_mode, PoolMode::kTransaction);
    EXPECT_EQ(config->settings.pool_mode, PoolMode::kSession);
    EXPECT_EQ(set(config, "listen_port", "1"), config);  // restart only: left alone
    EXPECT_EQ(set(config, "no_such", "1").error().message, "unknown parameter: pgbouncer/no_such");
    EXPECT_FALSE(set(config, "default_pool_size", "x"));
    EXPECT_FALSE(set(config, "default_pool_size", "-1"));
    EXPECT_FALSE(set(config, "auth_dbname", "pgbouncer"));
}

TEST(Rows, AreAsPgBouncerPrintsThem) {
    const ConfigPtr config =
        good("p.ini",
             "[databases]\n* = host=x\n[pgbouncer]\nreserve_pool_timeout=0.25\n"
             "admin_users = a,b\nunix_socket_mode=0700\n");
    std::map<std::string, ConfigRow> rows;
    for (const auto& row : config_rows(*config)) {
        rows[row.key] = row;
    }
    EXPECT_EQ(config_rows(*config).front().key, "admin_users");
    EXPECT_EQ(rows["reserve_pool_timeout"].value, "0.25");
    EXPECT_EQ(rows["reserve_pool_timeout"].default_value, "5");
    EXPECT_EQ(rows["admin_users"].value, "a,b");
    EXPECT_EQ(rows["auth_file"].value, std::nullopt);
    EXPECT_EQ(rows["auth_file"].default_value, std::nullopt);
    EXPECT_EQ(rows["auth_hba_file"].value, "");
    EXPECT_EQ(rows["unix_socket_mode"].value, "448");
    EXPECT_EQ(rows["unix_socket_mode"].default_value, "0777");
    EXPECT_FALSE(rows["listen_port"].changeable);
    EXPECT_TRUE(rows["pool_mode"].changeable);
    EXPECT_EQ(rows["pool_mode"].origin, "default");
}

TEST(Difference, SaysWhatARestartOrReconnectIsNeededFor) {
    const ConfigPtr before = good("p.ini",
                                  "[databases]\na = host=x\nb = host=x\nc = host=x password=1\n"
                                  "[users]\nu = pool_size=1\n[pgbouncer]\nlisten_port=1\n");
    const ConfigPtr after = good("p.ini",
                                 "[databases]\na = host=y\nb = host=x pool_size=3\n"
                                 "c = host=x password=2\n* = host=z\n"
                                 "[pgbouncer]\nlisten_port=2\nserver_tls_sslmode=require\n");
    std::map<std::string, ConfigChange> changes;
    for (const auto& change : difference(*before, *after)) {
        changes[change.name] = change;
    }
    EXPECT_TRUE(changes.at("a").reconnect);
    EXPECT_FALSE(changes.at("b").reconnect);
    EXPECT_TRUE(changes.contains("c"));
    EXPECT_TRUE(changes.at("*").added);
    EXPECT_TRUE(changes.at("u").removed);
    EXPECT_TRUE(changes.at("listen_port").restart);
    EXPECT_EQ(changes.at("listen_port").old_value, "1");
    EXPECT_TRUE(changes.at("server_tls_sslmode").reconnect);
    EXPECT_TRUE(difference(*before, *before).empty());

    const ConfigPtr merged = without_restart_changes(*before, after);
    EXPECT_EQ(merged->settings.listen_port, 1);
    EXPECT_EQ(merged->settings.server_tls_sslmode, SslMode::kRequire);
}

TEST(Userlist, IsReadAgainWhenItChanged) {
    const TempFolder folder;
    folder.write("users", "\"ann\" \"1\"\n");
    const std::string path = folder.write(
        "p.ini", "[databases]\n* = host=x\n[pgbouncer]\nauth_file=" + folder.path("users") + "\n");
    const auto outcome = load({.file = path, .environment = empty_environment});
    ASSERT_NE(outcome.config, nullptr);
    EXPECT_EQ(refresh_userlist(outcome.config), nullptr);
    folder.write("users", "\"ann\" \"22\"\n");
    const ConfigPtr refreshed = refresh_userlist(outcome.config);
    ASSERT_NE(refreshed, nullptr);
    EXPECT_EQ(refreshed->userlist->find("ann")->reveal(), "22");
}

// Run from the top of the tree, as ctest does.
std::string file_text(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

TEST(Reference, TheDocumentsAreCurrent) {
    EXPECT_EQ(file_text("docs/configuration.md"), reference_markdown())
        << "write it again: howdah config reference > docs/configuration.md";
    EXPECT_CONTAINS(file_text("docs/migrate-from-pgbouncer.md"), migration_table_markdown());
}

}  // namespace
}  // namespace howdah::config
