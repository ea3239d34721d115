#include "proxy/handover.hpp"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

ClientState sample() {
    ClientState state;
    state.user = "app";
    state.database = "shop";
    state.protocol_minor = 2;
    state.cancel_pid = 0x7fffffff;
    state.cancel_key = std::string("\0\x01\xff", 3);
    state.connected_wall_us = 1'800'000'000'000'000;
    state.vars = {{"application_name", "it's"}, {"search_path", "\"x y\", public"}};
    state.view = {{"TimeZone", "UTC"}};
    state.statements = {{"s1", std::string("select $1\0\0\1\0\0\0\x17", 16), false,
                         std::string("\0\1\0\0\0\x17", 6), 0xfedcba9876543210}};
    state.sql_statements = {{"p", "(int) AS SELECT $1", true, "", 0}};
    state.unnamed = "";
    state.input = std::string("Q\0\0\0", 4);
    wire::ScramKeys keys;
    keys.iterations = 4096;
    keys.salt = "salt";
    keys.client_key = wire::Secret{std::string_view("client")};
    keys.server_key = wire::Secret{std::string_view("server")};
    state.credentials = keys;
    ServerState& server = state.server.emplace();
    server.host = "db.example";
    server.address = "::1";
    server.port = 5432;
    server.connect_query = "select 1";
    server.pid = 4711;
    server.cancel_key = std::string("\0key", 4);
    server.protocol_minor = 2;
    server.connected_us_ago = 5'000'000'000;
    server.reported = {{"TimeZone", "UTC"}};
    server.applied = {{"work_mem", "1MB"}};
    server.has_unnamed = true;
    server.doomed = true;
    server.pins = 5;
    server.probed_effects = 0x80000001;
    server.input = "N";
    return state;
}

TEST(Handover, WhatIsWrittenIsRead) {
    const ClientState state = sample();
    const auto read = decode_client(encode_client(state));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->user, state.user);
    EXPECT_EQ(read->cancel_pid, state.cancel_pid);
    EXPECT_EQ(read->cancel_key, state.cancel_key);
    EXPECT_EQ(read->connected_wall_us, state.connected_wall_us);
    EXPECT_EQ(read->vars, state.vars);
    EXPECT_EQ(read->view, state.view);
    ASSERT_EQ(read->statements.size(), 1U);
    EXPECT_EQ(read->statements[0].body, state.statements[0].body);
    EXPECT_EQ(read->statements[0].told_parameters, state.statements[0].told_parameters);
    EXPECT_EQ(read->statements[0].told_columns, state.statements[0].told_columns);
    ASSERT_EQ(read->sql_statements.size(), 1U);
    EXPECT_TRUE(read->sql_statements[0].from_sql);
    EXPECT_EQ(read->unnamed, state.unnamed);
    EXPECT_EQ(read->input, state.input);
    ASSERT_TRUE(std::holds_alternative<wire::ScramKeys>(read->credentials));
    EXPECT_EQ(std::get<wire::ScramKeys>(read->credentials).client_key.reveal(), "client");
    ASSERT_TRUE(read->server.has_value());
    EXPECT_EQ(read->server->address, "::1");
    EXPECT_EQ(read->server->port, 5432);
    EXPECT_EQ(read->server->cancel_key, state.server->cancel_key);
    EXPECT_EQ(read->server->connected_us_ago, 5'000'000'000U);
    EXPECT_EQ(read->server->applied, state.server->applied);
    EXPECT_TRUE(read->server->has_unnamed);
    EXPECT_FALSE(read->server->renames);
    EXPECT_FALSE(read->server->session_mode);
    EXPECT_TRUE(read->server->doomed);
    EXPECT_FALSE(read->server->own_sequences);
    EXPECT_EQ(read->server->pins, 5U);
    EXPECT_EQ(read->server->probed_effects, 0x80000001U);
    EXPECT_EQ(encode_client(*read), encode_client(state));
}

TEST(Handover, AClientWithoutAServerHasNone) {
    ClientState state = sample();
    state.server.reset();
    const auto read = decode_client(encode_client(state));
    ASSERT_TRUE(read.has_value());
    EXPECT_FALSE(read->server.has_value());
}

TEST(Handover, NothingShorterOrLongerIsTaken) {
    const std::string whole = encode_client(sample());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(decode_client(std::string_view(whole).substr(0, size)).has_value()) << size;
    }
    EXPECT_FALSE(decode_client(whole + "x").has_value());
    std::string other = whole;
    other[7] = 99;
    EXPECT_FALSE(decode_client(other).has_value());
}

}  // namespace
}  // namespace howdah::proxy
