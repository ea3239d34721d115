#include "http/get.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

namespace howdah::http {
namespace {

// Answers one connection on a free port with `reply`, and keeps what was asked.
class OneAnswer {
  public:
    explicit OneAnswer(std::string reply) : reply_(std::move(reply)) {
        socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
            ::listen(socket_, 1) != 0) {
            return;
        }
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~OneAnswer() {
        ::shutdown(socket_, SHUT_RDWR);
        if (thread_.joinable()) {
            thread_.join();
        }
        ::close(socket_);
    }
    OneAnswer(const OneAnswer&) = delete;
    OneAnswer& operator=(const OneAnswer&) = delete;

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/x"; }
    std::string asked() {
        thread_.join();
        return asked_;
    }

  private:
    void serve() {
        const int peer = ::accept(socket_, nullptr, nullptr);
        char buffer[4096];
        while (asked_.find("\r\n\r\n") == std::string::npos) {
            const ssize_t size = ::read(peer, buffer, sizeof buffer);
            if (size <= 0) {
                break;
            }
            asked_.append(buffer, static_cast<std::size_t>(size));
        }
        (void)!::write(peer, reply_.data(), reply_.size());
        ::close(peer);
    }

    std::string reply_;
    std::string asked_;
    int socket_ = -1;
    int port_ = 0;
    std::thread thread_;
};

TEST(Get, StatusBodyAndToken) {
    OneAnswer server("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nempty");
    const auto answer = get({.url = server.url(), .token = "abc"});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 404);
    EXPECT_EQ(answer->body, "empty");
    EXPECT_FALSE(answer->cut);
    EXPECT_NE(server.asked().find("Authorization: Bearer abc\r\n"), std::string::npos);
}

// An environment variable for the length of a test.
class Variable {
  public:
    Variable(const char* name, const char* value) : name_(name) {
        const char* before = std::getenv(name);
        before_ = before == nullptr ? std::nullopt : std::optional<std::string>(before);
        ::setenv(name, value, 1);
    }
    ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

  private:
    const char* name_;
    std::optional<std::string> before_;
};

TEST(Get, NoProxyIsAskedForThisMachine) {
    OneAnswer proxy("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthe proxy");
    const Variable set("http_proxy", proxy.url().c_str());
    const Variable others("no_proxy", "example.com");
    {
        OneAnswer server("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe host");
        const auto answer = get({.url = server.url()});
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(answer->body, "the host");
    }
    // Elsewhere is the proxy's business, by a name that resolves nowhere.
    const auto answer = get({.url = "http://howdah.invalid/"});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, "the proxy");
}

TEST(Get, ALongBodyIsCut) {
    OneAnswer server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    const auto answer = get({.url = server.url(), .body_bytes_max = 4});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "0123");
    EXPECT_TRUE(answer->cut);
}

TEST(Get, WhatIsNoWebAddressIsRefused) {
    for (const char* url : {"file:///etc/hostname", "ftp://localhost/x", ""}) {
        const auto answer = get({.url = url});
        ASSERT_FALSE(answer) << url;
        EXPECT_EQ(answer.error().code, ErrorCode::kInvalidInput) << url;
    }
}

TEST(Get, NobodyListens) {
    std::string url;
    {
        const OneAnswer server("");
        url = server.url();
    }
    const auto answer = get({.url = url});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace howdah::http
