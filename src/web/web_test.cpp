#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "web/guard.hpp"
#include "web/json.hpp"

namespace howdah::web {
namespace {

namespace json = boost::json;

TEST(Guard, HostsThatAPageInABrowserCouldSendAreRefused) {
    for (const char* good : {"127.0.0.1", "127.0.0.1:6433", "[::1]:6433", "localhost:6433",
                             "LOCALHOST", "10.1.2.3:80", "db.internal:6433", "DB.Internal"}) {
        EXPECT_TRUE(host_allowed(good, {"db.internal"})) << good;
    }
    for (const char* bad :
         {"", "evil.com", "evil.com:6433", "127.0.0.1.evil.com", "localhost.evil.com",
          "127.0.0.1:x", "127.0.0.1:99999", "[::1", "[::1]x", "::1", ":6433", "localhost:6433:1",
          "db.internal.", "user@localhost"}) {
        EXPECT_FALSE(host_allowed(bad, {"db.internal"})) << bad;
    }
}

TEST(Guard, ListenAddressesSayWhetherOthersCanReachThem) {
    EXPECT_TRUE(parse_listen_address("127.0.0.1:6433")->loopback);
    EXPECT_TRUE(parse_listen_address("localhost:0")->loopback);
    EXPECT_TRUE(parse_listen_address("[::1]:6433")->loopback);
    EXPECT_FALSE(parse_listen_address("0.0.0.0:6433")->loopback);
    EXPECT_FALSE(parse_listen_address("*:6433")->loopback);
    EXPECT_FALSE(parse_listen_address("[::]:6433")->loopback);
    EXPECT_FALSE(parse_listen_address("10.0.0.1:6433")->loopback);
    EXPECT_EQ(parse_listen_address("[::1]:6433")->port, 6433);
    for (const char* bad :
         {"", "127.0.0.1", "6433", "example.com:80", "127.0.0.1:70000", "[::1]"}) {
        EXPECT_FALSE(parse_listen_address(bad)) << bad;
    }
}

TEST(Guard, TokensComeAsBearerOrAsPassword) {
    const std::string token = "0123456789abcdef";
    EXPECT_TRUE(token_accepted("Bearer " + token, token));
    EXPECT_TRUE(token_accepted("bearer " + token, token));
    EXPECT_TRUE(token_accepted("Basic cHJvbTowMTIzNDU2Nzg5YWJjZGVm", token));  // prom:TOKEN
    for (const char* bad :
         {"", "Bearer", "Bearer ", "Bearer 0123456789abcdeg", "Token 0123456789abcdef",
          "Basic ????", "Basic MDEyMzQ1Njc4OWFiY2RlZg=="}) {
        EXPECT_FALSE(token_accepted(bad, token)) << bad;
    }
    EXPECT_FALSE(token_accepted("Bearer ", ""));
}

proxy::FingerprintEntry entry(const char* text, std::uint64_t calls, std::uint64_t server_us) {
    proxy::FingerprintEntry made;
    made.statement = sql::StatementRef();
    made.statement = [&] {
        auto* statement = new sql::Statement;
        statement->fingerprint = calls * 1000 + server_us;
        statement->normalized = text;
        statement->kind = sql::StatementKind::kSelect;
        return sql::StatementRef(statement);
    }();
    made.calls = calls;
    made.server_us = server_us;
    made.network_us = 1;
    made.cache_us = 10 * calls;
    return made;
}

json::value page_of(const char* query) {
    const auto page = parse_query_page(query);
    EXPECT_TRUE(page) << query;
    proxy::FingerprintEntry other;
    other.calls = 9;
    return json::parse(queries_json(
        {entry("select a", 1, 3000), entry("select b", 2, 2000), entry("select \xff", 3, 1000)},
        other, *page, nullptr));
}

TEST(QueriesJson, SortsAndPages) {
    const json::value all = page_of("");
    EXPECT_EQ(all.at("schema"), "howdah.queries/1");
    EXPECT_EQ(all.at("total"), 3);
    EXPECT_EQ(all.at("other").at("calls"), 9);
    const json::value& first = all.at("queries").at(0);
    EXPECT_EQ(first.at("text"), "select a");
    EXPECT_EQ(first.at("server_ms"), 3.0);
    EXPECT_EQ(first.at("server_ms_mean"), 3.0);
    EXPECT_EQ(first.at("network_ms"), 0.001);
    EXPECT_EQ(first.at("cache_ms"), 0.01);
    EXPECT_EQ(first.at("kind"), "select");

    const json::value by_calls = page_of("sort=calls&limit=1&offset=1");
    EXPECT_EQ(by_calls.at("queries").as_array().size(), 1U);
    EXPECT_EQ(by_calls.at("queries").at(0).at("text"), "select b");
    EXPECT_EQ(page_of("sort=calls&order=asc").at("queries").at(0).at("calls"), 1);
    EXPECT_EQ(page_of("sort=cache_ms").at("queries").at(0).at("calls"), 3);
    EXPECT_EQ(page_of("search=T+B").at("total"), 1);
    EXPECT_EQ(page_of("search=%73elect%20b").at("total"), 1);
    // Part of a longer text, as in a request.
    EXPECT_EQ(parse_query_page(std::string_view("limit=7&sort=calls HTTP/1.1").substr(0, 18))->sort,
              "calls");
    EXPECT_EQ(page_of("offset=4711").at("queries").as_array().size(), 0U);
    EXPECT_EQ(page_of("sort=calls").at("queries").at(0).at("text"), "select \xef\xbf\xbd");
}

TEST(QueriesJson, BadParametersAreNamed) {
    for (const char* bad : {"sort=name", "limit=0", "limit=501", "limit=-1", "limit=1x", "offset=x",
                            "order=up", "page=2", "sort=%zz"}) {
        EXPECT_FALSE(parse_query_page(bad)) << bad;
    }
    EXPECT_NE(parse_query_page("limit=0").error().message.find("limit"), std::string::npos);
}

TEST(ReadyJson, NamesDatabasesOnlyToThoseWhoMayKnow) {
    Readiness readiness;
    readiness.reason = "1 of 1";
    readiness.databases.push_back({"secret_project", "unreachable"});
    EXPECT_EQ(ready_json(readiness, false).find("secret_project"), std::string::npos);
    const json::value full = json::parse(ready_json(readiness, true));
    EXPECT_EQ(full.at("databases").at(0).at("name"), "secret_project");
    EXPECT_EQ(full.at("databases").at(0).at("ready"), false);
    EXPECT_EQ(full.at("ready"), false);
}

}  // namespace
}  // namespace howdah::web
