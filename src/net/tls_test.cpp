// TLS: contexts and sessions by themselves, then streams on both real backends.

#include "net/tls.hpp"

#include <algorithm>

#include "net/certificates_fixture.hpp"
#include "net/loop_fixture.hpp"

namespace howdah::net {
namespace {

Certificates& certificates() {
    static Certificates all;
    return all;
}

TlsOptions server_options() {
    TlsOptions options;
    options.certificate_file = certificates().path("server.crt");
    options.key_file = certificates().path("server.key");
    return options;
}

TlsOptions client_options(TlsVerify verify = TlsVerify::kFull) {
    TlsOptions options;
    options.role = TlsRole::kClient;
    options.ca_file = certificates().path("ca.crt");
    options.verify = verify;
    return options;
}

std::shared_ptr<const TlsContext> context(const TlsOptions& options) {
    auto made = TlsContext::create(options);
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return *made;
}

// A client and a server without sockets; bytes go over in pieces of a chosen size.
struct Pair {
    Pair(const TlsOptions& for_server, const TlsOptions& for_client, const std::string& name)
        : server(*TlsSession::create(TlsRole::kServer, context(for_server), "")),
          client(*TlsSession::create(TlsRole::kClient, context(for_client), name)) {}

    static void carry(BlockPool& pool, TlsSession& from, TlsSession& to, std::size_t piece) {
        std::string wire;
        from.take_output(pool, [&](const Slice& slice) {
            wire.append(reinterpret_cast<const char*>(slice.data()), slice.size());
        });
        for (std::size_t at = 0; at < wire.size(); at += piece) {
            const std::size_t size = std::min(piece, wire.size() - at);
            to.feed({reinterpret_cast<const std::uint8_t*>(wire.data()) + at, size});
            if (!to.established()) {
                failed = failed || !to.handshake();
            } else {
                last = to.decrypt(pool, [&](const Slice& slice) {
                    received.append(reinterpret_cast<const char*>(slice.data()), slice.size());
                });
            }
        }
    }
    bool shake(std::size_t piece) {
        failed = false;
        for (int i = 0; i < 10 && !failed; ++i) {
            failed = !client->established() && !client->handshake();
            carry(pool_, *client, *server, piece);
            carry(pool_, *server, *client, piece);
        }
        return client->established() && server->established() && !failed;
    }

    BlockPool pool_;
    std::unique_ptr<TlsSession> server;
    std::unique_ptr<TlsSession> client;
    static inline bool failed = false;
    static inline std::string received;
    static inline TlsSession::Outcome last = TlsSession::Outcome::kOpen;
};

TEST(TlsSession, RecordsMayComeByteByByte) {
    Pair pair(server_options(), client_options(), "server.test");
    ASSERT_TRUE(pair.shake(1));
    const std::string text = pattern(40'000);
    ASSERT_TRUE(
        pair.client->encrypt({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
    Pair::received.clear();
    Pair::carry(pair.pool_, *pair.client, *pair.server, 1);
    EXPECT_TRUE(Pair::received == text);
    EXPECT_EQ(pair.client->alpn(), "postgresql");
    EXPECT_EQ(pair.server->alpn(), "postgresql");
    EXPECT_EQ(pair.client->version(), "TLSv1.3");
    EXPECT_EQ(pair.client->server_certificate(), pair.server->server_certificate());
    pair.client->shut_down();
    Pair::carry(pair.pool_, *pair.client, *pair.server, 1);
    EXPECT_EQ(Pair::last, TlsSession::Outcome::kClosed);
}

TEST(TlsSession, AChangedByteEndsIt) {
    Pair pair(server_options(), client_options(), "server.test");
    ASSERT_TRUE(pair.shake(16384));
    const std::string text = "SELECT 1";
    ASSERT_TRUE(
        pair.client->encrypt({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
    std::vector<std::uint8_t> wire;
    pair.client->take_output(pair.pool_, [&](const Slice& slice) {
        wire.insert(wire.end(), slice.data(), slice.data() + slice.size());
    });
    wire.back() ^= 1;
    pair.server->feed(wire);
    EXPECT_EQ(pair.server->decrypt(pair.pool_, [](const Slice&) { FAIL(); }),
              TlsSession::Outcome::kFailed);
}

TEST(TlsSession, NameIsVerifiedAndMustBeGiven) {
    EXPECT_FALSE(Pair(server_options(), client_options(), "other.test").shake(16384));
    EXPECT_TRUE(Pair(server_options(), client_options(TlsVerify::kCa), "other.test").shake(16384));
    EXPECT_TRUE(Pair(server_options(), client_options(), "127.0.0.1").shake(16384));
    EXPECT_FALSE(Pair(server_options(), client_options(), "127.0.0.2").shake(16384));
    EXPECT_FALSE(TlsSession::create(TlsRole::kClient, context(client_options()), "").has_value());
}

struct Named {
    const char* common_name;
    const char* alternative;
    const char* host;
    bool right;
};

TEST(TlsSession, HostsAreHeldAgainstNamesAndAddressesAsByLibpq) {
    const Named cases[] = {
        // Addresses: whole, of their own type, or as a name letter for letter.
        {"x", "IP:127.0.0.1,IP:10.0.0.7", "10.0.0.7", true},
        {"x", "IP:10.0.0.7", "10.0.0.70", false},
        {"x", "IP:fd00::7", "fd00:0::7", true},
        {"x", "IP:fd00::7", "fd00::8", false},
        {"x", "IP:0:0:0:0:0:ffff:a00:7", "10.0.0.7", false},
        {"x", "DNS:10.0.0.7", "10.0.0.7", true},
        {"x", "DNS:*.0.0.7", "10.0.0.7", false},
        {"10.0.0.7", "", "10.0.0.7", true},
        {"10.0.0.7", "DNS:db.test", "10.0.0.7", true},
        {"10.0.0.7", "IP:10.0.0.8", "10.0.0.7", false},
        {"*.0.0.7", "", "10.0.0.7", false},
        {"x", "DNS:db.test", "10.0.0.7", false},
        // Names: the whole name, or one label for the *.
        {"x", "DNS:db.test", "DB.test", true},
        {"x", "DNS:a.test,DNS:*.pool.test", "db1.pool.test", true},
        {"x", "DNS:*.test", "db.test", true},
        {"x", "DNS:*.test", "a.db.test", false},
        {"x", "DNS:*.pool.test", "pool.test", false},
        {"x", "DNS:*.pool.test", ".pool.test", false},
        {"x", "DNS:d*.test", "db.test", false},
        {"x", "DNS:db.*.test", "db.a.test", false},
        {"x", "DNS:*", "localhost", false},
        {"x", "DNS:*.test", "db.testing", false},
        {"db.test", "", "db.test", true},
        {"*.test", "", "db.test", true},
        {"db.test", "IP:10.0.0.7", "db.test", true},
        {"db.test", "DNS:other.test", "db.test", false},
    };
    for (const Named& one : cases) {
        certificates().issue_server("named", one.common_name, one.alternative);
        TlsOptions server = server_options();
        server.certificate_file = certificates().path("named.crt");
        server.key_file = certificates().path("named.key");
        EXPECT_EQ(Pair(server, client_options(), one.host).shake(16384), one.right)
            << one.common_name << " / " << one.alternative << " / " << one.host;
        EXPECT_TRUE(Pair(server, client_options(TlsVerify::kCa), one.host).shake(16384));
    }
}

TEST(TlsSession, AuthorityIsVerifiedUnlessNobodyAsks) {
    TlsOptions stranger = client_options(TlsVerify::kCa);
    stranger.ca_file = certificates().path("other_ca.crt");
    EXPECT_FALSE(Pair(server_options(), stranger, "server.test").shake(16384));
    stranger.verify = TlsVerify::kNone;
    EXPECT_TRUE(Pair(server_options(), stranger, "server.test").shake(16384));
}

TEST(TlsSession, ClientCertificateIsRequiredAndNamed) {
    TlsOptions server = server_options();
    server.ca_file = certificates().path("ca.crt");
    server.request_client_certificate = server.require_client_certificate = true;
    Pair without(server, client_options(), "server.test");
    without.shake(16384);
    EXPECT_FALSE(without.server->established());
    TlsOptions client = client_options();
    client.certificate_file = certificates().path("alice.crt");
    client.key_file = certificates().path("alice.key");
    Pair with(server, client, "server.test");
    ASSERT_TRUE(with.shake(16384));
    EXPECT_TRUE(with.server->has_peer_certificate());
    EXPECT_EQ(with.server->peer_common_name(), "alice");
}

TEST(TlsContext, SaysWhichFileItCannotUse) {
    TlsOptions options = server_options();
    options.key_file = certificates().path("alice.key");
    EXPECT_FALSE(TlsContext::create(options).has_value());
    // Must not ask for the passphrase on the terminal.
    options.key_file = certificates().encrypted_key();
    const auto encrypted = TlsContext::create(options);
    ASSERT_FALSE(encrypted.has_value());
    EXPECT_NE(encrypted.error().message.find("encrypted.key"), std::string::npos);
    options.key_file = "/nonexistent";
    EXPECT_FALSE(TlsContext::create(options).has_value());
    options = server_options();
    options.protocols = "tlsv1.9";
    EXPECT_FALSE(TlsContext::create(options).has_value());
}

class TlsStreamTest : public LoopFixture {
  protected:
    using Client = std::function<Task<void>(Stream&)>;
    // A server that speaks TLS and gives the stream to `session`, and one client of ours.
    void run_pair(std::function<Task<void>(Stream&)> session, Client client) {
        session_of_ = std::move(session);
        client_of_ = std::move(client);
        serve([this](std::unique_ptr<Stream> stream) -> Task<void> {
            auto secured = co_await stream->start_tls(TlsRole::kServer, context(server_options()),
                                                      "", loop_->now() + 5s);
            EXPECT_TRUE(secured.has_value()) << secured.error().message;
            co_await session_of_(*stream);
        });
        group_.spawn(run_client());
        run(1);
    }

  private:
    Task<void> run_client() {
        auto stream = co_await loop_->connect(address_, loop_->now() + 5s);
        EXPECT_TRUE(stream.has_value());
        auto secured = co_await (*stream)->start_tls(TlsRole::kClient, context(client_options()),
                                                     "server.test", loop_->now() + 5s);
        EXPECT_TRUE(secured.has_value()) << secured.error().message;
        co_await client_of_(**stream);
    }
    std::function<Task<void>(Stream&)> session_of_;
    Client client_of_;
};

Task<void> echo_until_end(Stream& stream) {
    Event event(stream.loop());
    stream.set_listener(&event);
    while (!stream.ended() || stream.buffered() > 0) {
        if (stream.congested()) {
            stream.pause();
            stream.notify_when_drained();
        } else {
            stream.resume();
            stream.forward(stream.buffered(), stream);
        }
        if (!stream.ended() || stream.congested()) {
            co_await event.wait();
        }
    }
    stream.set_listener(nullptr);
}

TEST_P(TlsStreamTest, EchoesMuchUnderBackpressure) {
    std::string got;
    run_pair(echo_until_end, [&](Stream& stream) -> Task<void> {
        stream.write(pattern(5'000'000));
        got = co_await receive(stream, 5'000'000);
    });
    EXPECT_TRUE(got == pattern(5'000'000)) << got.size();
}

TEST_P(TlsStreamTest, CloseIsAnnouncedAndWhatWasWrittenComesFirst) {
    std::string got;
    int end_error = -1;
    run_pair(
        [](Stream& stream) -> Task<void> {
            stream.write("the last answer");
            co_return;
        },
        [&](Stream& stream) -> Task<void> {
            co_await wait_for_end(stream);
            got = take_text(stream);
            end_error = stream.end_error();
        });
    EXPECT_EQ(got, "the last answer");
    EXPECT_EQ(end_error, 0);
}

TEST_P(TlsStreamTest, PeerThatSaidItIsDoneGetsItsAnswer) {
    std::string got;
    run_pair(
        [](Stream& stream) -> Task<void> {
            co_await wait_for_end(stream);
            stream.write("still here");
        },
        [&](Stream& stream) -> Task<void> {
            stream.tls()->shut_down();
            stream.flush();
            got = co_await receive(stream, 10);
        });
    EXPECT_EQ(got, "still here");
}

TEST_P(TlsStreamTest, EndWithoutAnnouncementIsAnEndToo) {
    bool ended = false;
    run_pair(
        [&](Stream& stream) -> Task<void> {
            co_await wait_for_end(stream);
            ended = true;
        },
        [](Stream& stream) -> Task<void> {
            co_await stream.loop().sleep(20ms);  // our part of the handshake has left
            ::shutdown(stream.fd(), SHUT_RDWR);
        });
    EXPECT_TRUE(ended);
}

TEST_P(TlsStreamTest, DetachedSessionStaysSecure) {
    std::string got;
    run_pair(
        [&](Stream& stream) -> Task<void> {
            Event event(stream.loop());
            stream.set_listener(&event);
            std::optional<Detached> taken;
            while (!(taken = stream.detach())) {
                co_await event.wait();
            }
            stream.set_listener(nullptr);
            const auto moved = attach(stream.loop(), std::move(*taken));
            EXPECT_NE(moved->tls(), nullptr);
            co_await echo_until_end(*moved);
        },
        [&](Stream& stream) -> Task<void> {
            stream.write("over there");
            got = co_await receive(stream, 10);
        });
    EXPECT_EQ(got, "over there");
}

TEST_P(TlsStreamTest, HandshakeHasADeadline) {
    ErrorCode code = ErrorCode::kInternal;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        auto secured = co_await stream->start_tls(TlsRole::kServer, context(server_options()), "",
                                                  loop_->now() + 30ms);
        code = secured ? ErrorCode::kInternal : secured.error().code;
    });
    std::thread peer([&] {
        Peer client(address_);
        client.send(std::string("\x16\x03\x01", 3));
        client.receive(1000);
    });
    run(1);
    peer.join();
    EXPECT_EQ(code, ErrorCode::kTimeout);
}

TEST_P(TlsStreamTest, GarbageAndGoneClientsFailTheHandshake) {
    std::vector<ErrorCode> codes;
    serve([&](std::unique_ptr<Stream> stream) -> Task<void> {
        auto secured = co_await stream->start_tls(TlsRole::kServer, context(server_options()), "",
                                                  loop_->now() + 5s);
        codes.push_back(secured ? ErrorCode::kInternal : secured.error().code);
    });
    std::thread peer([&] {
        Peer garbage(address_);
        garbage.send("GET / HTTP/1.1\r\n\r\n");
        garbage.receive(1000);
        Peer(address_).send(std::string("\x16\x03\x01", 3));
    });
    run(2);
    peer.join();
    EXPECT_EQ(codes, (std::vector<ErrorCode>{ErrorCode::kProtocol, ErrorCode::kIo}));
}

INSTANTIATE_TEST_SUITE_P(Backends, TlsStreamTest, testing::Values(Backend::kUring, Backend::kEpoll),
                         backend_test_name);

}  // namespace
}  // namespace howdah::net
