#include "wire/scram.hpp"

#include <gtest/gtest.h>

#include <array>

#include "wire/saslprep.hpp"

namespace howdah::wire {
namespace {

// RFC 7677, section 3.
constexpr std::string_view kRfcClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kRfcServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view kRfcServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kRfcClientFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view kRfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
constexpr std::string_view kRfcSalt =
    "\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";

// Made by PostgreSQL 15: CREATE ROLE .. PASSWORD .., then pg_authid.rolpassword.
struct Generated {
    const char* password;
    const char* verifier;
};
constexpr Generated kGenerated[] = {
    {"pencil",
     "SCRAM-SHA-256$4096:DOzPW31Upauzy+Px8jI28w==$ZGytVecaZdT7E+xz3DZziyQXRLD/UzzB2ebjJkMdQUU=:"
     "6xGOEXvJmkym2kj138lUu4/3gL5+L2K2UjvgEHj2v4o="},
    {"I\u00adX",  // soft hyphen: mapped to nothing
     "SCRAM-SHA-256$4096:iqPsOfGN+mFc6TgDV109rA==$VV6N8TYgcFGJKqZOvvGYM+HuHPQu8G1QaosykmpDwq8=:"
     "Q74WqK2FUoUOMlRrjnMKtZVaZjg+nwMbTERhNR/vrko="},
    {"\u2168",  // roman numeral nine: NFKC makes it IX
     "SCRAM-SHA-256$4096:xXMW2S0Ulrr83Ll/hoCYgA==$FH79jVjBjKM79CJ0AU61460u5k9U9xcNBbkwC30SpH0=:"
     "0bZTOs8t2V+HekmXRSoZCZZHUM+qVqRHiuMBOsOz7yA="},
    {"\u00aa",  // feminine ordinal: NFKC makes it a
     "SCRAM-SHA-256$4096:+Sl+HydLsCF6APzotO5abw==$nGtUY9LqLkXS17Jl9Bi6w9flU+zI+JkpuwMOojamT1c=:"
     "gxvwq4grKVCtq2n9ah+gJl5izt7lCMP85biPlQJOpUA="},
    {"a\u0627",  // mixed directions: prohibited, taken raw
     "SCRAM-SHA-256$4096:a8VTd5WJwEGZj5rHgWK/8w==$9CsVKXHnjFXx24hkAvYLdbBQJqvUXIRmJArYcw1SWFE=:"
     "uevGjOTbZGLR+KJh5yFeoqPuitQPxgf1OmKeRG0s8jw="},
    {"pass\u0221word",  // unassigned in Unicode 3.2: taken raw
     "SCRAM-SHA-256$4096:NPlfMTEeHGTfrWPxz4SCXA==$6Mn3en1yUEVEc8iqOxA1GjATT5R1oxARA67jqjXkIi8=:"
     "xNiE3jo2t79tVJgq/GEWlJdJLT5ViD4fwyEX1p07W2E="},
    {"sp\u00a0"
     "ace",  // no-break space: a space
     "SCRAM-SHA-256$4096:JKkUMwqor5753SKyGqHk3w==$/ctHqrJXQ2CUMzd0XR2x1JKaJ75+pRdg7SEYlxeVUk8=:"
     "STr+cXBs/HuLvDNzeGlTeMWYyQd68Bp3vdTge68NTxc="},
    {"gr\u00fc\u00dfe",
     "SCRAM-SHA-256$4096:/bG2nOqv/A8pyiKLx3bZdw==$prD6y+kphAPpjzmgg5wyIOfwaTlsX3QaSjWcSrOdzgI=:"
     "pX0sztJTICleXwcia1xu4dIFYpTb4TyDrWsbT6CsYAI="},
};

constexpr std::string_view kSalt = "0123456789abcdef";

ScramServer rfc_server(bool doomed = false) {
    return {make_verifier("pencil", kRfcSalt, 4096),
            {.nonce = std::string(kRfcServerNonce), .channel_binding_data = "", .doomed = doomed}};
}

TEST(Saslprep, Rfc4013Examples) {
    EXPECT_EQ(saslprep("I\u00adX").reveal(), "IX");
    EXPECT_EQ(saslprep("user").reveal(), "user");
    EXPECT_EQ(saslprep("USER").reveal(), "USER");
    EXPECT_EQ(saslprep("\u00aa").reveal(), "a");
    EXPECT_EQ(saslprep("\u2168").reveal(), "IX");
    EXPECT_EQ(saslprep("\x07").reveal(), "\x07");
    EXPECT_EQ(saslprep("\u06271").reveal(), "\u06271");
}

TEST(Saslprep, WhatCannotBePreparedStaysAsItIs) {
    EXPECT_EQ(saslprep("\xff\xfe").reveal(), "\xff\xfe");
    EXPECT_EQ(saslprep("\u00ad").reveal(), "\u00ad");  // would be empty
    EXPECT_EQ(saslprep("").reveal(), "");
}

TEST(ScramVerifier, AgreesWithPostgres) {
    for (const auto& [password, text] : kGenerated) {
        const auto verifier = parse_verifier(text);
        ASSERT_TRUE(verifier) << password;
        EXPECT_EQ(verifier->text(), text);
        EXPECT_TRUE(verifier->matches(password)) << password;
        EXPECT_FALSE(verifier->matches("other")) << password;
        EXPECT_EQ(make_verifier(password, verifier->salt, 4096).text(), text);
    }
}

TEST(ScramVerifier, RefusesBrokenTexts) {
    const std::string good = kGenerated[0].verifier;
    EXPECT_FALSE(parse_verifier(""));
    EXPECT_FALSE(parse_verifier("SCRAM-SHA-256"));
    EXPECT_FALSE(parse_verifier("SCRAM-SHA-1" + good.substr(13)));
    for (const char* iterations : {"0", "-1", "x", "", "4096x", "99999999999"}) {
        EXPECT_FALSE(parse_verifier("SCRAM-SHA-256$" + std::string(iterations) + good.substr(18)))
            << iterations;
    }
    EXPECT_FALSE(parse_verifier(good + "x"));
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(parse_verifier(std::string_view(good).substr(0, size))) << size;
    }
}

TEST(ScramVerifier, MockIsStableAndPerUser) {
    const Secret secret("process secret");
    const auto once = mock_verifier("alice", secret, 4096);
    EXPECT_EQ(once.salt.size(), 16u);
    EXPECT_EQ(once.salt, mock_verifier("alice", secret, 4096).salt);
    EXPECT_NE(once.salt, mock_verifier("bob", secret, 4096).salt);
    EXPECT_NE(once.salt, mock_verifier("alice", Secret("other"), 4096).salt);
    EXPECT_TRUE(parse_verifier(once.text()));
}

TEST(ScramServer, Rfc7677Exchange) {
    ScramServer server = rfc_server();
    EXPECT_EQ(server.first(kScramSha256, kRfcClientFirst), kRfcServerFirst);
    EXPECT_EQ(server.final(kRfcClientFinal), kRfcServerFinal);
    EXPECT_EQ(server.keys().iterations, 4096);
    EXPECT_EQ(server.keys().client_key.size(), 32u);
}

TEST(ScramServer, DoomedRefusesTheRightPassword) {
    ScramServer server = rfc_server(true);
    ASSERT_TRUE(server.first(kScramSha256, kRfcClientFirst));
    const auto answer = server.final(kRfcClientFinal);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().sqlstate, "28P01");
}

TEST(ScramServer, RefusesMalformedFirstMessages) {
    const std::pair<const char*, const char*> cases[] = {
        {"", "08P01"},
        {"n", "08P01"},
        {"n,", "08P01"},
        {"n,,", "08P01"},
        {"n,,n=", "08P01"},
        {"n,,n=,r=", "08P01"},
        {"n,,n=,r=a b", "08P01"},
        {"n,,n=,r=a\x7f", "08P01"},
        {"n,,r=abc", "08P01"},
        {"z,,n=,r=abc", "08P01"},
        {"n,a=admin,n=,r=abc", "0A000"},
        {"n,x=admin,n=,r=abc", "08P01"},
        {"n,,m=ext,n=,r=abc", "0A000"},
        {"p=tls-server-end-point,,n=,r=abc", "08P01"},
    };
    for (const auto& [message, sqlstate] : cases) {
        ScramServer server = rfc_server();
        const auto answer = server.first(kScramSha256, message);
        ASSERT_FALSE(answer) << message;
        EXPECT_EQ(answer.error().sqlstate, sqlstate) << message;
    }
    ScramServer server = rfc_server();
    EXPECT_FALSE(server.first("SCRAM-SHA-1", kRfcClientFirst));
    ScramServer without_tls = rfc_server();
    EXPECT_FALSE(without_tls.first(kScramSha256Plus, "p=tls-server-end-point,,n=,r=abc"));
    ScramServer with_extension = rfc_server();
    EXPECT_TRUE(with_extension.first(kScramSha256, "n,,n=,r=abc,x=later"));
}

TEST(ScramServer, RefusesMalformedFinalMessages) {
    const std::string good(kRfcClientFinal);
    std::string wrong_proof = good;
    wrong_proof[wrong_proof.find(",p=") + 5] = 'A';
    const std::pair<std::string, const char*> cases[] = {
        {"", "08P01"},
        {"c=biws", "08P01"},
        {good.substr(0, good.find(",p=")), "08P01"},
        {good + "=", "08P01"},
        {"c=eSws" + good.substr(6), "08P01"},
        {"c=biws,r=other" + good.substr(good.find(",p=")), "08P01"},
        {wrong_proof, "28P01"},
    };
    for (const auto& [message, sqlstate] : cases) {
        ScramServer server = rfc_server();
        ASSERT_TRUE(server.first(kScramSha256, kRfcClientFirst));
        const auto answer = server.final(message);
        ASSERT_FALSE(answer) << message;
        EXPECT_EQ(answer.error().sqlstate, sqlstate) << message;
    }
}

TEST(ScramServer, SeesAStrippedPlusMechanism) {
    ScramServer server(make_verifier("pencil", kSalt, 1),
                       {.nonce = "server", .channel_binding_data = "hash"});
    const auto answer = server.first(kScramSha256, "y,,n=,r=abc");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().sqlstate, "28000");
}

// Runs a whole login; what the failing step said, or the client's keys.
Result<ScramKeys> login(ScramClient client, ScramServer server,
                        std::span<const std::string_view> mechanisms) {
    TRY(const std::string_view mechanism, client.choose(mechanisms));
    TRY(const std::string server_first, server.first(mechanism, client.first()));
    TRY(const std::string client_final, client.final(server_first));
    TRY(const std::string server_final, server.final(client_final));
    TRY_VOID(client.verify(server_final));
    EXPECT_EQ(client.keys().client_key, server.keys().client_key);
    return server.keys();
}

constexpr std::array<std::string_view, 2> kBoth = {kScramSha256Plus, kScramSha256};
constexpr std::array<std::string_view, 1> kPlainOnly = {kScramSha256};

ScramClient client_with(std::string_view password, std::string binding,
                        ChannelBinding wish = ChannelBinding::kPrefer) {
    return {
        Secret(password),
        {.nonce = "client", .channel_binding_data = std::move(binding), .channel_binding = wish}};
}

ScramServer server_with(std::string binding) {
    return {*parse_verifier(kGenerated[0].verifier),
            {.nonce = "server", .channel_binding_data = std::move(binding)}};
}

TEST(ScramLogin, EachGeneratedPassword) {
    for (const auto& [password, text] : kGenerated) {
        const ScramServer server(*parse_verifier(text), {.nonce = "server"});
        EXPECT_TRUE(login(client_with(password, ""), server, kPlainOnly)) << password;
    }
}

TEST(ScramLogin, WrongPassword) {
    const auto result = login(client_with("wrong", ""), server_with(""), kPlainOnly);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().sqlstate, "28P01");
}

TEST(ScramLogin, ChannelBinding) {
    EXPECT_TRUE(login(client_with("pencil", "hash"), server_with("hash"), kBoth));
    EXPECT_TRUE(
        login(client_with("pencil", "hash", ChannelBinding::kRequire), server_with("hash"), kBoth));
    EXPECT_TRUE(
        login(client_with("pencil", "hash", ChannelBinding::kDisable), server_with("hash"), kBoth));
    EXPECT_TRUE(login(client_with("pencil", ""), server_with("hash"), kBoth));
    EXPECT_TRUE(login(client_with("pencil", "hash"), server_with(""), kPlainOnly));

    const auto other_certificate =
        login(client_with("pencil", "other"), server_with("hash"), kBoth);
    ASSERT_FALSE(other_certificate);
    EXPECT_EQ(other_certificate.error().message, "SCRAM channel binding check failed");
    const auto stripped = login(client_with("pencil", "hash"), server_with("hash"), kPlainOnly);
    ASSERT_FALSE(stripped);
    EXPECT_EQ(stripped.error().message, "SCRAM channel binding negotiation error");
    EXPECT_FALSE(login(client_with("pencil", "hash", ChannelBinding::kRequire), server_with(""),
                       kPlainOnly));
    EXPECT_FALSE(
        login(client_with("pencil", "", ChannelBinding::kRequire), server_with(""), kPlainOnly));
}

// Keys of an earlier login stand for the password's hashes, with the same salt only.
TEST(ScramLogin, KnownKeysSaveTheIterations) {
    const auto keys = login(client_with("pencil", ""), server_with(""), kPlainOnly);
    ASSERT_TRUE(keys);
    const auto client_knowing = [&](std::string_view password) {
        return ScramClient(Secret(password), {.nonce = "client", .known_keys = *keys});
    };
    // Whether they were used shows in a password that alone would be refused.
    EXPECT_TRUE(login(client_knowing("not looked at"), server_with(""), kPlainOnly));
    const ScramServer other_salt(make_verifier("pencil", kSalt, 4096), {.nonce = "server"});
    EXPECT_FALSE(login(client_knowing("not looked at"), other_salt, kPlainOnly));
    EXPECT_TRUE(login(client_knowing("pencil"), other_salt, kPlainOnly));
}

TEST(ScramLogin, PassThroughWithTheClientsKeys) {
    const auto keys = login(client_with("pencil", ""), server_with(""), kPlainOnly);
    ASSERT_TRUE(keys);
    EXPECT_TRUE(login(ScramClient(*keys, {.nonce = "proxy"}), server_with("hash"), kBoth));

    const ScramServer other_salt(make_verifier("pencil", kSalt, 4096), {.nonce = "server"});
    const auto result = login(ScramClient(*keys, {.nonce = "proxy"}), other_salt, kPlainOnly);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("another salt"), std::string::npos);
}

TEST(ScramClient, RefusesMalformedServerMessages) {
    for (const char* message :
         {"", "r=client", "r=client,s=MDEy,i=1", "r=other1,s=MDEy,i=1", "r=clientX,s=MDE,i=1",
          "r=clientX,s=,i=1", "r=clientX,s=MDEy,i=0", "r=clientX,s=MDEy,i=1000001",
          "r=clientX,s=MDEy,i=99999999999999", "r=clientX,s=MDEy",
          "r=clientX,s=MDEy,i=", "m=x,r=clientX,s=MDEy,i=1"}) {
        ScramClient client = client_with("pencil", "");
        ASSERT_TRUE(client.choose(kPlainOnly));
        EXPECT_EQ(client.first(), "n,,n=,r=client");
        EXPECT_FALSE(client.final(message)) << message;
    }
}

TEST(ScramClient, DemandsTheServersProof) {
    for (const char* message :
         {"", "v=", "v=AAAA", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "e=other-error"}) {
        ScramClient client = client_with("pencil", "");
        ASSERT_TRUE(client.choose(kPlainOnly));
        (void)client.first();
        ASSERT_TRUE(client.final("r=clientX,s=MDEy,i=1"));
        EXPECT_FALSE(client.verify(message)) << message;
    }
    constexpr std::array<std::string_view, 1> kUnknown = {"GSSAPI"};
    EXPECT_FALSE(client_with("pencil", "").choose(kUnknown));
}

TEST(ScramNonce, IsLongAndNew) {
    const auto one = scram_nonce();
    const auto two = scram_nonce();
    ASSERT_TRUE(one && two);
    EXPECT_EQ(one->size(), 24u);
    EXPECT_NE(*one, *two);
}

}  // namespace
}  // namespace howdah::wire
