// What needs no LDAP server: the rest is in tests/auth/test_ldap.py.

#include "auth/ldap.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.hpp"

namespace howdah::auth {
namespace {

using namespace std::chrono_literals;

// Listens, and says nothing.
class Silent {
  public:
    Silent() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(fd_, 8), 0);
        EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
    }
    ~Silent() { ::close(fd_); }
    Silent(const Silent&) = delete;
    Silent& operator=(const Silent&) = delete;

    bool somebody_came() const {
        pollfd listening{fd_, POLLIN, 0};
        return ::poll(&listening, 1, 0) == 1;
    }
    Question question(const std::string& options) const {
        auto parsed = config::parse_ldap_options(
            fmt::format("ldapserver=127.0.0.1 ldapport={} {}", port_, options));
        EXPECT_TRUE(parsed.has_value());
        Question question;
        question.ldap = std::make_shared<const config::LdapOptions>(std::move(*parsed));
        question.user = "ann";
        question.password = wire::Secret(std::string_view("secret"));
        question.deadline = steady_now() + 200ms;
        return question;
    }

  private:
    int fd_;
    int port_ = 0;
};

TEST(Ldap, AServerThatSaysNothingIsNoYes) {
    for (const char* options : {"ldapprefix=uid=", "ldapbasedn=dc=x", "ldapprefix=uid= ldaptls=1",
                                "ldapprefix=uid= ldapscheme=ldaps"}) {
        const Silent server;
        const auto before = steady_now();
        const Verdict verdict = ask_ldap(server.question(options));
        EXPECT_FALSE(verdict.result) << options;
        EXPECT_TRUE(server.somebody_came()) << options;
        EXPECT_LT(steady_now() - before, 3s) << options;
    }
}

TEST(Ldap, AnEmptyPasswordIsNotAskedAbout) {
    const Silent server;
    Question question = server.question("ldapprefix=uid=");
    question.password.clear();
    EXPECT_FALSE(ask_ldap(question).result);
    question = server.question("ldapprefix=uid=");
    question.user.clear();
    EXPECT_FALSE(ask_ldap(question).result);
    EXPECT_FALSE(server.somebody_came());
}

TEST(Ldap, NamesThatWouldBeReadAsSomethingElseAreNotAskedAbout) {
    const Silent server;
    for (const char* user : {"*", "ann)(uid=bob", "a(b", "a\\2a", "a/b"}) {
        Question question = server.question("ldapbasedn=dc=x");
        question.user = user;
        EXPECT_FALSE(ask_ldap(question).result) << user;
    }
    for (const char* user : {"ann,ou=other", "ann+cn=x", "a=b", "a\"b", "a;b", "a<b", "a\\b"}) {
        Question question = server.question("ldapprefix=uid=");
        question.user = user;
        EXPECT_FALSE(ask_ldap(question).result) << user;
    }
    EXPECT_FALSE(server.somebody_came());
}

}  // namespace
}  // namespace howdah::auth
